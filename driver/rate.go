package driver

import "github.com/millrace/millrace/checkpoint"

// firstSpan is how much time's worth of records the first batch of a driver may take with --max-rate and asap, µs.
const firstSpan = 100_000

// available tells whether an executor holds rows that may be planned, whatever the rate.
func (m *machine) available() bool {
	found := false
	m.eachPart(func(in *input, p *part) {
		found = found || p.until() > p.next && !m.gated(in)
	})
	return found
}

// takeRanges chooses what the next batch reads: all that is held, or each partition's fair share of what the rate allows.
// Offsets stand for records here; a log with gaps gets fewer.
func (m *machine) takeRanges() []checkpoint.Range {
	var parts []*part
	total := int64(0)
	m.eachPart(func(in *input, p *part) {
		if p.until() > p.next && !m.gated(in) {
			parts = append(parts, p)
			total += p.until() - p.next
		}
	})
	if len(parts) == 0 {
		return nil
	}
	take := m.allowed(total)
	if take == 0 {
		return nil
	}
	shares := fairShares(parts, take)
	var ranges []checkpoint.Range
	for i, p := range parts {
		if shares[i] > 0 {
			ranges = append(ranges, checkpoint.Range{Source: p.Source, Partition: p.Partition.Partition, From: p.next, Until: p.next + shares[i]})
		}
	}
	return ranges
}

// allowed is how many of total records the next batch may have: what the costs of batches (sizer) and the rate limit let through now. It waits for 10 ms worth of them, so that asap does not cut single records.
func (m *machine) allowed(total int64) int64 {
	total = min(total, m.sizes.limit(m.interval))
	if m.maxRate == 0 {
		return total
	}
	m.refill()
	n := min(m.credit/1_000_000, total)
	if n < min(total, max(1, m.maxRate/100)) {
		return 0
	}
	return n
}

// refill adds the credit of the time that has passed: at most a second's or an interval's, so that a pause is not made up for. The first batch
// after a start gets one interval's worth.
func (m *machine) refill() {
	if m.filled == 0 {
		span := m.interval
		if span == 0 {
			span = firstSpan
		}
		m.credit = max(m.maxRate*span, 1_000_000)
	} else {
		span := max(m.interval, 1_000_000)
		m.credit = min(m.credit+m.maxRate*min(m.now-m.filled, span), m.maxRate*span)
	}
	m.filled = m.now
}

// fairShares divides n records among partitions: none gets more than it holds, and none less than another unless it holds less.
func fairShares(parts []*part, n int64) []int64 {
	shares := make([]int64, len(parts))
	for open := len(parts); n > 0 && open > 0; {
		each := max(n/int64(open), 1)
		open = 0
		for i, p := range parts {
			more := min(p.until()-p.next-shares[i], each, n)
			shares[i] += more
			n -= more
			if p.until()-p.next > shares[i] {
				open++
			}
		}
	}
	return shares
}

// nextCut is when time alone may allow a batch, 0 if an event has to come first.
func (m *machine) nextCut() int64 {
	if !m.mayLaunch() || len(m.todo) > 0 || m.cuts != nil {
		return 0
	}
	return sooner(m.nextBoundary(), m.nextBatch())
}

// sooner is the earlier of two times, of which 0 means never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// nextBatch is when rows or timers may allow one.
func (m *machine) nextBatch() int64 {
	due := sooner(m.nextDue(), m.nextMove())
	waiting := m.available()
	if m.interval == 0 {
		if waiting { // only the rate limit holds it back
			return m.now + 10_000
		}
		return due
	}
	next := m.now - m.now%m.interval + m.interval
	if waiting || m.shape.onEmpty || due > 0 && due <= next {
		return next
	}
	if due > 0 {
		return due + m.interval - 1 - (due-1)%m.interval
	}
	return 0
}
