package dstreamtest

import (
	"slices"
	"time"

	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// tasks runs the tasks of one batch. Roots run in order of their IDs, so blocks of an edge come in (root, partition) order.
type tasks struct {
	*Runner
	b     *Batch
	plan  *rdd.Plan // of the batch
	at    time.Time
	final bool
	in    map[string]map[int]*records.Block
	edges map[rdd.EdgeID][][]rdd.Record // by part

	marks    *rdd.Timeline  // event time
	versions []*rdd.Version // of broadcasts, for this batch
	added    []rdd.Delta    // to accumulators, task by task
}

func (t *tasks) run(n *rdd.Node) error {
	switch n.Kind {
	case rdd.Source:
		return t.source(n)
	case rdd.Wide:
		for p := range t.layout.Reduce {
			if err := t.wide(n, p); err != nil {
				return err
			}
		}
	case rdd.Sink:
		// The sink's feeders may have higher IDs only for dead letters, whose sources are lower: all have run.
		for _, recs := range t.edges[rdd.EdgeID{Node: n.ID}] {
			t.b.Sinks[n.Name] = append(t.b.Sinks[n.Name], recs...)
		}
	}
	return nil
}

func (t *tasks) context(partition int) *rdd.Context {
	return &rdd.Context{
		Batch: t.b.Number, Time: t.at.UnixMicro(), Layout: &t.layout, Partition: partition, Final: t.final,
		Debug: t.opts.Debug, Spoil: true, Counters: &t.b.Counters, Tally: t.Plan.NewTally(), Versions: t.versions,
	}
}

func (t *tasks) source(n *rdd.Node) error {
	parts := []int{}
	for p := range t.in[n.Name] {
		parts = append(parts, p)
	}
	slices.Sort(parts)
	for _, part := range parts {
		ctx := t.context(part)
		p := rdd.NewPipeline(t.plan, n, ctx, t.routers())
		defer p.Close()
		block := t.in[n.Name][part]
		step := int64(t.opts.Block)
		if step == 0 {
			step = block.Next - block.First
		}
		for off := block.First; off < block.Next; off += step {
			if err := p.PushRecords(block.Slice(off, min(off+step, block.Next)), false); err != nil {
				return err
			}
		}
		if err := t.finish(p, ctx); err != nil {
			return err
		}
		t.marks.Hear(rdd.TaskID{Node: n.ID, Part: part}, ctx.Highs)
	}
	return nil
}

func (t *tasks) wide(n *rdd.Node, part int) error {
	ctx := t.context(part)
	ctx.Marks, ctx.Mark = t.marks.Marks(n)
	state := t.begin(n, ctx)
	for _, table := range n.Wide.Tables {
		ctx.Tables = append(ctx.Tables, t.tables[table.Name][part])
	}
	in := make([][]rdd.Record, len(n.In))
	for i := range in {
		if parts := t.edges[rdd.EdgeID{Node: n.ID, Input: i}]; parts != nil {
			in[i] = parts[part]
		}
	}
	p := rdd.NewPipeline(t.plan, n, ctx, t.routers())
	defer p.Close()
	if !passes(ctx, n, state, in) {
		if err := p.Reduce(in, false); err != nil {
			return err
		}
	}
	for _, table := range state {
		table.Seal()
	}
	return t.finish(p, ctx)
}

// begin opens the batch in a task's own tables and lends them to the reducer.
func (t *tasks) begin(n *rdd.Node, ctx *rdd.Context) []*state.Table {
	var own []*state.Table
	for _, s := range n.Stores() {
		table := t.tables[s.Name][ctx.Partition]
		table.Begin(t.b.Number)
		own = append(own, table)
	}
	if len(own) > 0 {
		ctx.State, ctx.More = own[0], own[1:]
	}
	return own
}

// passes tells whether a wide task has nothing to do, as executors do: no rows, no timer that is due, no duty on empty batches (P28).
func passes(ctx *rdd.Context, n *rdd.Node, state []*state.Table, in [][]rdd.Record) bool {
	if ctx.Final || n.Wide.Acts(ctx.Time) {
		return false
	}
	for _, blocks := range in {
		if len(blocks) > 0 {
			return false
		}
	}
	until := ctx.Time
	if n.Wide.Event {
		until = ctx.Mark.After
	}
	for _, table := range state {
		if due := table.NextDue(); due != 0 && due <= until {
			return false
		}
	}
	return true
}

func (t *tasks) finish(p *rdd.Pipeline, ctx *rdd.Context) error {
	blocks, err := p.Finish()
	if err != nil {
		return err
	}
	t.added = append(t.added, ctx.Tally.Deltas()...)
	t.b.Blocks = append(t.b.Blocks, blocks...)
	for _, b := range blocks {
		if t.edges[b.Edge] == nil {
			t.edges[b.Edge] = make([][]rdd.Record, max(t.layout.Reduce, t.opts.Lanes))
		}
		if b.Rec != nil {
			t.edges[b.Edge][b.Part] = append(t.edges[b.Edge][b.Part], b.Rec)
		}
	}
	return nil
}

func (t *tasks) routers() map[int]rdd.Router {
	m := map[int]rdd.Router{}
	for _, n := range t.plan.Sinks {
		m[n.ID] = turns{}
	}
	return m
}

// turns gives rows to lanes in turn.
type turns struct{}

// Route is round robin.
func (turns) Route(task int, first int64, rec rdd.Record, lanes int, lane []int32) {
	for i := range lane[:rec.NumRows()] {
		lane[i] = int32((int64(task) + first + int64(i)) % int64(lanes))
	}
}
