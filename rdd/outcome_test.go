package rdd_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// strict is a writer and a reducer for which all rows are late; the writer finds one more when it is flushed, the reducer lets go of one.
type strict struct{ rdd.Writer }

func (strict) Add(ctx *rdd.Context, in rdd.Chunk) error {
	ctx.Counters.Late += int64(in.N)
	return nil
}

func (strict) Flush(ctx *rdd.Context) ([]rdd.Record, error) {
	ctx.Counters.Late++
	return make([]rdd.Record, ctx.Layout.Reduce), nil
}

func (strict) Reduce(ctx *rdd.Context, _ [][]rdd.Record, emit func(rdd.Chunk) error) error {
	ctx.Counters.Late += 100
	ctx.Counters.Shed++
	return emit(rdd.Chunk{N: 1, Vals: []string{"x"}})
}

// TestOutcomes: what a task counts belongs to the operator that counted it, though the writer of one is in the task of another.
//
//	source ─ EventTime ─┬─ two (both inputs) ─ one
//	                    └─ one
func TestOutcomes(t *testing.T) {
	g := &graph{t: t}
	a := g.source("a")
	at := g.narrow(a)
	at.Kernel = ops.EventTime(func(s string) time.Time { return time.UnixMicro(int64(len(s))) })
	at.Event = &rdd.EventTime{Ahead: 10}
	two := g.wide(at, at)
	one := g.wide(two, at)
	for _, n := range []*rdd.Node{two, one} {
		in := rdd.Input{New: func() rdd.Writer { return strict{} }}
		n.Wide.Inputs, n.Wide.New = []rdd.Input{in, in}, func() rdd.Reducer { return strict{} }
	}
	p := g.build()
	context := func() *rdd.Context { return &rdd.Context{Batch: 1, Layout: &rdd.Layout{Reduce: 1}} }

	ctx := context()
	run := rdd.NewPipeline(p, a, ctx, nil)
	if err := run.PushRecords(block(0, "x", "yy", "far ahead, by 19 µs"), false); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Finish(); err != nil {
		t.Fatal(err)
	}
	want := []rdd.Outcome{{Node: at.ID, Ahead: 1}, {Node: two.ID, Late: 8}, {Node: one.ID, Late: 4}}
	if d := cmp.Diff(want, ctx.Outcomes); d != "" {
		t.Error("of the source: ", d)
	}

	ctx = context()
	run = rdd.NewPipeline(p, two, ctx, nil)
	if err := run.Reduce(nil, false); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Finish(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]rdd.Outcome{{Node: two.ID, Late: 100, Shed: 1}, {Node: one.ID, Late: 2}}, ctx.Outcomes); d != "" {
		t.Error("of the first: ", d)
	}
}
