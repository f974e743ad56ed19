package rdd_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

type leaf string

func (l leaf) PlanText() string        { return string(l) }
func (l leaf) NewDecoder() rdd.Decoder { return decoder{} }

// decoder reads values as strings; "bad" is none.
type decoder struct{}

func (decoder) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	var rows []string
	var bad []rdd.Bad
	for i := lo; i < hi; i++ {
		if v := string(b.Value(i)); v != "bad" {
			rows = append(rows, v)
		} else {
			bad = append(bad, rdd.Bad{Index: i, Reason: "it says so"})
		}
	}
	return rdd.Chunk{N: len(rows), Vals: rows}, nil, bad
}

type kernel struct{}

func (kernel) Process(_ *rdd.Context, in rdd.Chunk) (rdd.Chunk, error) { return in, nil }

func text(t *testing.T) *row.Codec {
	t.Helper()
	c, err := row.For[string]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// graph builds small plans by name.
type graph struct {
	t    *testing.T
	plan rdd.Plan
}

func (g *graph) add(n *rdd.Node) *rdd.Node {
	n.Val, n.Site = text(g.t), "x.go:1"
	g.plan.Nodes = append(g.plan.Nodes, n)
	return n
}

func (g *graph) source(name string) *rdd.Node {
	return g.add(&rdd.Node{Kind: rdd.Source, Op: "source", Name: name, Leaf: leaf("text " + name)})
}

func (g *graph) narrow(in ...*rdd.Node) *rdd.Node {
	return g.add(&rdd.Node{Kind: rdd.Narrow, Op: "map", In: in, Kernel: func() rdd.Kernel { return kernel{} }})
}

func (g *graph) wide(in ...*rdd.Node) *rdd.Node {
	return g.add(&rdd.Node{Kind: rdd.Wide, Op: "wide", In: in, Wide: &rdd.WideSpec{
		Inputs: make([]rdd.Input, len(in)), New: func() rdd.Reducer { return nil },
	}})
}

func (g *graph) table(name string, in ...*rdd.Node) *rdd.Node {
	n := g.wide(in...)
	n.Name, n.Wide.State, n.Wide.Bootstrap, n.Wide.StateKey, n.Wide.StateVal = name, true, true, text(g.t), text(g.t)
	return n
}

func (g *graph) join(in *rdd.Node, tables ...*rdd.Node) *rdd.Node {
	n := g.wide(in)
	n.Wide.Tables = tables
	return n
}

func (g *graph) sink(name string, in ...*rdd.Node) *rdd.Node {
	return g.add(&rdd.Node{Kind: rdd.Sink, Op: "sink", Name: name, In: in, Outlet: leaf("memory " + name)})
}

func (g *graph) build() *rdd.Plan {
	g.t.Helper()
	if err := g.plan.Build(); err != nil {
		g.t.Fatal(err)
	}
	return &g.plan
}

func TestEdgesAndFeeders(t *testing.T) {
	g := &graph{t: t}
	a, b := g.source("a"), g.source("b")
	m := g.narrow(a)
	w := g.wide(m, b)
	out := g.sink("out", g.narrow(w))
	raw := g.sink("raw", g.narrow(a, b, w))
	a.Dead = g.sink("dead")
	p := g.build()
	edge := func(n *rdd.Node, input int) rdd.EdgeID { return rdd.EdgeID{Node: n.ID, Input: input} }
	for root, want := range map[*rdd.Node][]rdd.EdgeID{
		a: {edge(w, 0), edge(raw, 0), edge(a.Dead, 0)},
		b: {edge(w, 1), edge(raw, 0)},
		w: {edge(out, 0), edge(raw, 0)},
	} {
		if diff := cmp.Diff(want, p.Edges(root)); diff != "" {
			t.Errorf("edges of %q: %s", root.Name, diff)
		}
	}
	if f := p.Feeders(edge(raw, 0)); len(f) != 3 || f[0] != a || f[1] != b || f[2] != w {
		t.Errorf("feeders %v", f)
	}
	if p.Node("raw") != raw || p.Node("nothing") != nil {
		t.Error("nodes are not found by name")
	}
}

func TestGates(t *testing.T) {
	for name, c := range map[string]struct {
		build func(g *graph)
		want  map[string][]string
	}{
		"one table": {func(g *graph) {
			a, b := g.source("a"), g.source("b")
			g.join(g.narrow(a), g.table("t", g.narrow(b)))
		}, map[string][]string{"a": {"b"}}},
		"through a shuffle": {func(g *graph) {
			a, b := g.source("a"), g.source("b")
			g.join(g.wide(a), g.table("t", g.wide(b)))
		}, map[string][]string{"a": {"b"}}},
		"chain": {func(g *graph) {
			a, b, c := g.source("a"), g.source("b"), g.source("c")
			g.join(a, g.table("u", g.join(b, g.table("t", c))))
		}, map[string][]string{"a": {"b"}, "b": {"c"}}},
		"two tables": {func(g *graph) {
			a, b, c := g.source("a"), g.source("b"), g.source("c")
			g.join(a, g.table("t", c, b))
		}, map[string][]string{"a": {"b", "c"}}},
		"an input that is first": {func(g *graph) {
			a, b, c := g.source("a"), g.source("b"), g.source("c")
			first := g.narrow(b, c)
			g.wide(a, first).Wide.First = []*rdd.Node{first}
		}, map[string][]string{"a": {"b", "c"}}},
		"itself": {func(g *graph) { a := g.source("a"); g.join(a, g.table("t", a)) }, map[string][]string{}},
		"each other": {func(g *graph) {
			a, b, c := g.source("a"), g.source("b"), g.source("c")
			ta, tb := g.table("ta", a), g.table("tb", b)
			g.join(a, tb)
			g.join(b, ta)
			g.join(c, ta)
		}, map[string][]string{"c": {"a"}}},
	} {
		g := &graph{t: t}
		c.build(g)
		if diff := cmp.Diff(c.want, g.build().Gates); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for want, build := range map[string]func(g *graph){
		`x.go:1: the name "a" is taken by source at x.go:1`: func(g *graph) { g.sink("a", g.source("a")) },
		"is not an earlier node of the same plan":           func(g *graph) { g.sink("a", &rdd.Node{}) },
		"reads from a sink":                                 func(g *graph) { g.narrow(g.sink("x", g.source("a"))) },
		`source "a" lacks its connector`:                    func(g *graph) { g.source("a").Leaf = nil },
		`wide "" lacks its name`:                            func(g *graph) { g.table("t", g.source("a")).Name = "" },
		"lacks its kernel":                                  func(g *graph) { g.narrow() },
		`wide "t" has a state table of name "a/b"`:          func(g *graph) { g.stores("t", "a/b") },
		`wide "t" has two state tables of name "a"`:         func(g *graph) { g.stores("t", "a", "a") },
		`a state table "a" without schema`:                  func(g *graph) { g.stores("t", "a").Wide.More[0].Val = nil },
		"more state tables, and not the first":              func(g *graph) { g.stores("t", "a").Wide.State = false },
		`the name "t/a" is taken by wide at x.go:1`:         func(g *graph) { g.sink("t/a", g.stores("t", "a")) },
		`the name "u/a" is taken by sink at x.go:1`: func(g *graph) {
			g.sink("u/a", g.source("s"))
			g.stores("u", "a")
		},
	} {
		g := &graph{t: t}
		build(g)
		if err := g.plan.Build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// stores is a wide node with further state tables.
func (g *graph) stores(name string, more ...string) *rdd.Node {
	n := g.table(name, g.source("source of "+name))
	for _, s := range more {
		n.Wide.More = append(n.Wide.More, rdd.Store{Name: s, Key: text(g.t), Val: text(g.t)})
	}
	return n
}

func TestStores(t *testing.T) {
	g := &graph{t: t}
	n := g.stores("t", "b", "a")
	plain := g.wide(n)
	p := g.build()
	var names []string
	for _, s := range n.Stores() {
		names = append(names, s.Name)
	}
	if diff := cmp.Diff([]string{"t", "t/b", "t/a"}, names); diff != "" || plain.Stores() != nil {
		t.Errorf("%v, and a node without state has %v", names, plain.Stores())
	}
	if want := "state utf8 -> utf8, b utf8 -> utf8, a utf8 -> utf8"; !strings.Contains(p.Text, want) {
		t.Errorf("the plan's text does not say %q:\n%s", want, p.Text)
	}
}

func TestHashIgnoresSites(t *testing.T) {
	hash := func(site, name string) [32]byte {
		g := &graph{t: t}
		g.sink("out", g.source(name)).Site = site
		return g.build().Hash
	}
	if hash("a.go:1", "a") != hash("b.go:2", "a") || hash("a.go:1", "a") == hash("a.go:1", "b") {
		t.Error("the hash does not cover what decides the rows, or covers more")
	}
}

func block(first int64, values ...string) *records.Block {
	b := &records.Block{First: first, Next: first + int64(len(values))}
	for _, v := range values {
		b.Values = append(b.Values, records.Span{Off: uint32(len(b.Data)), Len: uint32(len(v))})
		b.Data = append(b.Data, v...)
	}
	return b
}

// spread routes row i of task t to lane (t+i) mod lanes.
type spread struct{ context.Context }

func (spread) Route(task int, first int64, rec rdd.Record, lanes int, lane []int32) {
	for i := range lane {
		lane[i] = int32((int64(task) + first + int64(i)) % int64(lanes))
	}
}

func TestPipelineOfASource(t *testing.T) {
	g := &graph{t: t}
	a := g.source("a")
	out := g.sink("out", g.narrow(a))
	a.Dead = g.sink("dead")
	dead, err := row.For[rdd.DeadLetter]()
	if err != nil {
		t.Fatal(err)
	}
	a.Dead.Val = dead
	p := g.build()
	ctx := &rdd.Context{Batch: 7, Partition: 1, Layout: &rdd.Layout{Reduce: 1, Lanes: map[string]int{"out": 3, "dead": 1}}}
	task := func() *rdd.Pipeline {
		return rdd.NewPipeline(p, a, ctx, map[int]rdd.Router{out.ID: spread{}})
	}
	run := task()
	for _, b := range []*records.Block{block(10, "x", "y", "bad"), block(13, "z", "u")} {
		if err := run.PushRecords(b, false); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := run.Finish()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range blocks {
		if (b.Rec == nil) != (b.Sum == 0) || b.From != (rdd.TaskID{Node: a.ID, Part: 1}) {
			t.Errorf("block %+v", b)
		}
		if b.Rec != nil && b.Edge.Node == out.ID {
			rows, _ := out.Val.Rows(b.Rec.Columns(), nil)
			got = append(got, strings.Join(rows.([]string), ""))
		} else if b.Rec != nil {
			rows, _ := dead.Rows(b.Rec.Columns(), nil)
			if d := rows.([]rdd.DeadLetter)[0]; d.Offset != 12 || string(d.Value) != "bad" {
				t.Errorf("dead letter %+v", d)
			}
		}
	}
	if diff := cmp.Diff([]string{"z", "xu", "y"}, got); diff != "" || len(blocks) != 4 {
		t.Errorf("%d blocks, lanes %s", len(blocks), diff)
	}
	if c := ctx.Counters; c.RowsIn != 5 || c.Bad != 1 || c.RowsOut != 4 {
		t.Errorf("counters %+v", c)
	}
	want := "source a partition 1 offset 21: bad record: it says so"
	if err := task().PushRecords(block(20, "v", "bad"), true); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// encoding is an outlet that takes rows as bytes: those of a scalar text, with a mark.
type encoding struct{ rdd.Outlet }

func (encoding) Encodes() bool { return true }

func (encoding) RowEncoder(_, val *row.Codec, lanes int) rdd.RowEncoder {
	return &marking{val: val, rows: make([][]string, lanes)}
}

type marking struct {
	val  *row.Codec
	rows [][]string
}

func (m *marking) Columns(*col.Batch, []int32) error { return errors.New("no columns come here") }

func (m *marking) Record(rec rdd.Record, lane []int32) error {
	rows, err := m.val.Rows(rec.Columns(), nil)
	for i, s := range rows.([]string) {
		m.rows[lane[i]] = append(m.rows[lane[i]], "<"+s+">")
	}
	return err
}

func (m *marking) Records() ([]rdd.Record, error) {
	out := make([]rdd.Record, len(m.rows))
	for i, rows := range m.rows {
		if rows != nil {
			out[i] = array.NewRecord(m.val.Schema(), m.val.Columns(rows, nil), int64(len(rows)))
		}
	}
	return out, nil
}

// TestPipelineEncodes: rows for a sink that takes them as bytes are encoded in the task where the context says so, and nowhere else; they go to the lanes that they went to before.
func TestPipelineEncodes(t *testing.T) {
	g := &graph{t: t}
	a := g.source("a")
	out := g.sink("out", g.narrow(a))
	out.Outlet = encoding{out.Outlet}
	p := g.build()
	for encoded, want := range map[bool]string{false: "z xu y", true: "<z> <x><u> <y>"} {
		ctx := &rdd.Context{Batch: 7, Partition: 1, Encoded: encoded, Layout: &rdd.Layout{Reduce: 1, Lanes: map[string]int{"out": 3}}}
		run := rdd.NewPipeline(p, a, ctx, map[int]rdd.Router{out.ID: spread{}})
		for _, b := range []*records.Block{block(10, "x", "y"), block(12, "z", "u")} {
			if err := run.PushRecords(b, false); err != nil {
				t.Fatal(err)
			}
		}
		blocks, err := run.Finish()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range blocks {
			rows, err := out.Val.Rows(b.Rec.Columns(), nil)
			if err != nil || b.Sum == 0 {
				t.Fatalf("block %+v: %v", b, err)
			}
			got = append(got, strings.Join(rows.([]string), ""))
		}
		if text := strings.Join(got, " "); text != want || ctx.Counters.RowsOut != 4 {
			t.Errorf("encoded %v: %q, %d rows out, want %q", encoded, text, ctx.Counters.RowsOut, want)
		}
	}
}
