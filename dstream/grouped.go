package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// Grouped is the rows of a Frame by key: Agg makes a row of each group of a batch, Running goes on from batch to batch.
type Grouped struct {
	job *Job
	f   rdd.Frame
	g   rdd.Grouped
}

// GroupBy gathers rows by keys: names of columns, or expressions. A null is a key like any other; floats are mistakes (P25). Without keys all rows are
// one group.
func (f Frame) GroupBy(keys ...any) Grouped { return Grouped{f.job, f.f, f.f.GroupBy(keys...)} }

// Agg gives one row for each group of the batch: the keys' columns and the aggregates', in order of the keys' first appearance. Tasks aggregate what they have before
// anything is sent. Without keys it gives one row in each batch, of counts 0 and nulls where there were no rows.
func (g Grouped) Agg(aggs ...expr.Agg) Frame { return Frame{g.job, g.g.Agg(aggs...)} }

// Running keeps the aggregates of the job's whole life, in state under name.
func (g Grouped) Running(name string, opts ...RunningOption) RunningGroups {
	return RunningGroups{g, rdd.Caller(), name, opts}
}

// RunningGroups are groups whose aggregates are kept from batch to batch; Agg says which.
type RunningGroups struct {
	g    Grouped
	at   rdd.Site
	name string
	opts []RunningOption
}

// Agg gives in each batch the groups that it had rows of, in order of the keys' first appearance: the keys' columns, and the aggregates of all their rows since the
// job began, or since they expired. Options are Expire and CheckpointEvery. Snapshots of the result are all groups.
func (r RunningGroups) Agg(aggs ...expr.Agg) Frame {
	at, j := rdd.Caller(), r.g.job
	o, facts := runningSettings(j, r.at, r.name, r.opts)
	if o.initial != nil {
		j.mistakef(r.at, "InitialState belongs to operators of streams; aggregates of Frames begin with nothing")
	}
	how := r.g.g.Bind(at, aggs)
	if how == nil {
		return Frame{j, r.g.f.FailedAgg(at, "runningAgg", r.g.g.Keys(), nil, aggs)}.mistaken(Frame{j, r.g.f})
	}
	if facts != "" {
		facts = ", " + facts
	}
	f := r.g.f.Accepted(at, how.Risky(r.g.f.Schema())...)
	n := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "runningAgg", Name: r.name, In: []*rdd.Node{f.Node()}, Val: rdd.FrameCodec(j.b, at, how.Out), Exprs: how.Exprs(),
		Cols: rdd.ReadBy(r.g.f.Node(), how.Exprs()...),
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{how.Input()},
			New:    func() rdd.Reducer { return runningAgg{how, o} },
			State:  true, StateKey: how.Key, StateVal: how.Partial, Facts: how.Set.Text() + facts, CheckpointEvery: o.interval(),
		},
	})
	j.b.Certain(n)
	return Frame{j, rdd.FrameOf(j.b, n)}.gives(beside{groups: how})
}

type runningAgg struct {
	*ops.Grouping
	o runningOptions
}

// Reduce merges the batch's aggregates into the state and emits the groups that they changed.
func (r runningAgg) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	r.o.expireRows(ctx)
	if len(in[0]) == 0 {
		return nil
	}
	return ops.WithScratch(func(s *ops.Scratch) error {
		blocks, err := r.Number(in[0], s)
		if err != nil {
			return err
		}
		k, groups := s.Dict.Keys(), r.Set.NewGroups()
		groups.Grow(k.Len())
		rows := make([]int32, k.Len())
		ctx.State.Find(k, rows)
		known, places := ops.Present(rows)
		before := func() { groups.Merge(ctx.State.GetCols(known).Cols, places) } // its rows came before the batch's (I7)
		late := fault.Planted("I7-state-first")
		if !late {
			before()
		}
		r.MergeBlocks(blocks, groups)
		if late {
			before()
		}
		ctx.State.Add(k, rows)
		ctx.State.SetCols(rows, col.Of(r.Set.Partial(), len(rows), groups.Partials(nil)...))
		r.o.renew(ctx, rows)
		return r.Emit(emit, k, groups)
	})
}

// Snapshots are all groups with their aggregates in each batch, empty ones included, in order of the keys' encodings, of the Running(…).Agg directly before it. A batch costs as much as all groups together.
func (f Frame) Snapshots() Frame {
	at, of := rdd.Caller(), f.node()
	how := f.job.beside[of].groups
	switch {
	case how == nil:
		f.job.mistakef(at, "Snapshots belongs directly behind GroupBy(…).Running(…).Agg; %s keeps no groups", of.Op)
		return f
	case how.Set == nil: // a mistake was reported
		return f
	}
	n := f.job.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "snapshots", In: []*rdd.Node{of}, Val: of.Val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{{Schema: ops.ValSchema(of.Val), New: func() rdd.Writer { return dropper{} }}},
			New:    func() rdd.Reducer { return groupsShown{how} },
			Tables: []*rdd.Node{of}, OnEmpty: true,
		},
	})
	return Frame{f.job, rdd.FrameOf(f.job.b, n)}
}

type groupsShown struct{ *ops.Grouping }

// Reduce emits the partition's groups.
func (s groupsShown) Reduce(ctx *rdd.Context, _ [][]arrow.Record, emit func(rdd.Chunk) error) error {
	table := ctx.Tables[0]
	rows := table.All()
	for lo := 0; lo < len(rows); lo += rdd.ChunkRows {
		part := rows[lo:min(lo+rdd.ChunkRows, len(rows))]
		if err := s.EmitCols(emit, len(part), table.KeyCols(part), shown(s.Set, table.GetCols(part).Cols, len(part))); err != nil {
			return err
		}
	}
	return nil
}

// shown are the results of n partial states.
func shown(set *agg.Set, partial []*col.Vec, n int) []*col.Vec {
	groups, idx := set.NewGroups(), make([]int32, n)
	for i := range idx {
		idx[i] = int32(i)
	}
	groups.Merge(partial, idx)
	return groups.Results(nil)
}
