package dstream

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// RunningOption is a setting of an operator that keeps a state for each key: Expire for RunningCount, RunningReduce and Grouped.Running, EventTimers for Stateful and MapWithState, InitialState and
// CheckpointEvery for all of these and UpdateStateByKey.
type RunningOption interface{ ofRunning(*runningOptions) }

type runningOptions struct {
	stateOptions
	expire  time.Duration
	event   bool      // timers count in event time
	initial *rdd.Node // states to begin with, nil: none
}

// Expire removes a key that had no rows for d of batch time, silently: in the first batch whose time is d or more after that of
// the key's last rows. If that batch has rows of the key, they begin anew.
func Expire(d time.Duration) RunningOption {
	return runningOption(func(o *runningOptions) { o.expire = d })
}

type runningOption func(*runningOptions)

func (set runningOption) ofRunning(o *runningOptions) { set(o) }

func runningSettings(j *Job, at rdd.Site, name string, list []RunningOption) (o runningOptions, facts string) {
	for _, set := range list {
		set.ofRunning(&o)
	}
	o.check(j, at, name)
	if o.expire < 0 || o.expire > 0 && o.expire < time.Microsecond {
		j.mistakef(at, "Expire(%v): at least a microsecond", o.expire)
	}
	if o.expire > 0 {
		facts = fmt.Sprintf("expire %v", o.expire)
	}
	return o, facts
}

// noExpire refuses Expire for an operator that has its own way of forgetting.
func (o runningOptions) noExpire(j *Job, at rdd.Site, instead string) {
	if o.expire != 0 {
		j.mistakef(at, "Expire belongs to RunningCount and RunningReduce; %s", instead)
	}
}

// noTimers refuses EventTimers for an operator without timers of its own.
func (o runningOptions) noTimers(j *Job, at rdd.Site) {
	if o.event {
		j.mistakef(at, "EventTimers belongs to Stateful and MapWithState, whose functions set timers")
	}
}

// expireRows removes the keys that are due, and renew sets the due times of the keys that had rows.
func (o runningOptions) expireRows(ctx *rdd.Context) {
	if o.expire > 0 {
		if due := ctx.State.Due(ctx.Time); len(due) > 0 {
			ctx.State.Delete(due)
		}
	}
}

func (o runningOptions) renew(ctx *rdd.Context, rows []int32) {
	if o.expire == 0 {
		return
	}
	now := ctx.Time
	if fault.Planted("I2-clock") {
		now = clock.System{}.Now().UnixMicro()
	}
	due := make([]int64, len(rows))
	for i := range due {
		due[i] = now + o.expire.Microseconds()
	}
	ctx.State.SetDue(rows, due)
}

// RunningCount counts the rows of each key since the job began, in state under name. Each batch gives the new counts of the keys that
// it had rows of, in order of first appearance.
func (s Keyed[K, V]) RunningCount[N Name](name N, opts ...RunningOption) Keyed[K, int64] {
	at := rdd.Caller()
	o, facts := runningSettings(s.job, at, string(name), opts)
	o.noTimers(s.job, at)
	c := ops.NewCounting[K](s.node().Key, rdd.CodecOf[int64](s.job.b, at))
	start := initialOf[K, int64](s.job, at, o, c.Key, c.Val)
	return keyed[K, int64](s.job, s.job.b.Add(at, start.extend(&rdd.Node{
		Kind: rdd.Wide, Op: "runningCount", Name: string(name), In: []*rdd.Node{s.node()}, Key: c.Key, Val: c.Val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{c.Input()},
			New:    func() rdd.Reducer { return &runningCounter[K]{c, o, start} },
			State:  true, StateKey: c.Key, StateVal: c.Val, Facts: facts, CheckpointEvery: o.interval(),
		},
	})))
}

type runningCounter[K any] struct {
	*ops.Counting[K]
	o     runningOptions
	start *initial[K, int64]
}

// Reduce adds the batch's counts to the state and emits the new ones.
func (r *runningCounter[K]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	r.o.expireRows(ctx)
	if err := r.start.load(ctx, in, r.o.renew); err != nil || len(in[0]) == 0 {
		return err
	}
	return ops.WithScratch(func(s *ops.Scratch) error { return r.count(ctx, in[0], s, emit) })
}

func (r *runningCounter[K]) count(ctx *rdd.Context, in []arrow.Record, s *ops.Scratch, emit func(rdd.Chunk) error) error {
	k, counts, err := r.Sum(in, s)
	if err != nil {
		return err
	}
	s.Rows = ops.Sized(s.Rows, k.Len())
	ctx.State.Upsert(k, s.Rows)
	ctx.State.AddInt64(s.Rows, counts)
	r.o.renew(ctx, s.Rows)
	keys, err := r.emitKeys(in, k)
	if err != nil {
		return err
	}
	return ops.EmitRows(emit, keys, ctx.State.Int64(s.Rows, make([]int64, 0, len(keys))))
}

// emitKeys are the keys as rows: strings of a single block alias it, others are copied.
func (r *runningCounter[K]) emitKeys(in []arrow.Record, k *row.Keys) ([]K, error) {
	if len(in) == 1 {
		return ops.RowsOf[K](r.Key, ops.KeyColumns(r.Key, in[0]))
	}
	return ops.KeyRows[K](r.Key, k, nil)
}

// RunningReduce combines all values of each key since the job began by f, which must be associative, in state under name. Each batch
// gives the new values of the keys that it had rows of, in order of first appearance.
func (s Keyed[K, V]) RunningReduce[F func(a, b V) V](name string, f F, opts ...RunningOption) Keyed[K, V] {
	at := rdd.Caller()
	s.job.b.Need(at, "RunningReduce", f == nil)
	o, facts := runningSettings(s.job, at, name, opts)
	o.noTimers(s.job, at)
	r := ops.NewReduction[K](s.node().Key, s.node().Val, f)
	start := initialOf[K, V](s.job, at, o, r.Key, r.Val)
	return keyed[K, V](s.job, s.job.b.Add(at, start.extend(&rdd.Node{
		Kind: rdd.Wide, Op: "runningReduce", Name: name, In: []*rdd.Node{s.node()}, Key: r.Key, Val: r.Val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{r.Input()},
			New:    func() rdd.Reducer { return &runningReducer[K, V]{ops.BatchReducer[K, V]{Reduction: r}, o, start} },
			State:  true, StateKey: r.Key, StateVal: r.Val, Facts: facts, CheckpointEvery: o.interval(),
		},
	})))
}

type runningReducer[K, V any] struct {
	ops.BatchReducer[K, V]
	o     runningOptions
	start *initial[K, V]
}

// Reduce combines the batch's values with the state and emits the new ones.
func (r *runningReducer[K, V]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	r.o.expireRows(ctx)
	if err := r.start.load(ctx, in, r.o.renew); err != nil || len(in[0]) == 0 {
		return err
	}
	return ops.WithScratch(func(s *ops.Scratch) error { return r.update(ctx, in[0], s, emit) })
}

func (r *runningReducer[K, V]) update(ctx *rdd.Context, in []arrow.Record, s *ops.Scratch, emit func(rdd.Chunk) error) error {
	k, keys, sums, err := r.Combine(in, s)
	if err != nil {
		return err
	}
	rows := make([]int32, len(keys))
	ctx.State.Find(k, rows)
	known, places := ops.Present(rows)
	old := ctx.State.Get(known, nil).([]V)
	r.Through(r.Key, k)
	for i, place := range places {
		r.Now = int(place)
		sums[place] = r.F(old[i], sums[place])
	}
	ctx.State.Upsert(k, rows)
	ctx.State.Set(rows, sums)
	r.o.renew(ctx, rows)
	return ops.EmitRows(emit, keys, sums)
}
