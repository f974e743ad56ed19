package executor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// onAssign replaces the assignment. What stays keeps running; what was lost is dropped here and now; what was gained is
// prepared beside the loop (connectors, state files, lanes) and reported by Assigned.
func (e *core) onAssign(ctx context.Context, a *Assign) {
	if a.Generation <= e.generation {
		e.log.Info("late assignment ignored", "generation", a.Generation, "current", e.generation)
		return
	}
	before := e.assign
	e.assign, e.generation = a, a.Generation
	anew := a.Rollback || e.rejoined
	switch {
	case a.Rollback:
		e.rollback(a)
	case e.rejoined: // others have gone on meanwhile: what is here belongs to a past that nobody knows
		e.rewind(a.Base)
		clear(e.parts)
	default:
		e.commit(a.Base)
	}
	e.rejoined = false
	p := &preparation{generation: a.Generation, base: a.Base, refs: a.Deltas, state: e.state}
	e.meetPeers(ctx, a)
	e.diffParts(before, a, p)
	e.diffLanes(anew, a, p)
	e.diffSources(a, p)
	e.missing(p)
	for i := range a.InFlight {
		if r := e.find(a.InFlight[i].Batch); r == nil || r.key != keyOf(&a.InFlight[i]) {
			e.addRun(&Launch{Plan: a.InFlight[i]})
		}
	}
	for _, r := range e.runs {
		if !e.fits(r) {
			return
		}
		r.finished, r.told = false, false
		e.ownTasks(r)
		e.resend(r, before)
	}
	e.preparing = p
	e.prepare(ctx, p)
}

// rollback takes all state to the last committed version (P14). What cannot be undone to it is restored from files, like what was gained; so
// is state of which it is not certain that it went through the same committed batches.
func (e *core) rollback(a *Assign) {
	same := a.Base == e.committed
	if r := e.find(a.Base); r != nil && r.key.hash == string(a.BaseHash) {
		same = true
	}
	e.rewind(a.Base)
	for n, x := range e.parts {
		if !same || !x.rollback(a.Base) {
			delete(e.parts, n)
		}
	}
}

// rewind forgets all batches in flight: the driver launches again what it wants.
func (e *core) rewind(base int64) {
	for _, r := range e.runs {
		r.gone = true
		for _, t := range r.tasks {
			t.lost = true
		}
		if blocks := r.received(); len(blocks) > 0 { // a peer that is ahead of us may have sent them for the launch to come
			e.keepEarly(r.key, blocks)
		}
	}
	e.runs, e.ready, e.files, e.touched, e.woken = nil, nil, nil, nil, nil
	e.committed = base
	for key := range e.early {
		if key.batch <= base {
			e.dropEarly(key)
		}
	}
}

// diffParts drops lost reduce partitions and makes gained ones. After a change of the layout nothing of the old tables fits.
func (e *core) diffParts(before, a *Assign, p *preparation) {
	relaid := before != nil && before.Layout.Reduce != a.Layout.Reduce
	for n := range e.parts {
		if relaid || n >= len(a.Reduce) || a.Reduce[n] != e.name {
			delete(e.parts, n)
		}
	}
	for n, owner := range a.Reduce {
		if owner == e.name && e.parts[n] == nil {
			x := newPart(e.plan, &a.Layout, n)
			e.parts[n] = x
			p.parts = append(p.parts, x)
		}
	}
}

// diffLanes closes lost lanes and makes gained ones. A new driver fences anew: all lanes are opened again under the new owner.
func (e *core) diffLanes(anew bool, a *Assign, p *preparation) {
	for id, l := range e.lanes {
		owners := e.laneOwners(a, l.node)
		if anew || len(owners) != l.lanes || owners[id.Lane] != e.name {
			l.stop()
			p.old = append(p.old, l)
			delete(e.lanes, id)
		}
	}
	for _, n := range e.plan.Sinks {
		owners := e.laneOwners(a, n)
		for i, owner := range owners {
			id := LaneID{n.Name, i}
			if owner != e.name || e.lanes[id] != nil {
				continue
			}
			l := newLane(id, n, len(owners), a.Owner)
			e.lanes[id] = l
			if e.cfg.Capture != nil {
				close(l.ended) // it never begins
				continue
			}
			p.lanes = append(p.lanes, l)
		}
	}
}

// laneOwners says who owns a sink's lanes. An executor that captures opens none and sees them all.
func (e *core) laneOwners(a *Assign, n *rdd.Node) []string {
	if e.cfg.Capture == nil {
		return a.Lanes[n.Name]
	}
	return slices.Repeat([]string{e.name}, a.Layout.Lanes[n.Name])
}

// diffSources stops readers of lost partitions and makes those of gained ones. One that reads elsewhere than the driver wants
// begins anew.
func (e *core) diffSources(a *Assign, p *preparation) {
	own := map[checkpoint.SourcePartition]bool{}
	for _, s := range a.Sources {
		node := e.plan.Node(s.Source)
		if s.Executor != e.name || node == nil || node.Kind != rdd.Source {
			continue
		}
		id := checkpoint.SourcePartition{Source: s.Source, Partition: s.Partition.Partition}
		own[id] = true
		if r := e.sources[id]; r != nil {
			if r.reaches(s.From) {
				continue
			}
			r.stop()
		}
		r := newReader(id, node, s, e.pool, e.dirty)
		e.sources[id] = r
		p.sources = append(p.sources, r)
	}
	for id, r := range e.sources {
		if !own[id] {
			r.stop()
			delete(e.sources, id)
		}
	}
	e.pool.share(e.set.PrefetchBytes, len(e.sources), e.cfg.Depth)
}

// missing adds to p the connectors and sinks that are not open yet.
func (e *core) missing(p *preparation) {
	p.connectors, p.outputs = map[string]*source.Spec{}, map[int]*rdd.Node{}
	for _, r := range p.sources {
		spec, ok := r.node.Leaf.(*source.Spec)
		if ok && e.connectors[r.id.Source] == nil {
			p.connectors[r.id.Source] = spec
		}
	}
	feeds := len(e.assign.Lanes) > 0 || e.cfg.Capture != nil // a replay that feeds no sink needs no routes
	for _, n := range e.plan.Sinks {
		if feeds && e.outputs[n.ID] == nil {
			p.outputs[n.ID] = n
		}
	}
	p.opened = e.outputs
	p.sourceEnv = source.Env{
		Job: e.hello.Job, Brokers: e.set.Brokers, LogDir: e.set.LogDir, Checkpoint: e.hello.Checkpoint, Reset: e.set.OffsetReset,
		TLS: e.cfg.SourceTLS, Log: e.log, Clock: e.clock,
	}
	p.sinkEnv = sink.Env{
		Job: e.hello.Job, Brokers: e.set.Brokers, LogDir: e.set.LogDir, Checkpoint: e.hello.Checkpoint,
		TLS: e.cfg.SinkTLS, Log: e.log, Clock: e.clock, Terminal: e.cfg.Terminal,
	}
	p.stats, p.slots = e.cfg.Stats, max(e.cfg.Slots, 1)
}

// onPrepared takes what was prepared into use.
func (e *core) onPrepared(ctx context.Context, ev prepared) {
	p := ev.p
	e.preparing = nil
	answer := &Assigned{Generation: p.generation}
	e.routers = maps.Clone(e.routers) // slots read the old one
	for id, o := range ev.outputs {
		e.outputs[id], e.routers[id] = o, o
	}
	for name, c := range ev.connectors {
		e.connectors[name] = c
	}
	if ev.err != nil {
		e.unprepared(p)
		answer.Err = ev.err.Error()
		e.say(answer)
		return
	}
	e.opened = true
	for _, x := range p.parts {
		x.ready = true
		e.touch(x.n)
	}
	for _, l := range p.lanes {
		answer.Markers = append(answer.Markers, LaneMarker{Sink: l.id.Sink, Lane: l.id.Lane, OK: l.marked, Marker: l.marker})
		if e.lanes[l.id] == l {
			e.startLaneLoop(ctx, l)
		}
	}
	for _, r := range p.sources {
		e.startReader(ctx, r)
	}
	for _, x := range e.parts {
		answer.NextDue = sooner(answer.NextDue, x.nextDue())
	}
	e.say(answer)
	for _, r := range e.runs {
		e.wake(r)
	}
}

// unprepared takes back what could not be made ready, so that another assignment tries again.
func (e *core) unprepared(p *preparation) {
	for _, x := range p.parts {
		delete(e.parts, x.n)
	}
	for _, l := range p.lanes {
		l.shut()
		close(l.ended)
		delete(e.lanes, l.id)
	}
	for _, r := range p.sources {
		delete(e.sources, r.id)
	}
	for _, r := range e.runs {
		e.ownTasks(r)
	}
}

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
	for id, t := range r.tasks {
		if !e.owns(t) {
			t.lost = true
			delete(r.tasks, id)
			if t.status != done {
				r.open--
			}
			r.kept -= bytesOf(t.blocks)
		}
	}
	for i := range r.plan.Ranges {
		g := r.plan.Ranges[i]
		from := e.sources[checkpoint.SourcePartition{Source: g.Source, Partition: g.Partition}]
		node := e.plan.Node(g.Source)
		if from == nil || node == nil || g.From >= g.Until {
			continue
		}
		if t := r.add(node, g.Partition); t != nil {
			t.from, t.rng, t.size = from, g, g.Until-g.From
		} else {
			r.tasks[rdd.TaskID{Node: node.ID, Part: g.Partition}].from = from
		}
	}
	for _, n := range e.plan.Wides {
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
	for _, n := range e.plan.Sinks {
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
	r.open++
	return t
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
func (e *core) onLaunch(l *Launch) {
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
	r := e.addRun(l)
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

// addRun puts a batch among those in flight and gives it the blocks that came before it.
func (e *core) addRun(l *Launch) *run {
	r := newRun(e.plan, &l.Plan, l.Replay, e.cfg.Capture != nil)
	e.replays = e.replays || l.Replay
	r.began, r.attempt = e.clock.Now(), l.Attempt
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
	for key := range e.early {
		if key.batch != r.key.batch {
			continue
		}
		blocks := e.early[key]
		e.dropEarly(key)
		if key == r.key {
			for _, b := range blocks {
				e.deliver(r, b)
			}
		}
	}
	return r
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
			k.saved(b / e.every() * e.every())
		}
	}
	for key := range e.early {
		if key.batch <= b {
			e.dropEarly(key)
		}
	}
	fault.Crash("exec-committed")
}
