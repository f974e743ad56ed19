package driver

import (
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// flight is a batch between its plan and its commit.
type flight struct {
	plan    checkpoint.Plan
	began   int64 // when it was launched
	durable bool  // its plan is in the log (I1)
	skip    []executor.LaneID

	staged     map[string]bool // executors that have done all of it, under the current generation
	quiet      map[string]bool // those that know of no rows for lanes: quiet everywhere is as good as staged
	still      map[string]bool // those that have nothing to publish
	marks      []int64         // by event-time input: the watermark behind it, once it was staged everywhere
	learned    bool            // its cost is taken in
	publishing bool            // Publish was sent under the current generation
	published  map[string]bool

	built    *executor.Built                   // the first report of what was built for the batch (P22), nil if nothing is
	builder  string                            // whose it was
	done     map[rdd.TaskID]*executor.TaskDone // first accepted report of each task
	attempts map[rdd.TaskID]int                // failed ones
	retries  []retryAt
	deltas   map[string][]checkpoint.DeltaRef // by executor
	behind   map[string][]string              // operators whose changes are not all in files yet, by executor

	submitted int64        // when it was due
	out       []OutputTime // sinks that have published it; kept only if somebody listens
}

// retryAt is a failed task that runs again later.
type retryAt struct {
	at   int64
	to   string
	task rdd.TaskID
}

// newFlight launches a batch; again, if an earlier driver had planned it.
func (m *machine) newFlight(p checkpoint.Plan, durable, again bool) *flight {
	assert.True(p.Batch == m.committed+int64(len(m.flights))+1, "batch %d launched behind %d committed and %d in flight", p.Batch, m.committed, len(m.flights))
	f := &flight{
		plan: p, began: m.now, durable: durable, skip: m.skip[p.Batch],
		staged: map[string]bool{}, quiet: map[string]bool{}, still: map[string]bool{}, published: map[string]bool{},
		done: map[rdd.TaskID]*executor.TaskDone{}, attempts: map[rdd.TaskID]int{},
		deltas: map[string][]checkpoint.DeltaRef{}, behind: map[string][]string{},
	}
	delete(m.skip, p.Batch)
	quiet := m.calm > 0 && m.calm == p.Batch-1
	if n := len(m.flights); n > 0 {
		quiet = m.all(m.flights[n-1].quiet)
	}
	f.submitted = m.now
	if m.interval > 0 && m.cuts == nil && !again {
		f.submitted = min(p.Time, m.now)
	}
	m.flights = append(m.flights, f)
	m.hashes[p.Batch] = p.Hash
	m.tellSubmitted(f, again)
	for _, name := range m.members {
		m.give(name)
		m.do(send{name, &executor.Launch{Plan: p, Skip: f.skip, Calm: !again, Quiet: quiet}})
	}
	m.tellStarted(f)
	return f
}

// restart forgets what depended on the assignment before: every executor reports again under the new generation.
func (f *flight) restart(alive map[string]*member) {
	f.staged, f.published, f.publishing = map[string]bool{}, map[string]bool{}, false
	f.quiet, f.still = map[string]bool{}, map[string]bool{}
	f.retries, f.attempts = nil, map[rdd.TaskID]int{} // a new owner counts from the start
	for name := range f.deltas {
		if alive[name] == nil {
			delete(f.deltas, name)
			delete(f.behind, name)
		}
	}
}

func (m *machine) flight(batch int64) *flight {
	for _, f := range m.flights {
		if f.plan.Batch == batch {
			return f
		}
	}
	return nil
}

// all tells whether every member is in set.
func (m *machine) all(set map[string]bool) bool {
	for _, name := range m.members {
		if !set[name] {
			return false
		}
	}
	return len(m.members) > 0
}

// set puts a name into a set, or takes it out.
func set(names map[string]bool, name string, in bool) {
	if in {
		names[name] = true
	} else {
		delete(names, name)
	}
}

// done tells whether all executors have done all of a batch: its lanes are staged, or there is nothing for them.
func (m *machine) done(f *flight) bool {
	return m.all(f.staged) || m.all(f.quiet) || len(f.quiet) > 0 && fault.Planted("I4-quiet")
}

func (m *machine) onTaskDone(from string, d *executor.TaskDone) {
	f := m.flight(d.Batch)
	if f == nil {
		return
	}
	first := f.done[d.Task]
	if first == nil {
		f.done[d.Task] = d // its counters count, and what it added to accumulators; those of later attempts do not (P17)
		return
	}
	addTwice(first, d)
	if !(slices.Equal(first.Sums, d.Sums) && slices.Equal(first.Highs, d.Highs)) && !fault.Planted("P16-sums") {
		m.tellFailed(BatchFailed{Batch: d.Batch, Attempt: d.Attempt, Executor: from, Err: "it gave other rows than an earlier attempt", Final: true}, d.Task)
		m.fail("batch %d: %s gave different rows in attempts %d and %d: user code there is not deterministic (clock, random numbers, map order or outside data); make it a function of its rows, or hand such data in with Value",
			d.Batch, m.shape.task(d.Task), first.Attempt, d.Attempt)
	}
}

func (m *machine) onStaged(from string, s *executor.Staged) {
	f := m.flight(s.Batch)
	if f == nil {
		return
	}
	for i := range s.Tasks {
		m.onTaskDone(from, &s.Tasks[i])
	}
	if s.Generation != m.generation && !fault.Planted("I9-generation") {
		return // it was computed for another assignment; the executor reports again under this one
	}
	if s.Delta != nil && !slices.ContainsFunc(f.deltas[from], func(d checkpoint.DeltaRef) bool { return d.File == s.Delta.File && d.At == s.Delta.At }) {
		f.deltas[from] = append(f.deltas[from], *s.Delta)
	}
	f.behind[from] = s.Behind
	m.due[from], m.eventDue[from] = s.NextDue, s.EventDue
	set(f.staged, from, !s.Waits)
	set(f.quiet, from, s.Quiet)
	set(f.still, from, s.Still)
	if m.done(f) && f.marks == nil {
		m.settle(f)
	}
	if m.done(f) && !f.learned {
		f.learned = true
		records := int64(0)
		for _, r := range f.plan.Ranges {
			records += r.Until - r.From
		}
		m.sizes.learn(records, m.now-f.began)
	}
}

// onTaskFailed has the task run again, up to the limit; then the job stops, with the batch planned and not lost (I4).
func (m *machine) onTaskFailed(from string, t *executor.TaskFailed) {
	f := m.flight(t.Batch)
	if f == nil || !slices.Contains(m.members, from) || t.Attempt < f.attempts[t.Task] {
		return
	}
	if fault.Planted("I4-skip") {
		m.flights = slices.DeleteFunc(m.flights, func(g *flight) bool { return g == f })
		m.committed = f.plan.Batch
		return
	}
	f.attempts[t.Task]++
	n := f.attempts[t.Task]
	m.tellFailed(BatchFailed{Batch: t.Batch, Attempt: t.Attempt, Executor: from, Err: t.Message, Final: t.Fatal || n > m.retries}, t.Task)
	switch {
	case t.Fatal:
		m.fail("batch %d: %s", t.Batch, t.Message)
		return
	case n > m.retries:
		m.fail("batch %d, %s: %d attempts, the last: %s", t.Batch, m.shape.task(t.Task), n, t.Message)
		return
	}
	m.note("warn", "task attempt lost", "batch", t.Batch, "task", m.shape.task(t.Task), "attempt", t.Attempt, "executor", from, "why", t.Message)
	pause := int64(0)
	if !t.User { // disk or broker: give it time
		pause = int64(100_000) << min(n-1, 6)
	}
	f.retries = append(f.retries, retryAt{m.now + pause, from, t.Task})
}

// sendRetries starts the failed tasks whose pause is over.
func (m *machine) sendRetries() {
	for _, f := range m.flights {
		var later []retryAt
		for _, r := range f.retries {
			if r.at > m.now {
				later = append(later, r)
				continue
			}
			m.do(send{r.to, &executor.Retry{Batch: f.plan.Batch, Attempt: f.attempts[r.task], Tasks: []rdd.TaskID{r.task}}})
		}
		f.retries = later
	}
}

// publishReady has the oldest batch published once it is staged everywhere and its plan is durable (I1). Later ones wait for it (I4).
func (m *machine) publishReady() {
	m.sendRetries()
	for i := 0; i < len(m.flights); i++ {
		f := m.flights[i]
		if i > 0 && !fault.Planted("I4-order") {
			return
		}
		durable := f.durable || fault.Planted("I1-publish")
		if f.publishing || len(m.awaiting) > 0 || !m.done(f) || !durable {
			continue
		}
		f.publishing = true
		for _, name := range m.members {
			if f.still[name] {
				f.published[name] = true
				continue
			}
			m.do(send{name, &executor.Publish{Batch: f.plan.Batch}})
		}
		if len(f.published) > 0 && m.wentOut(f) {
			i-- // the next has its place
		}
	}
}

// wentOut notes executors that have published a batch, and commits it if that were the last ones.
func (m *machine) wentOut(f *flight) (committed bool) {
	m.tellPublished(f)
	if !m.all(f.published) || f != m.flights[0] && !fault.Planted("I4-order") {
		return false
	}
	m.commit(f)
	return true
}

func (m *machine) onPublished(from string, p *executor.Published) {
	f := m.flight(p.Batch)
	if f == nil || !f.publishing || p.Generation != m.generation {
		return
	}
	f.published[from] = true
	m.wentOut(f)
}

// commit ends a flight: every lane has published it. The record rides in the next plan's frame (P3).
func (m *machine) commit(f *flight) {
	fault.Crash("driver-between-publish-and-record")
	m.flights = slices.DeleteFunc(m.flights, func(g *flight) bool { return g == f })
	c := checkpoint.Commit{Batch: f.plan.Batch, Hash: f.plan.Hash, Micros: m.now - f.began}
	if f.built != nil {
		c.Fragment = f.built.Hash
	}
	for _, name := range sortedKeys(f.deltas) {
		c.Deltas = append(c.Deltas, f.deltas[name]...)
	}
	c.Behind = f.late()
	for i := range c.Deltas {
		c.Deltas[i].Behind = c.Behind
	}
	if m.every <= 1 && len(c.Behind) == 0 {
		m.whole = c.Batch
	}
	for id, d := range f.done {
		if m.shape.source(id.Node) {
			c.Rows += d.Counters.RowsIn
		}
		c.Bad += d.Counters.Bad
	}
	c.Totals, c.Reached = m.fold(f), m.reached(f)
	m.deltas = append(m.deltas, c.Deltas...)
	m.committed = f.plan.Batch
	if m.all(f.quiet) {
		m.calm = f.plan.Batch
	}
	delete(m.hashes, f.plan.Batch-1)
	if len(m.pending) == 0 {
		m.pendingAt = m.now
	}
	m.pending = append(m.pending, c)
	m.reports = append(m.reports, m.reportOf(f, c))
}

// late are the operators whose changes up to the batch are not all in files yet, on any executor.
func (f *flight) late() []string {
	var names []string
	for _, from := range sortedKeys(f.behind) {
		names = append(names, f.behind[from]...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// outcomes are what became of the batch's rows by their event time, by the tasks' first accepted attempts (P17).
func (f *flight) outcomes() []rdd.Outcome {
	var list []rdd.Outcome
	for _, d := range f.done {
		list = append(list, d.Outcomes...)
	}
	return list
}

// reportOf is what the world may be told of a batch once its commit is durable.
func (m *machine) reportOf(f *flight, c checkpoint.Commit) report {
	r := report{batch: c.Batch, time: f.plan.Time, rows: c.Rows, bad: c.Bad, micros: c.Micros, offsets: map[string]map[string]int64{}, totals: c.Totals, came: f.outcomes()}
	for _, g := range f.plan.Ranges {
		p := m.part(g.Source, g.Partition)
		if p == nil {
			continue
		}
		if r.offsets[g.Source] == nil {
			r.offsets[g.Source] = map[string]int64{}
		}
		r.offsets[g.Source][p.Key] = g.Until
	}
	if m.heard {
		r.told = m.completed(f, c)
	}
	return r
}

// commitAloneReady writes commits that no plan has taken along for 100 ms (by a clock of a test: at once), or when nothing more will be planned (P3).
func (m *machine) commitAloneReady() {
	if len(m.pending) == 0 || fault.Planted("P3-alone") {
		return
	}
	if m.now-m.pendingAt < m.commitWait() && !(m.phase >= draining && len(m.flights) == 0) {
		return
	}
	m.append(nil)
}

// append hands a frame to the log: the commits since the last one, and a plan or nil.
func (m *machine) append(p *checkpoint.Plan) {
	m.do(appendFrame{p, m.pending})
	m.pending = nil
	m.writing++
}

func (m *machine) onAppended(e appended) {
	m.writing--
	if e.err != "" {
		m.fail("batch log: %s", e.err)
		return
	}
	if f := m.flight(e.plan); f != nil {
		f.durable = true
	}
	if e.commits == 0 {
		return
	}
	for _, name := range m.members {
		m.do(send{name, &executor.Committed{Batch: e.commits}})
	}
	m.forgetVersions()
	for len(m.reports) > 0 && m.reports[0].batch <= e.commits {
		m.addOutcomes(m.reports[0].came)
		m.do(m.reports[0])
		m.reports = m.reports[1:]
	}
}

// onPruned drops refs to state files that are gone, and keeps those that came since.
func (m *machine) onPruned(e pruned) {
	upTo := int64(0)
	for _, d := range e.deltas {
		upTo = max(upTo, d.Batch)
	}
	kept := e.deltas
	for _, d := range m.deltas {
		if d.Batch > upTo {
			kept = append(kept, d)
		}
	}
	m.deltas = kept
}
