package driver

import (
	"slices"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
)

// tell has listeners told, if there are any. What they hear is made from what the machine knows anyway; nothing depends on it.
func (m *machine) tell(o occasion) {
	if m.heard {
		m.do(tell{o})
	}
}

// at is a moment of the machine's for listeners.
func at(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func (m *machine) tellSubmitted(f *flight, again bool) {
	if !m.heard {
		return
	}
	rows := map[string]int64{}
	for _, r := range f.plan.Ranges {
		rows[r.Source] += r.Until - r.From
	}
	m.tell(BatchSubmitted{Batch: f.plan.Batch, Time: at(f.plan.Time), At: at(f.submitted), Sources: m.bySource(rows), Again: again})
}

func (m *machine) tellStarted(f *flight) {
	m.tell(BatchStarted{Batch: f.plan.Batch, Time: at(f.plan.Time), At: at(f.began)})
}

// bySource puts rows in the order of plan records; sources without any are left out.
func (m *machine) bySource(rows map[string]int64) []SourceRows {
	var out []SourceRows
	for _, name := range m.order {
		if n := rows[name]; n > 0 {
			out = append(out, SourceRows{name, n})
		}
	}
	return out
}

func (m *machine) tellFailed(b BatchFailed, task rdd.TaskID) {
	b.Task, b.At = m.shape.task(task), at(m.now)
	m.tell(b)
}

// tellPublished tells of sinks whose lanes are all on executors that have published the batch: once a sink, also if their owners change.
func (m *machine) tellPublished(f *flight) {
	if !m.heard {
		return
	}
	for _, s := range m.shape.sinks {
		told := func(o OutputTime) bool { return o.Sink == s.name }
		waits := func(owner string) bool { return !f.published[owner] }
		if slices.ContainsFunc(f.out, told) || slices.ContainsFunc(m.lanes[s.name], waits) {
			continue
		}
		f.out = append(f.out, OutputTime{s.name, at(m.now)})
		m.tell(OutputPublished{Batch: f.plan.Batch, Time: at(f.plan.Time), Sink: s.name, At: at(m.now)})
	}
}

// completed sums a batch up at its commit.
func (m *machine) completed(f *flight, c checkpoint.Commit) BatchCompleted {
	rows := map[string]int64{}
	for id, d := range f.done {
		if name := m.shape.inputs[id.Node]; name != "" {
			rows[name] += d.Counters.RowsIn
		}
	}
	return BatchCompleted{
		Batch: c.Batch, Time: at(f.plan.Time), Submitted: at(f.submitted), Started: at(f.began), Ended: at(m.now),
		Outputs: f.out, Rows: c.Rows, Bad: c.Bad, Sources: m.bySource(rows),
	}
}
