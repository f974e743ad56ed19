package driver

import (
	"maps"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// Cut scripts one batch for tests: the offset that each source partition is read up to, and its time.
type Cut struct {
	Batch int64                       `json:"batch,omitempty"` // 0: one after the line before
	Until map[string]map[string]int64 `json:"until"`           // source -> partition key -> offset; partitions left out stay where they are
	Time  int64                       `json:"time,omitempty"`  // batch time, µs; 0: as otherwise
	Final bool                        `json:"final,omitempty"` // the batch closes the job (P30)
}

// planReady launches what may run: batches that were planned before this driver first, then new ones.
func (m *machine) planReady() {
	for m.mayLaunch() {
		if len(m.todo) > 0 {
			if !m.relaunch() {
				return
			}
			continue
		}
		if !m.planNext() {
			return
		}
	}
}

// mayLaunch holds while the pipeline has room: the youngest batch in flight is staged everywhere and computes nothing any more.
func (m *machine) mayLaunch() bool {
	if m.phase != running || m.replaying || m.reassign || len(m.awaiting) > 0 || !m.hosting(m.members) {
		return false
	}
	n := len(m.flights)
	return n == 0 || n < m.depth && m.done(m.flights[n-1])
}

// relaunch runs a batch again from its record: same ranges, time and layout (P1).
func (m *machine) relaunch() bool {
	p := m.todo[0]
	if !sameLayout(p.Layout, m.active) && !fault.Planted("P1-layout") {
		m.reassign = true
		m.assignReady()
		return false
	}
	m.todo = m.todo[1:]
	replanned := p.Hash == nil
	if replanned { // the program changed: the same input under the new program's name
		p.Program, p.Values, p.Epoch = m.program, m.values, m.recovered.Epoch
		p.Broadcasts, p.Watermarks = m.pinsAgain(p.Broadcasts), m.watermarks(p.Ranges)
		p.Hash = planHash(&p)
		m.append(&p)
	} else if fault.Planted("P1-broadcast") {
		p.Broadcasts = m.pins()
	}
	m.newFlight(p, !replanned, true)
	return true
}

func sameLayout(a, b rdd.Layout) bool { return a.Reduce == b.Reduce && maps.Equal(a.Lanes, b.Lanes) }

// planNext cuts a new batch if one is due (P28).
func (m *machine) planNext() bool {
	switch {
	case m.finishPlanned:
		m.beginDrain("what was planned is finished")
		return false
	case m.final:
		m.beginDrain("the job is finished")
		return false
	case m.batches > 0 && m.cutCount >= m.batches:
		m.beginDrain("the number of batches asked for is done")
		return false
	case !sameLayout(m.active, m.layout):
		m.reassign = true // new settings begin with the first batch that is not planned yet (P1)
		m.assignReady()
		return false
	case m.cuts != nil:
		return m.planScripted()
	case m.sourcesDone():
		return m.planEnd()
	}
	if m.planBoundary() {
		return true
	}
	at, ok := m.tickNow()
	if !ok {
		return false
	}
	ranges := m.takeRanges()
	if len(ranges) == 0 && !m.timerDue(at) && !m.moves(at) && !(m.interval > 0 && m.shape.onEmpty && !fault.Planted("P28-empty")) {
		if m.interval > 0 && !m.available() {
			m.tick = m.now - m.now%m.interval // an idle tick cuts nothing, and is gone
		}
		return false
	}
	m.plan(at, ranges, false)
	return true
}

// tickNow is the batch time if a batch were cut now; ok is false between ticks. Missed ticks merge into the last of them (P2).
func (m *machine) tickNow() (at int64, ok bool) {
	if m.interval == 0 || fault.Planted("P2-time") {
		return m.after(m.now), true
	}
	tick := m.now - m.now%m.interval
	return m.after(tick), tick > m.tick
}

// after is at, or the first microsecond behind the last batch's time.
func (m *machine) after(at int64) int64 { return max(at, m.lastTime+1) }

// timerDue tells whether state has a timer that a batch at this time fires.
func (m *machine) timerDue(at int64) bool {
	due := m.nextDue()
	return due > 0 && due <= at && !fault.Planted("P28-timer")
}

// nextDue is the earliest timer that executors have told of, 0 for none. A batch in flight may fire it still.
func (m *machine) nextDue() int64 {
	due := int64(0)
	for _, name := range m.members {
		if d := m.due[name]; d > 0 && (due == 0 || d < due) {
			due = d
		}
	}
	return due
}

// planEnd handles the end of a bounded run: a last batch that closes the job (P30), or none.
func (m *machine) planEnd() bool {
	if m.finish || !m.caughtUp {
		if m.planBoundary() {
			return true
		}
		m.plan(m.after(m.now), nil, true)
		return true
	}
	m.beginDrain("the end of the input is reached")
	return false
}

// sourcesDone tells whether nothing more will come: a bounded run has planned all that was there when it began, or every source has ended.
func (m *machine) sourcesDone() bool {
	for _, in := range m.sources {
		if !in.found || !(m.caughtUp || m.finish || in.bounded) {
			return false
		}
		for _, p := range in.parts {
			if p != nil && p.listed && !p.exhausted() {
				return false
			}
		}
	}
	return true
}

// planScripted cuts the batch that the script says, once all of it is held.
func (m *machine) planScripted() bool {
	c, ok := m.cuts[m.last+1]
	if !ok {
		m.beginDrain("the script of cuts is done")
		return false
	}
	var ranges []checkpoint.Range
	for _, source := range m.order {
		in := m.sources[source]
		for key := range c.Until[source] {
			if in.byKey[key] == nil {
				return false
			}
		}
		for _, p := range in.parts {
			until, ok := c.Until[source][p.Key]
			if !ok || until <= p.next {
				continue
			}
			if p.held < until {
				return false
			}
			ranges = append(ranges, checkpoint.Range{Source: source, Partition: p.Partition.Partition, From: p.next, Until: until})
		}
	}
	at := m.after(m.now)
	if c.Time > 0 {
		at = m.after(c.Time)
	}
	m.plan(at, ranges, c.Final)
	return true
}

// plan records a batch and launches it. Computing overlaps the record's fsync; publishing waits for it (I1).
func (m *machine) plan(at int64, ranges []checkpoint.Range, final bool) {
	p := checkpoint.Plan{
		Batch: m.last + 1, Time: at, Ranges: ranges, New: m.recordPartitions(), Layout: m.layout,
		Program: m.program, Epoch: m.recovered.Epoch, Final: final, Targets: m.setTargets(), Values: m.values, Broadcasts: m.pins(),
		Watermarks: m.watermarks(ranges),
	}
	p.Hash = planHash(&p)
	for _, r := range ranges {
		x := m.part(r.Source, r.Partition)
		x.next, x.busy = r.Until, m.now
		m.touch(x)
		m.credit -= (r.Until - r.From) * 1_000_000
	}
	if len(ranges) > 0 || m.shape.onEmpty || m.timerDue(at) || m.moves(at) {
		m.rowsTime = at
	}
	m.last, m.lastTime, m.final = p.Batch, at, final
	m.cutCount++
	if m.interval > 0 {
		m.tick = m.now - m.now%m.interval
		if !fault.Planted("P31-tick") {
			m.tick = min(m.tick, at-at%m.interval) // the ticks behind a boundary that is past are still to come
		}
	}
	m.append(&p)
	m.newFlight(p, false, false)
}
