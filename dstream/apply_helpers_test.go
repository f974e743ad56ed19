package dstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
)

// copiesConfig is how the operator "copies" is to be.
type copiesConfig struct {
	Keep     bool // columns page, note and tags do not pass through it
	Reads    bool // it says which columns it reads
	Backward bool // rows of a record batch come in opposite order
	Ahead    int  // record batches at work at a time; 0: it is not Pipelined
	Slice    bool // record batches that it gives are parts of larger ones
}

func (c copiesConfig) bytes() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

// copies is an operator of kind map over rows of click: as many copies of each row as its count says modulo 3, with the columns page, twice, note and tags: twice is
// 2*count, null where note is null.
var copies = plugins.Operator{Name: "copies", Map: func(config []byte) (plugins.Map, error) {
	c := &copying{}
	if err := json.Unmarshal(config, &c.how); err != nil {
		return nil, err
	}
	if c.how.Ahead > 0 {
		return &copyingAhead{copying: c}, nil
	}
	return c, nil
}}

type copying struct {
	how copiesConfig
	at  map[string]int // by name of a column: its place in what Process is given
	out *arrow.Schema  // what is computed
}

var copiedTags = arrow.ListOfNonNullable(arrow.BinaryTypes.String)

func (c *copying) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	fields := []arrow.Field{
		{Name: "page", Type: arrow.BinaryTypes.String}, {Name: "twice", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "tags", Type: copiedTags, Nullable: !c.how.Keep},
	}
	d := plugins.Declaration{Output: arrow.NewSchema(fields, nil)}
	index := map[string]int{}
	for i, f := range in.Fields() {
		index[f.Name] = i
	}
	for _, f := range append(slices.Clone(fields), arrow.Field{Name: "count"}) {
		if _, ok := index[f.Name]; !ok && f.Name != "twice" {
			return d, errors.Join(fmt.Errorf("it needs a column %q", f.Name), errors.New("and more"))
		}
	}
	read := []int{index["count"], index["note"]}
	if c.how.Keep {
		d.Keeps = []int{index["page"], -1, index["note"], index["tags"]}
	} else {
		read = append(read, index["page"], index["tags"])
	}
	slices.Sort(read)
	if c.how.Reads {
		d.Reads = read
	} else {
		read = nil
		for i := range in.Fields() {
			read = append(read, i)
		}
	}
	c.at = map[string]int{}
	for place, i := range read {
		c.at[in.Field(i).Name] = place
	}
	var computed []arrow.Field
	for _, i := range d.Computed() {
		computed = append(computed, fields[i])
	}
	c.out = arrow.NewSchema(computed, nil)
	return d, nil
}

func (c *copying) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	counts, notes := in.Column(c.at["count"]).(*array.Int64), in.Column(c.at["note"]).(*array.String)
	from := []int32{}
	for i := range int(in.NumRows()) {
		for range counts.Value(i) % 3 {
			from = append(from, int32(i))
		}
	}
	if c.how.Backward {
		slices.Reverse(from)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, c.out)
	skip := 0
	if c.how.Slice {
		skip, from = 1, append([]int32{0}, from...)
	}
	for at, f := range c.out.Fields() {
		for _, i := range from {
			switch f.Name {
			case "twice":
				if notes.IsNull(int(i)) {
					b.Field(at).AppendNull()
				} else {
					b.Field(at).(*array.Int64Builder).Append(2 * counts.Value(int(i)))
				}
			case "page", "note":
				col := in.Column(c.at[f.Name]).(*array.String)
				if col.IsNull(int(i)) {
					b.Field(at).AppendNull()
				} else {
					b.Field(at).(*array.StringBuilder).Append(col.Value(int(i)))
				}
			case "tags":
				appendTags(b.Field(at).(*array.ListBuilder), in.Column(c.at["tags"]).(*array.List), int(i))
			}
		}
	}
	rec := b.NewRecord().NewSlice(int64(skip), int64(len(from)))
	res := plugins.Result{N: len(from) - skip, Rec: rec, From: from[skip:]}
	if !c.how.Keep {
		res.From = nil
	}
	return res, nil
}

// appendTags appends a list, null in place of an empty one.
func appendTags(to *array.ListBuilder, from *array.List, i int) {
	lo, hi := from.ValueOffsets(i)
	if lo == hi {
		to.AppendNull()
		return
	}
	to.Append(true)
	for e := lo; e < hi; e++ {
		to.ValueBuilder().(*array.StringBuilder).Append(from.ListValues().(*array.String).Value(int(e)))
	}
}

// copyingAhead is copying for several record batches at a time.
type copyingAhead struct {
	*copying
	out []plugins.Result
}

func (c *copyingAhead) Window() int { return c.how.Ahead }

func (c *copyingAhead) Send(ctx context.Context, b plugins.Batch, in arrow.Record) error {
	if len(c.out) >= c.Window() {
		return errors.New("more is sent than the window allows")
	}
	res, err := c.copying.Process(ctx, b, in)
	c.out = append(c.out, res)
	return err
}

func (c *copyingAhead) Receive(context.Context) (plugins.Result, error) {
	if len(c.out) == 0 {
		return plugins.Result{}, errors.New("nothing was sent")
	}
	res := c.out[0]
	c.out = c.out[1:]
	return res, nil
}

func (c *copyingAhead) Process(context.Context, plugins.Batch, arrow.Record) (plugins.Result, error) {
	return plugins.Result{}, errors.New("the engine sends and receives")
}

func (c *copyingAhead) Close() error {
	c.out = nil
	return nil
}

// copied is a row of what copies gives.
type copied struct {
	Page  string
	Twice *int64
	Note  *string
	Tags  []string
}

// copiesOf is copies row by row.
func copiesOf(c click) []copied {
	row := copied{Page: c.Page, Note: c.Note, Tags: c.Tags}
	if c.Note != nil {
		row.Twice = new(2 * c.Count)
	}
	return slices.Repeat([]copied{row}, int(c.Count%3))
}
