package driver

import "github.com/millrace/millrace/internal/fault"

// Windows of batch time end at multiples of a node's Every. A batch is cut at each of them, with or without rows, so that no window is passed over (P31).
// Boundaries behind which rows and timers have been silent for longer than the windows reach end empty windows: of those only the last is cut.

// since is the time behind which boundaries count: that of the last batch, or of the moment at which a job without batches began to run.
func (m *machine) since() int64 {
	if m.last > 0 {
		return m.lastTime
	}
	return m.began
}

// nextBoundary is the first boundary behind the last batch, 0 if there are none.
func (m *machine) nextBoundary() int64 {
	first := int64(0)
	for _, every := range m.shape.every {
		if b := above(m.since(), every); first == 0 || b < first {
			first = b
		}
	}
	return first
}

// above is the first multiple of every above t.
func above(t, every int64) int64 { return t - t%every + every }

// boundary is the time of the batch that is due because a boundary has passed, 0 if none has. More tells that a batch of a later time could be cut at
// once: rows belong to that one, as missed ticks merge into the last of them (P2).
func (m *machine) boundary() (at int64, more bool) {
	at = m.nextBoundary()
	if at == 0 || at > m.now || fault.Planted("P31-passed") {
		return 0, false
	}
	if at-m.shape.reach >= m.rowsTime {
		at = m.lastBoundary()
	}
	if m.interval > 0 {
		return at, m.now-m.now%m.interval > at
	}
	for _, every := range m.shape.every {
		more = more || above(at, every) <= m.now
	}
	return at, more
}

// lastBoundary is the last boundary up to now behind which no node misses another of its own.
func (m *machine) lastBoundary() int64 {
	last := m.now
	for _, every := range m.shape.every {
		if b := m.now - m.now%every; b > m.since() && b < last {
			last = b
		}
	}
	return last
}

// planBoundary cuts the batch of a boundary that has passed.
func (m *machine) planBoundary() bool {
	at, more := m.boundary()
	if at == 0 {
		return false
	}
	if more {
		m.plan(at, nil, false)
	} else {
		m.plan(at, m.takeRanges(), false)
	}
	return true
}
