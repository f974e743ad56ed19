package rdd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/rdd"
)

// loose makes nodes that belong to no plan, as a transform's function does.
func (g *graph) loose(n *rdd.Node) *rdd.Node {
	n.Val, n.Site = text(g.t), "x.go:2"
	return n
}

func (g *graph) step(in ...*rdd.Node) *rdd.Node {
	return g.loose(&rdd.Node{Kind: rdd.Narrow, Op: "step", In: in, Kernel: func() rdd.Kernel { return kernel{} }})
}

func (g *graph) gather(in ...*rdd.Node) *rdd.Node {
	return g.loose(&rdd.Node{Kind: rdd.Wide, Op: "gather", In: in, Wide: &rdd.WideSpec{
		Inputs: make([]rdd.Input, len(in)), New: func() rdd.Reducer { return nil },
	}})
}

// memory gives rows without any input: one a partition.
func (g *graph) memory() *rdd.Node {
	n := g.gather()
	n.Op, n.Wide.OnEmpty, n.Wide.New = "memory", true, func() rdd.Reducer { return constant{} }
	return n
}

type constant struct{}

func (constant) Reduce(ctx *rdd.Context, _ [][]rdd.Record, emit func(rdd.Chunk) error) error {
	return emit(rdd.Chunk{N: 1, Vals: []string{fmt.Sprint("row ", ctx.Partition)}})
}

func (g *graph) transform(f rdd.Expand, in ...*rdd.Node) *rdd.Node {
	return g.add(&rdd.Node{Kind: rdd.Narrow, Op: "transform", In: in, Expand: f})
}

func TestFixedPlans(t *testing.T) {
	g := &graph{t: t}
	g.sink("out", g.source("a"))
	p := g.build()
	if q, err := p.For(rdd.BatchInfo{Number: 3}); q != p || err != nil || !p.Fixed() {
		t.Errorf("a plan without transforms is built for each batch: %v", err)
	}
}

// TestFor builds another fragment in odd batches. What is static keeps its IDs, and the job's plan stays as it is.
func TestFor(t *testing.T) {
	g := &graph{t: t}
	a, b := g.source("a"), g.source("b")
	table := g.table("t", b)
	x := g.transform(func(b rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) {
		if b.Number%2 == 1 {
			g.step(in[0]) // nobody reads it
			return g.gather(g.step(in[0]), g.step(in[1])), nil
		}
		return g.step(in[1]), nil
	}, a, b)
	x.Room = 3
	joined := g.join(g.narrow(x), table)
	out := g.sink("out", joined)
	raw := g.sink("raw", x)
	p := g.build()
	before := p.Explain()
	if x.ID != 6 || p.Fixed() || !strings.Contains(before, "#6 transform: utf8, built for each batch, of at most 3 operators") {
		t.Fatalf("transform #%d in\n%s", x.ID, before)
	}

	odd, err := p.For(rdd.BatchInfo{Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantText := "#6 transform (x.go:1)\n  #3 step: utf8, of #0 (x.go:2)\n  #4 step: utf8, of #1 (x.go:2)\n  #5 gather: utf8, of #3 #4 (x.go:2)\n  gives #5\n"
	if diff := cmp.Diff([]rdd.Fragment{{Node: 6, Text: wantText}}, odd.Fragments); diff != "" {
		t.Error(diff)
	}
	w := odd.Nodes[5]
	if f := odd.Feeders(rdd.EdgeID{Node: joined.ID}); len(f) != 1 || f[0] != w {
		t.Errorf("join is fed by %v", f)
	}
	if diff := cmp.Diff([]rdd.EdgeID{{Node: joined.ID}, {Node: raw.ID}}, odd.Edges(w)); diff != "" {
		t.Errorf("edges of the fragment: %s", diff)
	}
	if diff := cmp.Diff([]rdd.EdgeID{{Node: w.ID}}, odd.Edges(odd.Node("a"))); diff != "" {
		t.Errorf("edges of a: %s", diff)
	}
	if len(odd.Wides) != 3 || odd.Nodes[joined.ID].Wide.Tables[0] != odd.Nodes[table.ID] {
		t.Error("the copy's join does not read the copy's table")
	}

	even, err := p.For(rdd.BatchInfo{Number: 2})
	if err != nil {
		t.Fatal(err)
	}
	if f := even.Feeders(rdd.EdgeID{Node: raw.ID}); len(f) != 1 || f[0] != even.Node("b") {
		t.Errorf("raw is fed by %v", f)
	}
	again, err := p.For(rdd.BatchInfo{Number: 5})
	if err != nil || again.Fragment != odd.Fragment || even.Fragment == odd.Fragment {
		t.Errorf("hashes %x, %x, %x: %v", odd.Fragment, even.Fragment, again.Fragment, err)
	}
	for _, q := range []*rdd.Plan{odd, even} {
		for _, n := range []*rdd.Node{a, b, table, x, joined, out, raw} {
			if twin := q.Nodes[n.ID]; twin.ID != n.ID || twin.Op != n.Op || twin.Name != n.Name {
				t.Errorf("node #%d %s is %s in the batch's plan", n.ID, n.Op, twin.Op)
			}
		}
		if q.Text != p.Text || q.Hash != p.Hash {
			t.Error("a batch's plan has another text than the job's")
		}
	}
	if p.Explain() != before {
		t.Errorf("the job's plan has changed:\n%s", p.Explain())
	}
}

// TestChainedTransforms: one transform reads what another one built.
func TestChainedTransforms(t *testing.T) {
	g := &graph{t: t}
	shuffle := func(_ rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) { return g.gather(in...), nil }
	asIs := func(_ rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) { return in[0], nil }
	x := g.transform(shuffle, g.source("a"))
	y := g.transform(shuffle, g.transform(asIs, x))
	out := g.sink("out", y)
	p, err := g.build().For(rdd.BatchInfo{Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	first, second := p.Nodes[x.ID-rdd.FragmentRoom], p.Nodes[y.ID-rdd.FragmentRoom]
	if diff := cmp.Diff([]rdd.EdgeID{{Node: second.ID}}, p.Edges(first)); diff != "" || len(p.Fragments) != 3 {
		t.Errorf("%d fragments, edges %s", len(p.Fragments), diff)
	}
	if f := p.Feeders(rdd.EdgeID{Node: out.ID}); len(f) != 1 || f[0] != second {
		t.Errorf("out is fed by %v", f)
	}
}

// TestRowsFromMemory: a node that is kept from batch to batch and reads nothing gives its rows, one task a partition.
func TestRowsFromMemory(t *testing.T) {
	g := &graph{t: t}
	memory := g.memory()
	x := g.transform(func(_ rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) { return g.step(in[0], memory), nil }, g.source("a"))
	g.sink("out", x)
	job := g.build()
	for b := range int64(2) {
		p, err := job.For(rdd.BatchInfo{Number: b + 1})
		if err != nil {
			t.Fatal(err)
		}
		root := p.Nodes[x.ID-rdd.FragmentRoom]
		task := rdd.NewPipeline(p, root, &rdd.Context{Batch: b + 1, Partition: 1, Layout: &rdd.Layout{Reduce: 2, Lanes: map[string]int{"out": 1}}}, nil)
		if err := task.Reduce(nil, false); err != nil {
			t.Fatal(err)
		}
		blocks, err := task.Finish()
		if err != nil || len(blocks) != 1 || blocks[0].Rec == nil {
			t.Fatalf("%+v, %v", blocks, err)
		}
		rows, _ := x.Val.Rows(blocks[0].Rec.Columns(), nil)
		if diff := cmp.Diff([]string{"row 1"}, rows); diff != "" {
			t.Error(diff)
		}
	}
	if memory.ID != 0 || memory.Out != nil {
		t.Error("the node that was built has been changed")
	}
}

func TestForRefuses(t *testing.T) {
	var kept *rdd.Node
	for want, build := range map[string]func(g *graph, a, b *rdd.Node, in *rdd.Node) *rdd.Node{
		"panic: no such day":     func(_ *graph, _, _, _ *rdd.Node) *rdd.Node { panic("no such day") },
		"it gave nothing; give":  func(_ *graph, _, _, _ *rdd.Node) *rdd.Node { return nil },
		"more than 64 operators": func(g *graph, _, _, in *rdd.Node) *rdd.Node { return g.chain(in, 65) },
		`it reads source "b" (x.go:1), which it was not given for this batch; hand that stream in with TransformWith`: func(g *graph, _, b, in *rdd.Node) *rdd.Node {
			return g.step(in, g.step(b))
		},
		`it reads source "a" (x.go:1), which it was not given`: func(g *graph, a, _, _ *rdd.Node) *rdd.Node { return g.step(a) },
		`it reads map (x.go:1), which it was not given`: func(g *graph, _, _, in *rdd.Node) *rdd.Node {
			if kept == nil {
				kept = in
			}
			return g.step(kept)
		},
		`source "c" (x.go:2) is a source; pin what it holds`: func(g *graph, _, _, _ *rdd.Node) *rdd.Node {
			return g.loose(&rdd.Node{Kind: rdd.Source, Op: "source", Name: "c", Leaf: leaf("c")})
		},
		`sink "o" (x.go:2) is an output; end the stream that Transform gives with it`: func(g *graph, _, _, in *rdd.Node) *rdd.Node {
			return g.loose(&rdd.Node{Kind: rdd.Sink, Op: "sink", Name: "o", In: []*rdd.Node{in}, Outlet: leaf("o")})
		},
		`gather "sums" (x.go:2) keeps state, which lives longer than one batch; call it on the stream that Transform gives`: func(g *graph, _, _, in *rdd.Node) *rdd.Node {
			n := g.gather(in)
			n.Name, n.Wide.State = "sums", true
			return n
		},
		"reads a table; join with it before Transform": func(g *graph, _, b, in *rdd.Node) *rdd.Node {
			n := g.gather(in)
			n.Wide.Tables = []*rdd.Node{b}
			return n
		},
		"transform (x.go:2) stands within it": func(g *graph, _, _, in *rdd.Node) *rdd.Node {
			return g.loose(&rdd.Node{Kind: rdd.Narrow, Op: "transform", In: []*rdd.Node{in}, Expand: func(rdd.BatchInfo, []*rdd.Node) (*rdd.Node, error) { return nil, nil }})
		},
		"gather (x.go:2) lacks its inputs": func(g *graph, _, _, _ *rdd.Node) *rdd.Node { return g.gather() },
		"step (x.go:2) lacks its kernel":   func(g *graph, _, _, _ *rdd.Node) *rdd.Node { return g.step() },
		"step (x.go:2) reads its own result": func(g *graph, _, _, in *rdd.Node) *rdd.Node {
			n := g.step(in)
			n.In = append(n.In, g.step(n))
			return n
		},
		"it gave rows of utf8 -> utf8, and utf8 is what": func(g *graph, _, _, in *rdd.Node) *rdd.Node {
			n := g.step(in)
			n.Key = n.Val
			return n
		},
	} {
		g := &graph{t: t}
		a, b := g.source("a"), g.source("b")
		x := g.transform(func(_ rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) { return build(g, a, b, in[0]), nil }, g.narrow(a))
		g.sink("out", x)
		p := g.build()
		_, err := p.For(rdd.BatchInfo{Number: 7})
		if strings.Contains(want, "it reads map") && err == nil {
			_, err = p.For(rdd.BatchInfo{Number: 8})
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "transform (x.go:1): batch ") {
			t.Errorf("got %v, want %s", err, want)
		}
		var user *rdd.UserError
		if !errors.As(err, &user) || user.Node != x.ID || strings.HasPrefix(want, "panic") != strings.Contains(user.Stack, "fragment_test.go") {
			t.Errorf("%s: %+v", want, user)
		}
	}
}

func (g *graph) chain(n *rdd.Node, length int) *rdd.Node {
	for range length {
		n = g.step(n)
	}
	return n
}

// TestRoomIsWhole: as many operators as there is room for.
func TestRoomIsWhole(t *testing.T) {
	g := &graph{t: t}
	x := g.transform(func(_ rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) { return g.chain(in[0], rdd.FragmentRoom), nil }, g.source("a"))
	g.sink("out", x)
	p, err := g.build().For(rdd.BatchInfo{Number: 1})
	if err != nil || p.Nodes[x.ID-1].Kind != rdd.Narrow {
		t.Error(err)
	}
}

// BenchmarkFor is what a batch pays for a transform in a job of about a dozen operators.
func BenchmarkFor(b *testing.B) {
	t := &testing.T{}
	g := &graph{t: t}
	a := g.source("a")
	x := g.transform(func(_ rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) { return g.gather(g.chain(in[0], 3)), nil }, g.chain2(a, 3))
	g.sink("out", g.table("t", g.chain2(x, 3)))
	p := g.build()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.For(rdd.BatchInfo{Number: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func (g *graph) chain2(n *rdd.Node, length int) *rdd.Node {
	for range length {
		n = g.narrow(n)
	}
	return n
}
