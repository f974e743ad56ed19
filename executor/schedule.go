package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// startSource queues a source task. Its connector is open, or will be when the preparation is done.
func (e *core) startSource(t *task) {
	if e.opened && t.from.open() {
		e.enqueue(t)
	}
}

// startWide starts what can start in a reduce partition.
func (e *core) startWide(p int) {
	x := e.parts[p]
	if x == nil || !x.ready || !e.opened {
		return
	}
	for _, r := range e.runs {
		if r.graph == nil {
			continue
		}
		for _, n := range r.graph.Wides {
			t := r.tasks[rdd.TaskID{Node: n.ID, Part: p}]
			if t == nil || t.status != waiting || !e.mayStart(t) {
				continue
			}
			if e.passes(t) {
				e.pass(t)
				continue
			}
			for _, g := range t.in {
				for _, rec := range g.recs {
					if rec != nil {
						t.size += rec.NumRows()
					}
				}
			}
			e.enqueue(t)
		}
	}
}

// mayStart tells whether a wide task has its blocks, its state and the tables that it reads: state version t comes from version t−1 and
// batch t alone (I3), and a table does not move on while others still read it.
func (e *core) mayStart(t *task) bool {
	for _, g := range t.in {
		if g.missing > 0 {
			return false
		}
	}
	for _, table := range t.node.Wide.Tables {
		if o := t.run.tasks[rdd.TaskID{Node: table.ID, Part: t.id.Part}]; o == nil || o.status != done {
			return false
		}
	}
	if fault.Planted("I3-order") {
		return true
	}
	for _, k := range t.part.of(t.node) {
		if b := t.run.key.batch; k.at != b-1 {
			if k.at >= b {
				t.status = failed
				e.fail(b, t.id, t.attempt, fmt.Errorf("%w: state of %q partition %d is at version %d before batch %d (I3)", errBroken, k.store.Name, t.id.Part, k.at, b), true)
			}
			return false
		}
	}
	for _, q := range e.runs {
		if q.key.batch >= t.run.key.batch {
			break
		}
		for _, reader := range e.readers[t.id.Node] {
			if o := q.tasks[rdd.TaskID{Node: reader, Part: t.id.Part}]; o != nil && o.status != done {
				return false
			}
		}
	}
	return true
}

// passes tells whether a wide task has nothing to do in this batch: no rows, no timer, no duty on empty batches.
func (e *core) passes(t *task) bool {
	p := t.run.plan
	if p.Final || t.node.Wide.Acts(p.Time) {
		return false
	}
	for _, g := range t.in {
		if !g.empty() {
			return false
		}
	}
	state := t.part.of(t.node)
	if state == nil {
		return true
	}
	until := p.Time
	if t.node.Wide.Event {
		_, mark := t.run.marks.Marks(t.node)
		until = mark.After
	}
	return !state.isDue(until) && (!e.set.Deltas || state.idle(p.Batch, t.part))
}

// pass does such a task at once, without a slot: a version that equals the one before, and no blocks.
func (e *core) pass(t *task) {
	state := t.part.of(t.node)
	state.begin(t.run.key.batch, e.committed)
	state.append(state.seal(t.run.key.batch, nothing, t.part))
	e.cfg.Stats.ran(t.id, t.run.key.batch)
	e.complete(t, &taskResult{blocks: emptyBlocks(t)})
}

// emptyBlocks are what a task without rows gives, in Finish's order.
func emptyBlocks(t *task) []rdd.Block {
	var blocks []rdd.Block
	for _, edge := range t.run.graph.Edges(t.node) {
		for part := range t.run.width(edge) {
			blocks = append(blocks, rdd.Block{Edge: edge, Part: part, From: t.id})
		}
	}
	return blocks
}

// complete notes a task that is done and hands its blocks on. res is nil for lanes.
func (e *core) complete(t *task, res *taskResult) {
	r := t.run
	t.status = done
	r.closed(t)
	if res != nil {
		t.blocks, t.says = res.blocks, res.highs
		if t.node.Kind == rdd.Wide {
			t.says = r.marks.Says()
		}
		t.sums = make([]uint64, len(res.blocks))
		for i, b := range res.blocks {
			t.sums[i] = b.Sum
		}
		r.kept += bytesOf(t.blocks)
		r.fresh = append(r.fresh, TaskDone{Batch: r.key.batch, Task: t.id, Attempt: t.attempt, Sums: t.sums, Counters: res.counters, Outcomes: res.outcomes, Added: res.added, Highs: res.highs})
		e.ship(t)
		if e.cfg.Done != nil {
			e.cfg.Done(t.id, r.key.batch)
		}
		fault.Crash("exec-mid-batch")
	}
	switch t.node.Kind {
	case rdd.Wide:
		e.touch(t.id.Part)
	case rdd.Sink:
		for _, q := range e.runs {
			if next := q.tasks[t.id]; next != nil && q.key.batch > r.key.batch {
				e.woken = append(e.woken, next)
			}
		}
	}
}

// onTaskDone takes a slot's result.
func (e *core) onTaskDone(ev taskDone) {
	t := ev.task
	if ev.err != nil {
		t.counters = &ev.res.counters
	}
	if t.lost {
		return // its part moved on without it
	}
	if ev.err != nil {
		t.status = failed
		e.fail(t.run.key.batch, t.id, t.attempt, ev.err, false)
		return
	}
	ev.state.append(ev.sealed)
	e.complete(t, &ev.res)
}

// fail reports a failed task. Errors that another attempt cannot mend are fatal.
func (e *core) fail(batch int64, id rdd.TaskID, attempt int, err error, fatal bool) {
	if errors.Is(err, errNoDriver) {
		return // it is nobody's fault; a driver that comes now launches the batch again
	}
	var user *rdd.UserError
	var bad *rdd.BadRecordError
	isBad := errors.As(err, &bad)
	m := &TaskFailed{Batch: batch, Task: id, Attempt: attempt, Message: err.Error(), User: errors.As(err, &user) || isBad}
	m.Fatal = fatal || isBad || errors.Is(err, source.ErrOffsetGone) || errors.Is(err, source.ErrBeyondEnd) || errors.Is(err, source.ErrLasting) || errors.Is(err, errBroken)
	e.log.Debug("task failed", "batch", batch, "node", id.Node, "partition", id.Part, "attempt", attempt, "err", err)
	e.say(m)
}

// errBroken is in the chain of errors that are the engine's own fault.
var errBroken = errors.New("the engine broke one of its own rules")

// onRetry runs failed tasks again.
func (e *core) onRetry(ctx context.Context, m *Retry) {
	r := e.find(m.Batch)
	if r == nil {
		return
	}
	for _, id := range m.Tasks {
		switch id {
		case DeltaTask:
			r.failed = false
			continue
		case FragmentTask:
			if r.unbuilt {
				r.builds = m.Attempt
				e.build(ctx, r)
			}
			continue
		}
		t := r.tasks[id]
		if t == nil || t.status != failed {
			continue
		}
		t.attempt = m.Attempt
		switch t.node.Kind {
		case rdd.Source:
			t.status = waiting
			e.startSource(t)
		case rdd.Wide:
			t.status, t.size = waiting, 0
			e.touch(id.Part)
		case rdd.Sink:
			if t.lane.broken {
				t.lane.enqueueOp(laneOp{verb: reopen, task: t})
				continue
			}
			t.status = waiting // the lane was opened again for another task meanwhile
			e.woken = append(e.woken, t)
		}
	}
}

// finishRuns writes the delta files of batches whose tasks are all done, and reports them.
func (e *core) finishRuns() {
	if e.preparing != nil {
		return // Assigned comes first
	}
	for _, r := range e.runs {
		due := r.open == 0 && (!r.finished || r.waits) || r.waitsQuietly() && !r.finished
		if r.graph == nil || !due || r.writing || r.failed || r.gone {
			continue
		}
		if !r.covered && e.writesDelta(r.key.batch) {
			if c := e.changesFor(r.key.batch); len(c) > 0 {
				r.writing = true
				r.files++
				e.files = append(e.files, &deltaWork{
					run: r, dir: e.state, since: e.since(r.key.batch), executor: e.name, epoch: e.epoch, attempt: r.files, changes: c, owned: r.owned,
				})
				continue
			}
			r.ref = nil
		}
		r.covered = true
		e.report(r)
	}
}

// onDeltaDone notes a written delta file.
func (e *core) onDeltaDone(ev deltaDone) {
	r := ev.work.run
	if r.gone {
		return
	}
	r.writing = false
	if ev.err != nil {
		r.failed = true
		e.fail(r.key.batch, DeltaTask, r.files-1, ev.err, false)
		return
	}
	r.ref = &ev.ref
	r.covered = ev.work.owned == r.owned // otherwise something was gained while it was written
}

// report says that the batch is staged here.
func (e *core) report(r *run) {
	r.finished, r.waits = true, r.open > 0
	m := &Staged{
		Batch: r.key.batch, Generation: e.generation, Delta: r.ref, Tasks: r.fresh, Micros: e.clock.Now().Sub(r.began).Microseconds(),
		Still: r.still(), Quiet: r.quiet, Waits: r.waits,
	}
	if e.writesDelta(r.key.batch) {
		m.Behind = e.unsaved(r.key.batch)
	}
	for _, x := range e.parts {
		due, event := x.tables.nextDue(e.plan)
		m.NextDue, m.EventDue = sooner(m.NextDue, due), sooner(m.EventDue, event)
	}
	r.fresh = nil
	e.say(m)
	fault.Crash("exec-staged")
}
