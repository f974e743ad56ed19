package driver

import (
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
)

// beginDrain stops cutting. What is in flight is finished, published and recorded.
func (m *machine) beginDrain(reason string) {
	if m.phase >= draining {
		return
	}
	m.phase = draining
	m.note("info", "draining", "why", reason, "inflight", len(m.flights))
}

// endReady goes through the last steps: nothing in flight, last commit durable, lanes flushed, stop.
func (m *machine) endReady() {
	if m.phase != draining || len(m.flights) > 0 || len(m.pending) > 0 || m.writing > 0 {
		return
	}
	if !m.opened {
		m.end()
		return
	}
	if len(m.awaiting) > 0 || m.replaying || !m.hosting(m.members) {
		return
	}
	m.phase = flushing
	m.flushed = map[string]bool{}
	for _, name := range m.members {
		m.do(send{name, &executor.Flush{}})
	}
}

func (m *machine) onFlushed(from string, f *executor.Flushed) {
	if m.phase != flushing {
		return
	}
	if f.Err != "" {
		m.fail("executor %s: flush: %s", from, f.Err)
		return
	}
	m.flushed[from] = true
	if m.all(m.flushed) {
		m.end()
	}
}

// end stops the executors; a job that planned its final batch is finished for good (P30).
func (m *machine) end() {
	if m.final && m.committed == m.last && !fault.Planted("P30-close") {
		m.do(finished{})
	}
	for _, name := range sortedKeys(m.execs) {
		m.do(send{name, &executor.Stop{Reason: "the job has ended"}})
	}
	m.phase = ended
	m.do(stop{})
}
