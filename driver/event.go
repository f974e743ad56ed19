package driver

import (
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// Event time. A plan record says what partitions have reached before the batch, without those that are idle; tasks say what the rows of the batch have; executors and
// driver make the watermark behind the batch of the two, each for itself (rdd.EventTime.After). The driver needs it for the next record, which comes after the
// batch is staged everywhere.
//
//	plan t: W(t−1), highs ──▶ source tasks: their highs ─ blocks ─▶ wide tasks: W(t)
//	                                       └─ TaskDone, Staged ──▶ driver: W(t), highs ──▶ plan t+1

// recoverEvents takes over what the checkpoint knows of event time.
func (m *machine) recoverEvents() {
	m.marks = slices.Repeat([]int64{rdd.NoTime}, len(m.shape.events))
	m.outcomes, m.settledTime = make([]rdd.Outcome, len(m.shape.nodes)), m.lastTime
	for _, r := range m.recovered.Reached {
		e := slices.IndexFunc(m.shape.events, func(e eventShape) bool { return e.name == r.Input })
		if e < 0 {
			continue
		}
		m.marks[e] = r.Watermark
		for _, h := range r.Partitions {
			if p := m.part(h.Source, h.Partition); p != nil {
				p.highs[e] = h.Micros
				m.touch(p)
			}
		}
	}
}

// allBusy has idleness begin anew: nobody read while parts were assigned.
func (m *machine) allBusy() {
	m.eachPart(func(_ *input, p *part) {
		p.busy = m.now
		m.touch(p)
	})
}

// ended tells whether nothing of p will ever be planned again, in whatever run.
func (p *part) ended() bool { return !p.listed || p.complete && p.next >= p.end }

// idleAt is when p does not hold a watermark back any more if nothing comes: 0 at once, -1 never.
func (m *machine) idleAt(p *part, e *eventShape) int64 {
	switch {
	case fault.Planted("P28-idle"):
		return -1
	case p.ended():
		return 0
	case m.cuts != nil || p.next < p.end || p.held > p.next:
		return -1
	}
	return p.busy + e.time.Idle
}

func (m *machine) idle(p *part, e *eventShape) bool {
	at := m.idleAt(p, e)
	return at >= 0 && at <= m.now
}

// watermarks are what a plan record says of event time, for a batch that reads these ranges.
func (m *machine) watermarks(ranges []checkpoint.Range) []rdd.Watermark {
	var list []rdd.Watermark
	for i := range m.shape.events {
		list = append(list, m.watermark(i, ranges))
	}
	return list
}

func (m *machine) watermark(event int, ranges []checkpoint.Range) rdd.Watermark {
	e := &m.shape.events[event]
	w := rdd.Watermark{Input: e.name, Before: m.marks[event], Rest: rdd.EndOfTime, Most: rdd.NoTime}
	reads := map[*part]bool{}
	for _, r := range ranges {
		if p := m.part(r.Source, r.Partition); p != nil && slices.Contains(e.sources, r.Source) && r.From < r.Until {
			reads[p] = true
			w.Highs = append(w.Highs, p.highs[event])
		}
	}
	m.eachPart(func(in *input, p *part) {
		if !slices.Contains(e.sources, in.name) {
			return
		}
		w.Most = max(w.Most, p.highs[event])
		if !reads[p] && !m.idle(p, e) {
			w.Rest = min(w.Rest, p.highs[event])
		}
	})
	return w
}

// settle computes the watermarks behind a batch that is staged everywhere: all of its source tasks have said by now what they met.
func (m *machine) settle(f *flight) {
	f.marks, m.settledTime = slices.Clone(m.marks), f.plan.Time
	if len(m.shape.events) == 0 {
		f.marks = []int64{}
		return
	}
	for i := range m.shape.events {
		w := f.watermark(m.shape.events[i].name)
		if w == nil {
			continue // another program planned it
		}
		var met []int64
		f.eachMet(m, i, func(p *part, high int64) {
			met = append(met, high)
			if high > p.highs[i] {
				p.highs[i] = high
				m.touch(p)
			}
		})
		f.marks[i] = m.shape.events[i].time.After(w, met, f.plan.Time, f.plan.Final)
		m.marks[i] = max(m.marks[i], f.marks[i])
	}
}

// watermark is what the batch's record says of an input.
func (f *flight) watermark(input string) *rdd.Watermark {
	for i := range f.plan.Watermarks {
		if w := &f.plan.Watermarks[i]; w.Input == input {
			return w
		}
	}
	return nil
}

// eachMet visits the batch's source tasks that give rows event time, in the order of the record, with the highest that each met.
func (f *flight) eachMet(m *machine, event int, visit func(p *part, high int64)) {
	for _, r := range f.plan.Ranges {
		p := m.part(r.Source, r.Partition)
		if p == nil || !slices.Contains(m.shape.events[event].sources, r.Source) || r.From >= r.Until {
			continue
		}
		high := int64(rdd.NoTime)
		if d := f.done[rdd.TaskID{Node: m.shape.node(r.Source), Part: r.Partition}]; d != nil && event < len(d.Highs) {
			high = d.Highs[event]
		}
		visit(p, high)
	}
}

// reached is what a batch changed, for its commit: a recovery without a plan behind it goes on from there.
func (m *machine) reached(f *flight) []checkpoint.Reached {
	var list []checkpoint.Reached
	for i := range m.shape.events {
		w := f.watermark(m.shape.events[i].name)
		if w == nil || len(f.marks) == 0 {
			continue
		}
		r := checkpoint.Reached{Input: w.Input, Watermark: f.marks[i]}
		n := 0
		f.eachMet(m, i, func(p *part, high int64) {
			if n < len(w.Highs) && high > w.Highs[n] {
				r.Partitions = append(r.Partitions, checkpoint.PartitionHigh{Source: p.Source, Partition: p.Partition.Partition, Micros: high})
			}
			n++
		})
		if len(r.Partitions) > 0 || r.Watermark != w.Before {
			list = append(list, r)
		}
	}
	return list
}

// moves tells whether a batch without rows at this time would move a watermark (P28): because partitions have fallen idle, or because it follows the clock
// and a timer waits for that.
func (m *machine) moves(at int64) bool {
	for i := range m.shape.events {
		e := m.shape.events[i]
		w := m.front(i).mark(m.marks[i])
		follows := e.time.After(&w, nil, at, false)
		e.time.Follow = 0
		if e.time.After(&w, nil, at, false) > m.marks[i] {
			return true
		}
		if due := m.nextEventDue(); follows > m.marks[i] && due > 0 && follows >= due && at >= m.lastTime+followPause {
			return true
		}
	}
	return false
}

// nextEventDue is the earliest watermark that a timer waits for, 0 for none.
func (m *machine) nextEventDue() int64 {
	due := int64(0)
	for _, name := range m.members {
		due = sooner(due, m.eventDue[name])
	}
	return due
}

// nextMove is when time alone may move a watermark, 0 for never.
func (m *machine) nextMove() int64 {
	if m.moves(m.after(m.now)) {
		return m.now // at the tick that comes
	}
	next := int64(0)
	for i := range m.shape.events {
		next = sooner(next, m.nextMoveOf(i))
	}
	return next
}

// nextMoveOf is when the next partition falls idle whose absence moves the watermark, or when the clock that it follows then reaches a timer.
func (m *machine) nextMoveOf(event int) int64 {
	e := &m.shape.events[event]
	f, next := m.front(event), int64(0)
	if len(f.falling) > 0 {
		next = f.falling[0].key
	}
	if due := m.nextEventDue(); len(f.holding) == 0 && e.time.Follow > 0 && due > 0 {
		return max(due+e.time.Follow, m.lastTime+followPause)
	}
	return next
}

// followPause is how far apart batches are at least that are cut only because a watermark follows the clock, µs: a timer may wait for another watermark.
const followPause = 1_000_000
