package join

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

var intSchemas = [2]*arrow.Schema{ofInts("l"), ofInts("r")}

func ofInts(v string) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "key", Type: int64Type}, {Name: v + "at", Type: timeType}, {Name: v, Type: int64Type}}, nil)
}

// bench is a join of integers in one partition.
type bench struct {
	w      *Within
	tables [2]*state.Table
	batch  int64
	before int64
	rows   int
}

func newBench(b *testing.B, kind Kind, bound int64) *bench {
	s := specFor(b, kind, "", intSchemas)
	w := &Within{Spec: s, Before: bound, After: bound, Time: [2]Time{{Column: 1}, {Column: 1}}}
	if err := w.Prepare(); err != nil {
		b.Fatal(err)
	}
	x := &bench{w: w, before: task.NoTime}
	for i := range x.tables {
		x.tables[i] = state.New(PlaceCodec(), w.Held[i], 0)
	}
	return x
}

// run joins n rows a side: row i has the key and time that of gives.
func (x *bench) run(b *testing.B, n int, after int64, of func(side, i int) (key, at int64)) {
	x.batch++
	ctx := &task.Context{Batch: x.batch, Counters: &task.Counters{}, Marks: []task.Mark{{Before: x.before, After: after}}}
	var in [2][]arrow.Record
	for side, s := range intSchemas {
		k, at, v := col.New(int64Type, n), col.New(timeType, n), col.New(int64Type, n)
		for i := range n {
			k.Ints[i], at.Ints[i] = of(side, i)
			v.Ints[i] = int64(i)
		}
		if n > 0 {
			in[side] = []arrow.Record{col.Of(s, n, k, at, v).Record()}
		}
		x.tables[side].Begin(x.batch)
	}
	ctx.State, ctx.More = x.tables[0], x.tables[1:]
	err := x.w.New().Reduce(ctx, in[:], func(c task.Chunk) error { x.rows += c.N; return nil })
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range x.tables {
		t.Seal()
		t.Forget(x.batch)
	}
	x.before = after
}

// BenchmarkWithin joins rows of a million keys, a hundred thousand rows a side in a batch: each row waits ten batches and meets its partner in the next.
func BenchmarkWithin(b *testing.B) {
	const n = 100_000
	x := newBench(b, Left, 1e6)
	at := int64(0)
	for b.Loop() {
		at += 1e5
		x.run(b, n, at-1e6, func(side, i int) (key, t int64) { return at - int64(side)*1e5 + int64(i), at })
	}
	b.ReportMetric(float64(2*n*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkWithinFrequentKey joins rows of one key of which a hundred thousand wait; few match.
func BenchmarkWithinFrequentKey(b *testing.B) {
	const n = 1000
	x := newBench(b, Left, 10)
	at := int64(0)
	for b.Loop() {
		at += 1e5
		x.run(b, n, at-1e7, func(side, i int) (key, t int64) { return 7, at + int64(i*40+side*20) })
	}
	b.ReportMetric(float64(2*n*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkWithinBuffered is what a million rows that wait need, each of its own key.
func BenchmarkWithinBuffered(b *testing.B) {
	for b.Loop() {
		x := newBench(b, Left, 1e9)
		for batch := range 10 {
			x.run(b, 50_000, 0, func(side, i int) (key, t int64) { return int64((batch*50_000+i)*2 + side), int64(batch*1e6 + i) })
		}
		b.ReportMetric(float64(x.tables[0].Bytes()+x.tables[1].Bytes())/1e6, "bytes/row")
	}
}
