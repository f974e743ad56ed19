package dstreamtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// Options say how a job is run. The zero value is one reduce partition and one lane.
type Options struct {
	Reduce int  // reduce partitions, at least 1
	Lanes  int  // lanes of each sink, at least 1; rows go to lanes in turn
	Block  int  // records a block, 0: all; what is computed must not depend on it
	Debug  bool // rdd.Context.Debug
	Forget bool // keep no deltas: Restart is impossible, and long runs need little memory
	Job    dstream.JobOptions
}

// Runner runs one job. One goroutine at a time.
type Runner struct {
	Plan   *rdd.Plan
	build  func(*dstream.Job)
	opts   Options
	layout rdd.Layout
	tables map[string][]*state.Table // by operator, as a checkpoint names it, and reduce partition
	deltas []delta                   // of all batches, in order
	wrote  map[string]int64          // rows of state that the last batch changed, by operator
	next   map[string]map[int]int64
	outs   map[int]sink.Lane
	batch  int64
	times  times
	shared
}

type delta struct {
	operator string
	rec      rdd.Record
}

// New builds the job and makes a runner for it. Sinks are not opened, but for callbacks: rows that go anywhere else are in Batch.
func New(o Options, build func(*dstream.Job)) (*Runner, error) {
	o.Reduce, o.Lanes = max(o.Reduce, 1), max(o.Lanes, 1)
	if o.Job.Compute == nil {
		o.Job.Compute = compute
	}
	if o.Job.Runner == nil {
		o.Job.Runner = computer{}
	}
	r := &Runner{build: build, opts: o, next: map[string]map[int]int64{}}
	if err := r.start(o.Job); err != nil {
		return nil, err
	}
	r.layout = rdd.Layout{Reduce: o.Reduce, Lanes: map[string]int{}}
	for _, n := range r.Plan.Sinks {
		r.layout.Lanes[n.Name] = o.Lanes
		if spec, ok := n.Outlet.(*sink.Spec); ok && spec.OnDriver {
			r.layout.Lanes[n.Name] = 1
		}
	}
	r.fresh()
	return r, r.load()
}

// computer is what callbacks compute with.
type computer struct{}

// Run implements rdd.Runner.
func (computer) Run(_ context.Context, p *rdd.Plan) (rows []rdd.Record, err error) {
	err = compute(func(ctx context.Context) error {
		run, err := rdd.RunnerOf(ctx)
		if err == nil {
			rows, err = run.Run(ctx, p)
		}
		return err
	})
	return rows, err
}

// compute is what jobs compute pinned data with.
func compute(f func(context.Context) error) error {
	return driver.RunBatch(context.Background(), driver.Config{Name: "test", Master: "local[2]"}, f)
}

// start builds the job, as a process does that starts.
func (r *Runner) start(o dstream.JobOptions) error {
	job := dstream.NewJob(o)
	r.build(job)
	plan, err := job.Plan()
	if err != nil {
		return err
	}
	r.Plan, r.outs = plan, map[int]sink.Lane{}
	return nil
}

// fresh makes empty tables at version 0.
func (r *Runner) fresh() {
	r.tables = map[string][]*state.Table{}
	for _, n := range r.Plan.Wides {
		for _, s := range n.Stores() {
			for range r.layout.Reduce {
				r.tables[s.Name] = append(r.tables[s.Name], state.New(s.Key, s.Val, 0))
			}
		}
	}
}

// Restart throws all away that a process has in memory, builds the job anew (with the shared values of before), and loads state from its deltas, under
// a layout of that many reduce partitions.
func (r *Runner) Restart(reduce int) error {
	o := r.opts.Job
	o.Values, o.Executor = r.Plan.Values, true
	if err := r.start(o); err != nil {
		return err
	}
	r.resume()
	r.layout.Reduce = reduce
	r.fresh()
	for _, d := range r.deltas {
		for p, t := range r.tables[d.operator] {
			from, until := r.layout.GroupsOf(p)
			if err := t.Load(d.rec, from, until, false); err != nil {
				return err
			}
		}
	}
	for _, n := range r.Plan.Wides {
		if err := r.loaded(n); err != nil {
			return err
		}
	}
	return nil
}

// loaded ends the loading of a node's tables: those that follow from others are computed.
func (r *Runner) loaded(n *rdd.Node) error {
	stores := n.Stores()
	for p := 0; p < r.layout.Reduce && len(stores) > 0; p++ {
		list := make([]*state.Table, len(stores))
		for i, s := range stores {
			list[i] = r.tables[s.Name][p]
			if !s.Derived {
				list[i].LoadedTo(r.batch)
			}
		}
		if err := n.Wide.DeriveAt(r.batch, list); err != nil {
			return err
		}
	}
	return nil
}

// Batch is what a batch gave.
type Batch struct {
	Number   int64
	Counters rdd.Counters
	Blocks   []rdd.Block             // of all tasks, in order, with sums
	Sinks    map[string][]rdd.Record // by sink name: lane after lane, in (task, row) order
	plan     *rdd.Plan
}

// Run runs the next batch. If it fails, its changes to the state are undone and the same batch may be run again.
func (r *Runner) Run(at time.Time, rows ...Rows) (*Batch, error) { return r.run(at, false, rows) }

// Finish is Run for the batch that closes the job (P30).
func (r *Runner) Finish(at time.Time, rows ...Rows) (*Batch, error) { return r.run(at, true, rows) }

func (r *Runner) run(at time.Time, final bool, rows []Rows) (*Batch, error) {
	info := rdd.BatchInfo{Number: r.batch + 1, Time: at.UnixMicro(), Final: final, Versions: slices.Clone(r.versions)}
	plan, err := r.planOf(info)
	if err != nil {
		return nil, err
	}
	b := &Batch{Number: r.batch + 1, Sinks: map[string][]rdd.Record{}, plan: plan}
	t := &tasks{Runner: r, b: b, plan: plan, at: at, final: final, in: r.cut(rows), edges: map[rdd.EdgeID][][]rdd.Record{}, versions: info.Versions}
	t.marks = r.dated(plan, t.in, info.Time, final)
	for _, n := range plan.Nodes {
		if err := t.run(n); err != nil {
			r.undo(b.Number)
			return nil, err
		}
	}
	for _, n := range r.Plan.Sinks {
		if err := r.publish(n, b, at); err != nil {
			r.undo(b.Number)
			return nil, err
		}
	}
	r.batch = b.Number
	r.fold(t.added)
	r.advance(t.in)
	r.pass(t.marks, t.in, info.Time)
	r.wrote = map[string]int64{}
	for _, n := range r.Plan.Wides {
		for _, s := range n.Stores() {
			r.seal(s)
		}
	}
	return b, nil
}

// planOf is the plan of a batch. With Options.Debug it is built twice: functions of Transform have to build the same each time (P22).
func (r *Runner) planOf(b rdd.BatchInfo) (*rdd.Plan, error) {
	plan, err := r.Plan.For(b)
	if err != nil || !r.opts.Debug {
		return plan, err
	}
	again, err := r.Plan.For(b)
	if err == nil && again.Fragment != plan.Fragment {
		err = fmt.Errorf("batch %d: Transform built two different plans, first\n%sand then\n%s"+
			"What it builds must follow from the batch, the RDDs that it is given and shared values alone", b.Number, fragments(plan), fragments(again))
	}
	return plan, err
}

func fragments(p *rdd.Plan) string {
	text := ""
	for _, f := range p.Fragments {
		text += f.Text
	}
	return text
}

// seal keeps what the batch changed in an operator's tables, if it is to be kept.
func (r *Runner) seal(s rdd.Store) {
	for _, table := range r.tables[s.Name] {
		if s.Derived {
			table.Forget(r.batch)
			continue
		}
		if rec := table.Delta(r.batch); rec != nil {
			r.wrote[s.Name] += rec.NumRows()
			if !r.opts.Forget {
				r.deltas = append(r.deltas, delta{s.Name, rec})
			}
		}
		table.Forget(r.batch)
	}
}

// Changed is how many keys' states the last batch changed in the operator of that name: what a checkpoint would write. Tables
// besides an operator's first count as operators of their own, NODE/STORE.
func (r *Runner) Changed(operator string) int64 { return r.wrote[operator] }

// NextDue is the earliest timer of all state, those in event time left out; the zero time if there is none.
func (r *Runner) NextDue() time.Time {
	due, event := int64(0), r.eventTables()
	for name, tables := range r.tables {
		if event[name] {
			continue
		}
		for _, t := range tables {
			if d := t.NextDue(); d != 0 && (due == 0 || d < due) {
				due = d
			}
		}
	}
	if due == 0 {
		return time.Time{}
	}
	return time.UnixMicro(due).UTC()
}

func (r *Runner) undo(b int64) {
	for _, tables := range r.tables {
		for _, t := range tables {
			t.Abort()
			if t.Version() == b {
				t.Rollback(b - 1)
			}
		}
	}
}

// cut makes blocks of the rows, by source and partition.
func (r *Runner) cut(rows []Rows) map[string]map[int]*records.Block {
	in := map[string]map[int]*records.Block{}
	for _, rs := range rows {
		if in[rs.source] == nil {
			in[rs.source] = map[int]*records.Block{}
		}
		in[rs.source][rs.partition] = rs.Block(r.next[rs.source][rs.partition])
	}
	return in
}

func (r *Runner) advance(in map[string]map[int]*records.Block) {
	for name, parts := range in {
		if r.next[name] == nil {
			r.next[name] = map[int]int64{}
		}
		for p, b := range parts {
			r.next[name][p] = b.Next
		}
	}
}

// publish calls callbacks with their rows, those of executors too, and prints what is to be printed.
func (r *Runner) publish(n *rdd.Node, b *Batch, at time.Time) error {
	spec, ok := n.Outlet.(*sink.Spec)
	if !ok || spec.Open == nil || !spec.OnDriver && spec.Kind != "callback" {
		return nil
	}
	if len(b.Sinks[n.Name]) == 0 && !spec.EveryBatch {
		return nil // as executors do
	}
	ctx := context.Background()
	lane := r.outs[n.ID]
	if lane == nil {
		out, err := spec.Open(ctx, sink.Env{Clock: clock.System{}}, sink.SchemaOf(n.Key, n.Val))
		if err != nil {
			return err
		}
		if lane, err = out.Lane(ctx, 0, 1, sink.Owner{Sink: n.Name}); err != nil {
			return err
		}
		r.outs[n.ID] = lane
	}
	batch := sink.Batch{Number: b.Number, Time: at.UnixMicro()}
	if err := lane.Stage(ctx, batch, b.Sinks[n.Name]); err != nil {
		return err
	}
	return lane.Publish(ctx, batch)
}
