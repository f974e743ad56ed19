package executor

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// wake looks at all tasks of a run again.
func (e *core) wake(r *run) {
	var ready []*task
	for _, t := range r.tasks {
		if t.status != waiting {
			continue
		}
		switch t.node.Kind {
		case rdd.Source:
			ready = append(ready, t)
		case rdd.Wide:
			e.touch(t.id.Part)
		case rdd.Sink:
			e.woken = append(e.woken, t)
		}
	}
	slices.SortFunc(ready, func(a, b *task) int { // the map's order must not show
		if d := a.id.Node - b.id.Node; d != 0 {
			return d
		}
		return a.id.Part - b.id.Part
	})
	for _, t := range ready {
		e.startSource(t)
	}
}

func (e *core) touch(part int) {
	if !slices.Contains(e.touched, part) {
		e.touched = append(e.touched, part)
	}
}

// ownTasks gives a run the tasks of the parts that this executor owns now, and takes those of lost ones away.
func (e *core) ownTasks(r *run) {
	if r.graph == nil {
		return // it gets them when it is built
	}
	for id, t := range r.tasks {
		if !e.owns(t) {
			t.lost = true
			delete(r.tasks, id)
			if t.status != done {
				r.closed(t)
			}
			r.kept -= bytesOf(t.blocks)
		}
	}
	for i := range r.plan.Ranges {
		g := r.plan.Ranges[i]
		from := e.sources[checkpoint.SourcePartition{Source: g.Source, Partition: g.Partition}]
		node := r.graph.Node(g.Source)
		if from == nil || node == nil || g.From >= g.Until {
			continue
		}
		if t := r.add(node, g.Partition); t != nil {
			t.from, t.rng, t.size = from, g, g.Until-g.From
		} else {
			t = r.tasks[rdd.TaskID{Node: node.ID, Part: g.Partition}]
			t.from = from
			if t.status == queued && !from.open() {
				t.status = waiting
			}
		}
	}
	for _, n := range r.graph.Wides {
		for _, p := range e.ownParts() {
			if t := r.add(n, p); t != nil {
				t.part = e.parts[p]
				for i := range n.In {
					t.in = append(t.in, r.gather(place{rdd.EdgeID{Node: n.ID, Input: i}, p}))
				}
				if n.Wide.State {
					r.owned++
					r.covered = false
				}
			}
		}
	}
	e.ownLaneTasks(r)
}

// ownLaneTasks adds the tasks of own lanes, but of those that published the batch already (I5).
func (e *core) ownLaneTasks(r *run) {
	for _, n := range r.graph.Sinks {
		for i := range r.layout.Lanes[n.Name] {
			l := e.lanes[LaneID{n.Name, i}]
			if l == nil {
				continue
			}
			if t := r.add(n, i); t != nil {
				t.lane = l
				t.in = []*gather{r.gather(place{rdd.EdgeID{Node: n.ID}, i})}
			}
		}
	}
}

// add makes a task; nil if the run has it.
func (r *run) add(n *rdd.Node, part int) *task {
	id := rdd.TaskID{Node: n.ID, Part: part}
	if r.tasks[id] != nil {
		return nil
	}
	t := &task{id: id, node: n, run: r, attempt: r.attempt}
	r.tasks[id] = t
	r.opened(t)
	return t
}

// again gives failed tasks another attempt: an assignment makes the driver forget that it was to retry them.
func (e *core) again(ctx context.Context, r *run) {
	r.failed = false
	if r.unbuilt {
		r.builds++
		e.build(ctx, r)
	}
	for _, t := range r.tasks {
		if t.status != failed {
			continue
		}
		t.attempt++
		switch {
		case t.node.Kind == rdd.Wide:
			t.status, t.size = waiting, 0
		case t.lane == nil:
			t.status = waiting
		case t.lane.broken && !t.lane.busy:
			t.lane.enqueueOp(laneOp{verb: reopen, task: t})
		}
	}
}

// owns tells whether a task is still this executor's, on the same part.
func (e *core) owns(t *task) bool {
	switch t.node.Kind {
	case rdd.Source:
		return e.sources[checkpoint.SourcePartition{Source: t.node.Name, Partition: t.id.Part}] != nil
	case rdd.Wide:
		return e.parts[t.id.Part] == t.part
	}
	return e.lanes[LaneID{t.node.Name, t.id.Part}] == t.lane
}

// onLaunch starts a batch: its tasks run as their inputs come.
func (e *core) onLaunch(ctx context.Context, l *Launch) {
	key := keyOf(&l.Plan)
	if old := e.find(key.batch); old != nil {
		if old.key == key { // in flight already, by Assign.InFlight: what the launch knows more counts
			for _, id := range l.Skip {
				old.skip[id] = true
			}
			e.wake(old)
			return
		}
		e.fail(key.batch, rdd.TaskID{}, 0, fmt.Errorf("batch %d is launched under two plans", key.batch), true)
		return
	}
	if e.assign == nil || key.batch <= e.committed {
		e.log.Warn("launch ignored", "batch", key.batch, "committed", e.committed, "assigned", e.assign != nil)
		return
	}
	if before := e.find(key.batch - 1); before != nil && l.Quiet {
		e.calm(before)
	}
	r := e.addRun(ctx, l)
	if !e.fits(r) {
		return
	}
	e.ownTasks(r)
	e.wake(r)
}

// fits checks that a batch's recorded layout is the assignment's: state lies by it (P1).
func (e *core) fits(r *run) bool {
	if r.plan.Layout.Reduce == e.assign.Layout.Reduce {
		return true
	}
	e.fail(r.key.batch, rdd.TaskID{}, 0, fmt.Errorf("batch %d was planned for %d reduce partitions, and %d are assigned", r.key.batch, r.plan.Layout.Reduce, e.assign.Layout.Reduce), true)
	return false
}

// addRun puts a batch among those in flight. It has its nodes at once, unless some have to be built for it.
func (e *core) addRun(ctx context.Context, l *Launch) *run {
	r := newRun(&l.Plan, l.Replay, e.cfg.Capture != nil)
	r.versions = e.versions.of(e.plan, r.plan)
	e.replays = e.replays || l.Replay
	r.began, r.attempt = e.clock.Now(), l.Attempt
	r.quiet = l.Calm && e.mayQuiet
	for _, id := range l.Skip {
		r.skip[id] = true
	}
	i := slices.IndexFunc(e.runs, func(o *run) bool { return o.key.batch >= r.key.batch })
	switch {
	case i < 0:
		e.runs = append(e.runs, r)
	case e.runs[i].key.batch == r.key.batch:
		e.drop(e.runs[i])
		e.runs[i] = r
	default:
		e.runs = slices.Insert(e.runs, i, r)
	}
	for _, g := range r.plan.Ranges {
		if s := e.sources[checkpoint.SourcePartition{Source: g.Source, Partition: g.Partition}]; s != nil {
			s.plan(g.Until)
		}
	}
	if e.plan.Fixed() {
		e.begin(r, e.plan)
	} else {
		e.build(ctx, r)
	}
	return r
}

// begin gives a batch its nodes, and the blocks that came before it.
func (e *core) begin(r *run, p *rdd.Plan) {
	r.use(p)
	for key := range e.early {
		if key.batch != r.key.batch {
			continue
		}
		in := e.early[key]
		e.dropEarly(key)
		if key == r.wire {
			e.unpack(r, in)
		}
	}
}

func (e *core) drop(r *run) {
	r.gone = true
	for _, t := range r.tasks {
		t.lost = true
	}
}

// commit forgets what batches up to b needed: blocks, read-ahead, undo and written changes.
func (e *core) commit(b int64) {
	if b <= e.committed {
		return
	}
	e.committed = b
	for len(e.runs) > 0 && e.runs[0].key.batch <= b {
		r := e.runs[0]
		e.drop(r)
		e.runs = e.runs[1:]
		for _, g := range r.plan.Ranges {
			if s := e.sources[checkpoint.SourcePartition{Source: g.Source, Partition: g.Partition}]; s != nil {
				s.drop(g.Until)
			}
		}
	}
	for _, x := range e.parts {
		if !x.ready {
			continue
		}
		for _, k := range x.tables {
			every := e.everyOf(k.node)
			k.saved(b / every * every)
		}
	}
	for key := range e.early {
		if key.batch <= b {
			e.dropEarly(key)
		}
	}
	fault.Crash("exec-committed")
}
