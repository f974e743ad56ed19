package executor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// lane is an own lane of a sink. A goroutine of its own does one operation at a time, in the order of the core's queue.
type lane struct {
	id    LaneID
	node  *rdd.Node
	lanes int
	owner sink.Owner

	out    sink.Output // of the preparation, then of the lane's goroutine
	sink   sink.Lane
	marker sink.Marker
	marked bool

	// The core's.
	ready  bool
	broken bool     // an operation failed: Retry opens the lane again
	busy   bool     // one operation is under way
	queue  []laneOp // behind it; at most three a batch in flight

	ops    chan laneOp
	cancel context.CancelFunc
	ended  chan struct{}
}

type laneVerb uint8

const (
	stage laneVerb = iota
	publish
	flush
	reopen
)

// laneOp is one operation of a lane.
type laneOp struct {
	verb  laneVerb
	task  *task // nil for flush
	batch sink.Batch
	rows  []arrow.Record
}

// laneDone is its result.
type laneDone struct {
	lane *lane
	op   laneOp
	err  error
}

func newLane(id LaneID, n *rdd.Node, lanes int, o sink.Owner) *lane {
	o.Sink = n.Name
	return &lane{id: id, node: n, lanes: lanes, owner: o, ops: make(chan laneOp, 1), ended: make(chan struct{})}
}

// open takes the lane over in the sink. The caller says which lane it is.
func (l *lane) open(ctx context.Context, o sink.Output) error {
	s, err := o.Lane(ctx, l.id.Lane, l.lanes, l.owner)
	if errors.Is(err, sink.ErrFenced) { // P7: by epochs alone a copy of a checkpoint looks like an old owner
		return fmt.Errorf("%w. Another driver runs this job, or the checkpoint was restored from an older copy. Nothing was written. "+
			"Choose: end the other driver; another output; the checkpoint that wrote this one; or --sink-adopt, which accepts what is there if the checkpoint knows its source offsets", err)
	}
	if err != nil {
		return err
	}
	l.out, l.sink = o, s
	l.marker, l.marked = s.Marker()
	return nil
}

// shut closes the sink's lane.
func (l *lane) shut() {
	if l.sink != nil {
		_ = l.sink.Close() // what is staged and not published is computed again by whoever owns the lane then
		l.sink = nil
	}
}

// stop ends the lane's goroutine soon; ended is closed when it is.
func (l *lane) stop() {
	if l.cancel != nil {
		l.cancel()
	}
}

// covers tells whether the sink says that it has batch b: then the lane neither stages nor publishes it again (I5).
func (l *lane) covers(b int64) bool {
	return l.marked && l.marker.UUID == l.owner.UUID && l.marker.Timeline <= l.owner.Timeline && l.marker.Batch >= b && !fault.Planted("I5-executor")
}

// startLaneLoop starts a lane that was opened.
func (e *core) startLaneLoop(ctx context.Context, l *lane) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.ready = true
	e.group.Go(func() error {
		defer close(l.ended)
		defer l.shut()
		for {
			select {
			case <-ctx.Done():
				return nil
			case op := <-l.ops:
				done := laneDone{l, op, nil}
				done.err = guarded(func() error { return l.do(ctx, op) })
				if ctx.Err() != nil || !e.post(ctx, done) {
					return nil
				}
			}
		}
	})
}

// do is one operation, on the lane's goroutine.
func (l *lane) do(ctx context.Context, op laneOp) error {
	switch op.verb {
	case stage:
		return l.sink.Stage(ctx, op.batch, op.rows)
	case publish:
		return l.sink.Publish(ctx, op.batch)
	case flush:
		return l.sink.Flush(ctx)
	}
	l.shut()
	return l.open(ctx, l.out)
}

// enqueueOp hands an operation to a lane, behind those before it.
func (l *lane) enqueueOp(op laneOp) {
	if l.busy {
		l.queue = append(l.queue, op)
		return
	}
	l.busy = true
	l.ops <- op
}

// startLane stages a batch in a lane once all its blocks are there and the batch before is staged (P8).
func (e *core) startLane(t *task) {
	l, r := t.lane, t.run
	if t.lost || t.status != waiting || t.in[0].missing > 0 || !e.opened {
		return
	}
	for _, q := range e.runs {
		if q.key.batch >= r.key.batch {
			break
		}
		if before := q.tasks[t.id]; q.graph == nil || before != nil && before.status != done {
			return
		}
	}
	if e.cfg.Capture != nil {
		if r.replay {
			e.cfg.Capture(r.key.batch, l.id.Sink, l.id.Lane, t.in[0].rows())
		}
		e.complete(t, nil)
		return
	}
	if !l.ready || l.broken {
		return
	}
	spec, _ := l.node.Outlet.(*sink.Spec)
	if r.skip[l.id] || l.covers(r.key.batch) || r.replay || t.in[0].empty() && !spec.EveryBatch {
		e.complete(t, nil)
		e.checkPublished(r) // the answer to a publish may have been lost, and the lane was opened again since
		return
	}
	t.status = running
	e.cfg.Stats.stagedLane(t.id, r.key.batch)
	l.enqueueOp(laneOp{stage, t, t.sinkBatch(), t.in[0].rows()})
}

// sinkBatch is what the sink is told of the task's batch.
func (t *task) sinkBatch() sink.Batch {
	p := t.run.plan
	return sink.Batch{Number: p.Batch, Time: p.Time, Attempt: t.attempt, PlanHash: p.Hash, Final: p.Final}
}

// onLaneDone goes on with a lane.
func (e *core) onLaneDone(ctx context.Context, ev laneDone) {
	l := ev.lane
	if e.lanes[l.id] != l {
		return // lost meanwhile
	}
	l.busy = false
	if ev.err != nil {
		e.laneFailed(ev)
	} else {
		e.laneWent(ev.op, l)
	}
	if !l.busy && len(l.queue) > 0 {
		op := l.queue[0]
		l.queue = l.queue[1:]
		l.enqueueOp(op)
	}
}

// laneWent is for an operation that succeeded.
func (e *core) laneWent(op laneOp, l *lane) {
	t := op.task
	switch op.verb {
	case flush:
		e.flushed(nil)
	case reopen:
		e.restage(l)
	case stage:
		if !t.lost {
			t.staged = true
			e.complete(t, nil)
			e.publishLane(t)
		}
	case publish:
		t.published = true
		e.crashBetweenLanes(t.run)
		for _, r := range e.runs {
			if next := r.tasks[t.id]; next != nil && r.key.batch > t.run.key.batch {
				e.publishLane(next)
			}
		}
		e.checkPublished(t.run)
	}
}

// crashBetweenLanes is the moment at which one lane of a batch has published and another has not.
func (e *core) crashBetweenLanes(r *run) {
	for _, t := range r.tasks {
		if t.lane != nil && t.staged && !t.published {
			fault.Crash("exec-publish-between-lanes")
			return
		}
	}
}

// laneFailed reports. The lane is opened again before anything else is tried in it: nobody knows what the sink has seen.
func (e *core) laneFailed(ev laneDone) {
	l := ev.lane
	if ev.op.verb == flush {
		e.flushed(ev.err)
		return
	}
	l.broken = true
	for _, op := range l.queue {
		if op.verb == flush {
			e.flushed(ev.err)
		}
		if op.task != nil && op.verb == stage {
			op.task.status = waiting
		}
	}
	l.queue = nil
	t := ev.op.task
	if t.status == done {
		t.run.opened(t)
		t.run.finished = false
	}
	t.status = failed
	t.staged, t.asked = false, false
	err := fmt.Errorf("sink %s lane %d: %w", l.id.Sink, l.id.Lane, ev.err)
	e.fail(t.run.key.batch, t.id, t.attempt, err, errors.Is(ev.err, sink.ErrFenced))
}

// restage brings a lane that was opened again to where it was: what it has not published is staged again.
func (e *core) restage(l *lane) {
	l.broken = false
	for _, r := range e.runs {
		t := r.tasks[rdd.TaskID{Node: l.node.ID, Part: l.id.Lane}]
		if t == nil || t.published {
			continue
		}
		if t.status == done {
			r.opened(t)
			r.finished = false
		}
		t.status, t.staged, t.asked = waiting, false, false
		e.woken = append(e.woken, t)
	}
}

// onPublish has a batch published in all own lanes. It comes again after an assignment; what is published stays so.
func (e *core) onPublish(m *Publish) {
	r := e.find(m.Batch)
	if r == nil {
		if m.Batch <= e.committed {
			e.say(&Published{Batch: m.Batch, Generation: e.generation})
		}
		return
	}
	r.publish, r.told = true, false
	for _, t := range e.laneTasks(r) {
		e.publishLane(t)
	}
	e.checkPublished(r)
}

// laneTasks are a run's lane tasks, in order of sink and lane.
func (e *core) laneTasks(r *run) []*task {
	var tasks []*task
	for _, t := range r.tasks {
		if t.node.Kind == rdd.Sink {
			tasks = append(tasks, t)
		}
	}
	slices.SortFunc(tasks, func(a, b *task) int {
		if d := a.id.Node - b.id.Node; d != 0 {
			return d
		}
		return a.id.Part - b.id.Part
	})
	return tasks
}

// publishLane publishes a staged lane once the driver said so and the batch before is published in it (I4).
func (e *core) publishLane(t *task) {
	if !t.run.publish || t.lost || t.status != done || !t.staged || t.published || t.asked || t.lane.broken {
		return
	}
	for _, q := range e.runs {
		before := q.tasks[t.id]
		if q.key.batch < t.run.key.batch && before != nil && !before.out() {
			return
		}
	}
	t.asked = true
	t.lane.enqueueOp(laneOp{publish, t, t.sinkBatch(), nil})
}

// out tells whether nothing of a lane's task remains to be published.
func (t *task) out() bool { return t.status == done && (t.published || !t.staged) }

// checkPublished reports a batch that all own lanes have published.
func (e *core) checkPublished(r *run) {
	if !r.publish || r.told || r.graph == nil {
		return
	}
	m := &Published{Batch: r.key.batch, Generation: e.generation}
	for _, t := range e.laneTasks(r) {
		if !t.out() {
			return
		}
		m.Lanes = append(m.Lanes, t.lane.id)
	}
	r.told = true
	e.say(m)
	fault.Crash("exec-published")
}

// onFlush asks every lane to make everything visible.
func (e *core) onFlush() {
	e.flushErr = nil
	e.flushing = 1
	for _, l := range e.lanes {
		if !l.ready {
			continue
		}
		e.flushing++
		if l.broken {
			e.flushed(fmt.Errorf("sink %s lane %d failed before", l.id.Sink, l.id.Lane))
			continue
		}
		l.enqueueOp(laneOp{verb: flush})
	}
	e.flushed(nil)
}

// flushed counts answers; the last one answers Flush.
func (e *core) flushed(err error) {
	if err != nil {
		e.flushErr = append(e.flushErr, err.Error())
	}
	e.flushing--
	if e.flushing > 0 {
		return
	}
	slices.Sort(e.flushErr)
	m := &Flushed{}
	if len(e.flushErr) > 0 {
		m.Err = e.flushErr[0]
	}
	e.say(m)
}

// stackOf is for panics of the engine itself.
func stackOf(cause any) error { return fmt.Errorf("panic: %v\n%s", cause, debug.Stack()) }
