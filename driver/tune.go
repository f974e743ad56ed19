package driver

import "time"

// summaryEvery is how often a running job says how it is doing.
const summaryEvery = 10 * time.Second

// summary counts what happened since the last line.
type summary struct {
	since         time.Time
	batches, rows int64
	slowest       int64
}

// summarize logs one line every ten seconds, so that an interval of 5 ms does not flood.
func (e *engine) summarize(r report) {
	now := e.clock.Now()
	s := &e.summary
	if s.since.IsZero() {
		s.since = now
	}
	s.batches++
	s.rows += r.rows
	s.slowest = max(s.slowest, r.micros)
	if took := now.Sub(s.since); took >= summaryEvery {
		e.log.Info("progress", "batch", r.batch, "batches", s.batches, "rows", s.rows, "rows_per_s", int64(float64(s.rows)/took.Seconds()),
			"slowest", time.Duration(s.slowest)*time.Microsecond)
		e.summary = summary{since: now}
	}
}
