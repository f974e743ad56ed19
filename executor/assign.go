package executor

import (
	"context"
	"maps"
	"slices"

	"github.com/millrace/millrace/checkpoint"
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
	e.assign, e.generation, e.mayQuiet = a, a.Generation, e.mayBeQuiet(a)
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
	e.versions.old = nil
	p := &preparation{generation: a.Generation, driver: e.driver, base: a.Base, refs: a.Deltas, state: e.state}
	e.meetPeers(ctx, a)
	e.diffParts(before, a, p)
	e.diffLanes(anew, a, p)
	e.diffSources(a, p)
	e.missing(p)
	for i := range a.InFlight {
		if r := e.find(a.InFlight[i].Batch); r == nil || r.key != keyOf(&a.InFlight[i]) {
			e.addRun(ctx, &Launch{Plan: a.InFlight[i]})
		}
	}
	for _, r := range e.runs {
		if !e.fits(r) {
			return
		}
		r.finished, r.waits, r.told = false, false, false
		e.ownTasks(r)
		e.again(ctx, r)
		e.resend(r, before)
		e.endQuiet(r) // others may have missed what was said, and all do the same
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
			e.keepEarly(r.wire, blocks)
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
			x := newPart(e.plan, &a.Layout, n, e.hello.Older)
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
		own := slices.ContainsFunc(p.lanes, func(l *lane) bool { return l.node == n })
		if e.outputs[n.ID] == nil && (own || feeds && e.cfg.Slots > 0) { // a host without slots routes nothing
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
		TLS: e.cfg.SinkTLS, Log: e.log, Clock: e.clock, Terminal: e.cfg.Terminal, Elsewhere: e.courier != nil,
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
		e.answer(p, answer)
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
		due, event := x.tables.nextDue(e.plan)
		answer.NextDue, answer.EventDue = sooner(answer.NextDue, due), sooner(answer.EventDue, event)
	}
	e.answer(p, answer)
	for _, r := range e.runs {
		e.wake(r)
	}
}

// answer tells the driver that made the assignment. Another one counts generations anew.
func (e *core) answer(p *preparation, m *Assigned) {
	if p.driver == e.driver {
		e.say(m)
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
