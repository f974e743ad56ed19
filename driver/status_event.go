package driver

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace/rdd"
)

// EventTimeStatus is event time behind the last batch that is staged everywhere, for one EventTime of the job. Times are µs since 1970.
type EventTimeStatus struct {
	Input      string          `json:"input"`               // its source and column
	Watermark  *int64          `json:"watermark,omitempty"` // absent as long as there is none, and when the job is finished
	Lag        *int64          `json:"lag_us,omitempty"`    // how far the watermark is behind the time of its batch
	Final      bool            `json:"final,omitempty"`     // the last batch has closed everything
	Idle       int             `json:"idle"`                // partitions that do not hold the watermark back
	Ahead      int64           `json:"ahead"`               // rows since the start that were too far ahead to move the watermark
	Partitions []ReachedStatus `json:"partitions"`
}

// ReachedStatus is what a source partition has reached of an event time.
type ReachedStatus struct {
	Source    string `json:"source"`
	Partition int    `json:"partition"`
	Key       string `json:"key"`
	Reached   *int64 `json:"reached,omitempty"` // the highest event time of its rows, absent if they have none
	Idle      bool   `json:"idle"`              // it is read to its end and silent for long enough, or has ended
}

// OperatorStatus counts what an operator has done with rows by their event time in batches that were recorded since the start.
type OperatorStatus struct {
	Name string `json:"name"`
	Late int64  `json:"late"` // rows that came too late for it
	Shed int64  `json:"shed"` // rows of state that ShedOldest let go of
}

// eventStatus adds event time.
func (m *machine) eventStatus(s *Status) {
	for i := range m.shape.events {
		e := &m.shape.events[i]
		x := EventTimeStatus{Input: e.name, Watermark: known(m.marks[i]), Final: m.marks[i] == rdd.EndOfTime, Ahead: m.outcomes[e.node].Ahead, Partitions: []ReachedStatus{}}
		if x.Watermark != nil {
			lag := m.settledTime - *x.Watermark
			x.Lag = &lag
		}
		m.eachPart(func(in *input, p *part) {
			if !slices.Contains(e.sources, in.name) {
				return
			}
			r := ReachedStatus{p.Source, p.Partition.Partition, p.Key, known(p.highs[i]), m.idle(p, e)}
			if r.Idle {
				x.Idle++
			}
			x.Partitions = append(x.Partitions, r)
		})
		s.EventTime = append(s.EventTime, x)
	}
	for _, op := range m.shape.operators {
		if o := m.outcomes[op.node]; op.event || o.Late > 0 || o.Shed > 0 {
			s.Operators = append(s.Operators, OperatorStatus{op.name, o.Late, o.Shed})
		}
	}
}

// known is an event time, nil where it is none that rows have.
func known(at int64) *int64 {
	if at == rdd.NoTime || at == rdd.EndOfTime {
		return nil
	}
	return &at
}

// watermarkLag is how far the last of the watermarks is behind the batch time, µs.
func (m *machine) watermarkLag() (lag int64, ok bool) {
	for _, at := range m.marks {
		if known(at) == nil {
			return 0, false
		}
		lag, ok = max(lag, m.settledTime-at), true
	}
	return lag, ok
}

// addOutcomes counts what became of rows in a batch whose record is durable.
func (m *machine) addOutcomes(list []rdd.Outcome) {
	for _, o := range list {
		if o.Node < len(m.outcomes) { // otherwise it was built for that batch alone
			sum := &m.outcomes[o.Node]
			sum.Late, sum.Ahead, sum.Shed = sum.Late+o.Late, sum.Ahead+o.Ahead, sum.Shed+o.Shed
		}
	}
}

var (
	descWatermark = desc("watermark_timestamp_seconds", "Watermark of an event time, seconds since 1970; +Inf behind the last batch of a finished job.", "input")
	descBehind    = desc("watermark_lag_seconds", "How far a watermark is behind the time of its batch.", "input")
	descIdle      = desc("idle_partitions", "Source partitions that do not hold a watermark back.", "input")
	descReached   = desc("event_time_reached_timestamp_seconds", "Highest event time of a partition's rows, seconds since 1970.", "input", "source", "partition")
	descAhead     = desc("ahead_rows_total", "Rows whose event time was too far ahead to move the watermark.", "input")
	descLate      = desc("late_rows_total", "Rows that came too late for an operator.", "operator")
	descShed      = desc("shed_rows_total", "Rows of an operator's state that ShedOldest let go of.", "operator")

	eventDescs = []*prometheus.Desc{descWatermark, descBehind, descIdle, descReached, descAhead, descLate, descShed}
)

// collectEvents turns event time into metrics.
func collectEvents(s *Status, counter func(*prometheus.Desc, int64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	seconds := func(d *prometheus.Desc, µs *int64, labels ...string) {
		if µs != nil {
			gauge(d, float64(*µs)/1e6, labels...)
		}
	}
	for _, e := range s.EventTime {
		seconds(descWatermark, e.Watermark, e.Input)
		if e.Final {
			gauge(descWatermark, math.Inf(1), e.Input)
		}
		seconds(descBehind, e.Lag, e.Input)
		gauge(descIdle, float64(e.Idle), e.Input)
		counter(descAhead, e.Ahead, e.Input)
		for _, p := range e.Partitions {
			seconds(descReached, p.Reached, e.Input, p.Source, p.Key)
		}
	}
	for _, o := range s.Operators {
		counter(descLate, o.Late, o.Name)
		counter(descShed, o.Shed, o.Name)
	}
}
