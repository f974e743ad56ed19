package driver

import (
	"strings"
	"time"
)

const (
	summaryEvery = 10 * time.Second // how often a running job says how it is doing
	badEvery     = time.Second      // how often it says at most that records could not be decoded
)

// summary counts what happened since the last line.
type summary struct {
	since         time.Time
	batches, rows int64
	slowest       int64
}

// setAside counts records that could not be decoded since the last line about them.
type setAside struct {
	records int64
	told    time.Time
}

// summarize logs one line every ten seconds, so that an interval of 5 ms does not flood.
func (e *engine) summarize(r report) {
	now := e.clock.Now()
	if e.bad.records += r.bad; now.Sub(e.bad.told) >= badEvery {
		e.tellBad(now)
	}
	s := &e.summary
	if s.since.IsZero() {
		s.since = now
	}
	s.batches++
	s.rows += r.rows
	s.slowest = max(s.slowest, r.micros)
	if took := now.Sub(s.since); took >= summaryEvery {
		attrs := []any{"batch", r.batch, "batches", s.batches, "rows", s.rows, "rows_per_s", int64(float64(s.rows) / took.Seconds()),
			"slowest", time.Duration(s.slowest) * time.Microsecond}
		if lag, ok := e.machine.watermarkLag(); ok {
			attrs = append(attrs, "watermark_lag", time.Duration(lag)*time.Microsecond)
		}
		e.log.Info("progress", attrs...)
		e.summary = summary{since: now}
	}
}

// tellBad says how many records could not be decoded since it said so last, and where they are.
func (e *engine) tellBad(now time.Time) {
	if e.bad.records == 0 {
		return
	}
	var to []string
	for _, n := range e.plan.Sinks {
		if n.Op == "deadLetter" {
			to = append(to, n.Name)
		}
	}
	e.log.Warn("records set aside that cannot be decoded", "records", e.bad.records, "to", strings.Join(to, " "), "checkpoint", e.shared)
	e.bad = setAside{told: now}
}
