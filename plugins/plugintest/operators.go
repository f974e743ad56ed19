package plugintest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/plugins"
)

// Plugin is the conformance plugin, compiled in.
func Plugin() plugins.Plugin {
	return plugins.Plugin{Name: "conformance", Version: "1", Operators: Operators()}
}

// Operators are those of README.md.
func Operators() []plugins.Operator { return append(maps(), others()...) }

type (
	number   struct{ N int64 }
	textual  struct{ Text string }
	optional struct{ Text *string }
	both     struct {
		N    int64
		Text string
	}
	copied   struct{ I int64 }
	measured struct{ Size, Sum int64 }
	written  struct {
		N string `arrow:"n"`
	}
	word struct {
		Word string
		At   int64
	}
	length struct{ Length *int64 }
	scaled struct{ Scaled int64 }
	factor struct {
		Factor int64 `json:"factor"`
	}
)

func maps() []plugins.Operator {
	same := func(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }
	return []plugins.Operator{
		plugins.Batches("identity", same, func(_ context.Context, _ plugins.Batch, in arrow.Record) (arrow.Record, error) { return in, nil }),
		mapOf("keep", keep{}),
		mapOf("drop", drop{}),
		plugins.Filter("even", func(r number) bool { return r.N&1 == 0 }),
		mapOf("double", double{}),
		plugins.FlatWith("repeat", func(r number, emit func(copied)) {
			for i := range r.N & 3 {
				emit(copied{i})
			}
		}),
		plugins.With("with", func(r both) measured { return measured{int64(len(r.Text)), r.N + int64(len(r.Text))} }),
		plugins.With("replace", func(r number) written { return written{strconv.FormatInt(r.N, 10)} }),
		plugins.FlatRows("words", words),
		plugins.With("nullable", func(r optional) length {
			if r.Text == nil {
				return length{}
			}
			n := int64(len(*r.Text))
			return length{&n}
		}),
		plugins.Configured("scale", func(c factor) (plugins.Operator, error) {
			return plugins.With("", func(r number) scaled { return scaled{r.N * c.Factor} }), nil
		}),
		mapOf("batch", told{}),
		plugins.Rows("blow", func(r number) textual { return textual{strings.Repeat("x", int(max(r.N, 0)))} }),
		plugins.TryFilter("fail", func(r number) (bool, error) {
			if r.N < 0 {
				return false, fmt.Errorf("negative n: %d", r.N)
			}
			return true, nil
		}),
		plugins.Filter("panic", func(r number) bool {
			if r.N == 13 {
				panic("unlucky 13")
			}
			return true
		}),
		plugins.Batches("refuse", func(in *arrow.Schema) (*arrow.Schema, error) {
			return nil, fmt.Errorf("not wanted: %d columns", in.NumFields())
		}, nil),
	}
}

func words(r textual, emit func(word)) {
	at := 0
	for _, w := range strings.Split(r.Text, " ") {
		if w != "" {
			emit(word{w, int64(at)})
		}
		at += len(w) + 1
	}
}

// mapOf is an operator of a map without state and configuration.
func mapOf(name string, m plugins.Map) plugins.Operator {
	return plugins.Operator{Name: name, Map: func(config []byte) (plugins.Map, error) {
		if len(config) > 0 {
			return nil, errors.New("the operator takes no configuration")
		}
		return m, nil
	}}
}

// all are the numbers of a schema's columns.
func all(s *arrow.Schema) []int {
	out := make([]int, s.NumFields())
	for i := range out {
		out[i] = i
	}
	return out
}

type keep struct{}

func (keep) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	return plugins.Declaration{Output: in, Reads: []int{}, Keeps: all(in)}, nil
}

func (keep) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	return plugins.Result{N: int(in.NumRows())}, nil
}

type drop struct{}

func (drop) Declare(*arrow.Schema) (plugins.Declaration, error) {
	return plugins.Declaration{Output: arrow.NewSchema(nil, nil), Reads: []int{}, Keeps: []int{}}, nil
}

func (drop) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	return plugins.Result{N: int(in.NumRows())}, nil
}

type double struct{ keep }

func (double) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	n := int(in.NumRows())
	if n > math.MaxInt32/2 {
		return plugins.Result{}, fmt.Errorf("%d rows are too many", n)
	}
	from := make([]int32, 2*n)
	for i := range from {
		from[i] = int32(i / 2)
	}
	return plugins.Result{N: 2 * n, From: from}, nil
}

type told struct{}

var toldFields = []arrow.Field{
	{Name: "number", Type: arrow.PrimitiveTypes.Int64}, {Name: "time", Type: arrow.PrimitiveTypes.Int64},
	{Name: "partition", Type: arrow.PrimitiveTypes.Int64}, {Name: "final", Type: arrow.FixedWidthTypes.Boolean},
}

func (told) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	d := plugins.Declaration{Output: arrow.NewSchema(append(in.Fields(), toldFields...), nil), Reads: []int{}, Keeps: all(in)}
	for range toldFields {
		d.Keeps = append(d.Keeps, -1)
	}
	return d, nil
}

func (told) Process(_ context.Context, b plugins.Batch, in arrow.Record) (plugins.Result, error) {
	type row struct {
		Number, Time, Partition int64
		Final                   bool
	}
	rows := make([]row, in.NumRows())
	for i := range rows {
		rows[i] = row{b.Number, b.Time, int64(b.Partition), b.Final}
	}
	rec, err := plugins.RecordOf(rows)
	return plugins.Result{N: len(rows), Rec: array.NewRecord(arrow.NewSchema(toldFields, nil), rec.Columns(), rec.NumRows())}, err
}
