package rdd_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/rdd"
)

// last is a kernel that keeps all rows back and gives them in one at the end.
type last struct{ rows []string }

func (k *last) Process(_ *rdd.Context, in rdd.Chunk) (rdd.Chunk, error) {
	k.rows = append(k.rows, in.Vals.([]string)...)
	return rdd.Chunk{}, nil
}

func (k *last) Finish(*rdd.Context) (rdd.Chunk, error) {
	out := strings.Join(k.rows, "+")
	k.rows = nil
	return rdd.Chunk{N: 1, Vals: []string{out}}, nil
}

// What a kernel held back flows on in the order of the plan: through a second one that holds back, and into a union that waits for it.
func TestFinish(t *testing.T) {
	g := &graph{t: t}
	a := g.source("a")
	first := g.narrow(a)
	second := g.narrow(first)
	first.Kernel = func() rdd.Kernel { return &last{} }
	second.Kernel = first.Kernel
	out := g.sink("out", g.narrow(first, second, a))
	ctx := &rdd.Context{Batch: 1, Layout: &rdd.Layout{Reduce: 1, Lanes: map[string]int{"out": 1}}}
	run := rdd.NewPipeline(g.build(), a, ctx, nil)
	for _, b := range []string{"x", "y"} {
		if err := run.PushRecords(block(0, b), false); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := run.Finish()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := out.Val.Rows(blocks[0].Rec.Columns(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x+y", "x+y", "x", "y"}, rows); diff != "" {
		t.Error(diff)
	}
}
