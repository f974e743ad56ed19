package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

var (
	int64Type   = arrow.PrimitiveTypes.Int64
	recordsIn   = arrow.NewSchema([]arrow.Field{{Name: "a", Type: int64Type}, {Name: "b", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "l", Type: arrow.ListOf(int64Type)}}, nil)
	recordsMade = arrow.Field{Name: "made", Type: int64Type, Nullable: true}
)

// drawn is an operator whose answers are drawn: which rows, in which order. The computed column is twice a, null where a is a multiple of 3.
type drawn struct {
	r       *rand.Rand
	order   int       // of rows: 0 as they are, 1 some, ascending, 2 any
	reads   bool      // a, so that it can be computed
	out     [][]int32 // by record batch: the rows of the answers
	rows    []int     // by record batch
	waiting []Mapped
}

func (d *drawn) Process(_ *task.Context, in arrow.Record) (Mapped, error) {
	n := int(in.NumRows())
	var from []int32
	for i := range n {
		for range []int{1, d.r.IntN(3), d.r.IntN(3)}[d.order] {
			from = append(from, int32(i))
		}
	}
	if d.order == 2 {
		d.r.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	}
	d.out, d.rows = append(d.out, from), append(d.rows, n)
	res := Mapped{N: len(from), From: from}
	if d.order == 0 {
		res.From = nil
	}
	if d.reads {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for _, i := range from {
			if a := in.Column(0).(*array.Int64).Value(int(i)); a%3 == 0 {
				b.AppendNull()
			} else {
				b.Append(2 * a)
			}
		}
		res.Rec = array.NewRecord(arrow.NewSchema([]arrow.Field{recordsMade}, nil), []arrow.Array{b.NewArray()}, int64(len(from)))
	}
	return res, nil
}

// drawnAhead is drawn with several record batches at work.
type drawnAhead struct {
	*drawn
	window int
}

func (d drawnAhead) Window() int { return d.window }

func (d drawnAhead) Send(ctx *task.Context, in arrow.Record) error {
	if len(d.waiting) == d.window {
		return fmt.Errorf("more than %d", d.window)
	}
	res, err := d.Process(ctx, in)
	d.waiting = append(d.waiting, res)
	return err
}

func (d drawnAhead) Receive(*task.Context) (Mapped, error) {
	res := d.waiting[0]
	d.waiting = d.waiting[1:]
	return res, nil
}

// FuzzRecordMap sends random chunks through and compares what comes with the rows taken one by one.
func FuzzRecordMap(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := &drawn{r: r, order: r.IntN(3), reads: r.IntN(3) > 0}
		var m Mapper = d
		if r.IntN(2) == 0 {
			m = drawnAhead{d, 1 + r.IntN(4)}
		}
		how := &RecordMap{
			In: recordsIn, Reads: []int{}, Fails: func(err error, doing string) error { return fmt.Errorf("%s: %w", doing, err) },
			Take: func() (Mapper, error) { return m, nil }, Give: func(Mapper, bool) error { return nil },
		}
		var fields []arrow.Field
		for i, c := range recordsIn.Fields() {
			if r.IntN(3) > 0 {
				fields, how.Keeps = append(fields, c), append(how.Keeps, i)
			}
		}
		if d.reads {
			fields, how.Keeps, how.Reads = append(fields, recordsMade), append(how.Keeps, -1), []int{0}
		}
		how.Out = arrow.NewSchema(fields, nil)
		wanted := make([]bool, len(fields))
		for i := range wanted {
			wanted[i] = r.IntN(4) > 0
		}
		read := how.Read(wanted)
		ctx := &task.Context{Batch: int64(1 + r.IntN(2)), Debug: r.IntN(2) == 0}
		k := how.Kernel(wanted)().(task.Gatherer)
		var rows []string // of the input, as they are wanted
		var got []string
		give := func(c task.Chunk, err error) {
			for ; err == nil && c.N > 0; c = k.Next() {
				got = append(got, textsOf(c.Vals.(*col.Batch), wanted)...)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 1 + r.IntN(6) {
			b := randomRecords(r, []int{1 + r.IntN(9), 1 + r.IntN(3000), 1 + r.IntN(12_000)}[r.IntN(3)])
			rows = append(rows, wantedOf(b, how, wanted)...)
			for i := range b.Cols {
				if !read[i] {
					b.Cols[i] = nil
				}
			}
			give(k.Process(ctx, task.Chunk{N: b.Len(), Vals: b}))
		}
		give(k.Finish(ctx))
		var want []string
		base := 0
		for i, from := range d.out {
			for _, row := range from {
				want = append(want, rows[base+int(row)])
			}
			base += d.rows[i]
		}
		if base != len(rows) || !slices.Equal(got, want) {
			t.Errorf("%d of %d rows went in; %d rows came, want %d", base, len(rows), len(got), len(want))
		}
	})
}

// randomRecords is a batch of n rows, perhaps those of more that count.
func randomRecords(r *rand.Rand, n int) *col.Batch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, recordsIn)
	all := n + r.IntN(2)*r.IntN(n+1)
	for range all {
		b.Field(0).(*array.Int64Builder).Append(r.Int64N(100))
		if r.IntN(4) == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append([]string{"", "x", "yz"}[r.IntN(3)])
		}
		b.Field(2).(*array.ListBuilder).Append(true)
		for range r.IntN(3) {
			b.Field(2).(*array.ListBuilder).ValueBuilder().(*array.Int64Builder).Append(r.Int64N(9))
		}
	}
	out := col.FromRecord(b.NewRecord())
	if all > n || r.IntN(3) == 0 {
		count := r.Perm(all)[:n]
		slices.Sort(count)
		idx := make([]int32, n)
		for i, j := range count {
			idx[i] = int32(j)
		}
		out = out.Where(idx)
	}
	return out
}

// textsOf are the rows of a batch as texts, of the columns that are wanted; others must not be there.
func textsOf(b *col.Batch, wanted []bool) []string {
	var list []int
	for i, w := range wanted {
		if w != (b.Cols[i] != nil) {
			return []string{fmt.Sprintf("column %d is there: %v", i, b.Cols[i] != nil)}
		}
		if w {
			list = append(list, i)
		}
	}
	cols := b.Choose(list).Arrays(nil)
	out := make([]string, b.Len())
	for row := range out {
		for _, c := range cols {
			out[row] += c.ValueStr(row) + "|"
		}
	}
	return out
}

// wantedOf are the rows of an input as they are when they come out.
func wantedOf(in *col.Batch, how *RecordMap, wanted []bool) []string {
	cols := in.Arrays(nil)
	out := make([]string, in.Len())
	for row := range out {
		for i, from := range how.Keeps {
			switch {
			case !wanted[i]:
			case from >= 0:
				out[row] += cols[from].ValueStr(row) + "|"
			default:
				a, text := cols[0].(*array.Int64).Value(row), "(null)"
				if a%3 != 0 {
					text = fmt.Sprint(2 * a)
				}
				out[row] += text + "|"
			}
		}
	}
	return out
}
