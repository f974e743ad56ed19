package driver

import (
	"fmt"
	"sort"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/rdd"
)

// setup is what the machine is told once, before its first event.
type setup struct {
	shape     shape
	near      near
	recovered checkpoint.Recovered
	baseHash  []byte     // plan hash of recovered.Committed
	layout    rdd.Layout // of batches that are planned from now on
	program   []byte
	values    [][]byte
	versions  []versionID // of broadcasts, that the checkpoint has and an unfinished or the last plan names

	interval int64 // µs; 0: asap
	depth    int   // batches in flight
	maxRate  int64 // records a second, 0 for no limit
	retries  int
	batches  int64         // stop after so many new batches, 0 for never
	caughtUp bool          // stop where the sources ended at the start
	finish   bool          // as caughtUp, with a last batch that closes the job (P30)
	cuts     map[int64]Cut // scripted ranges by batch; stop behind them

	finishPlanned bool // run what is planned and stop (P1)
	acceptMixed   bool // a changed program may go on with a batch that is half published (P1)
	adopt         bool // --sink-adopt (P7)

	executors int   // to wait for before the first batch
	respawn   bool  // replace lost executors
	lease     int64 // µs without a message after which an executor is lost, 0 for never
	every     int   // --checkpoint-every

	byHand bool // time may stand still: the tick at which the job begins is not used, and commits do not wait for a plan to ride in
	heard  bool // somebody listens to what happens
}

// phase is how far the machine is in its life.
type phase int

const (
	waiting  phase = iota // for partitions and executors
	running               // batches are cut, or recovered ones run again
	draining              // nothing is cut any more, what runs is finished
	flushing              // lanes make what was published visible; the last commit is written
	ended
)

var phaseNames = [...]string{"waiting", "running", "draining", "flushing", "ended"}

func (p phase) String() string { return phaseNames[p] }

// commitAlone is how long a commit waits for a plan's frame to ride in, µs (P3).
const commitAlone = 100_000

// machine is the driver's state. step is its only entry, called by one goroutine.
//
//	waiting ─ executors and partitions known ─▶ Assign ─ Assigned, markers checked ─▶ running
//	running: todo (planned before the start) ─▶ flights ◀─ cut
//	a flight: planned ▶ launched ▶ staged everywhere ▶ durable & predecessor committed ▶ publishing ▶ committed
type machine struct {
	setup
	now  int64
	acts []action

	phase phase

	// Executors and who has what.
	execs      map[string]*member
	spawning   map[string]int64 // started, not joined: when
	spawned    int              // names given out
	failures   int              // executors that died before they joined, since the last that did
	generation int64
	members    []string // of the current assignment
	awaiting   map[string]bool
	active     rdd.Layout // layout of the current assignment
	reduce     []string
	lanes      map[string][]string
	reassign   bool  // assign anew when nothing is in flight
	whole      int64 // version up to which state is known to be in files, though the last of them may be older: nothing changed since
	replayFrom int64
	replaying  bool // lineage fills a gap in the state files before the next Assign
	opened     bool // the first assignment of this driver has been made

	// Inputs.
	sources map[string]*input
	order   []string // source names, sorted: the order of plan records
	targets []checkpoint.Range
	credit  int64 // rate limit: records × 10⁶ that may still be planned
	sizes   sizer // bounds the records of a batch by what batches cost
	filled  int64 // when credit was brought up to date, 0 before the first cut

	// Batches.
	todo      []checkpoint.Plan           // planned before this driver, not launched again yet
	skip      map[int64][]executor.LaneID // lanes that published them already
	flights   []*flight                   // planned and not committed, ascending
	last      int64                       // last planned batch
	lastTime  int64                       // its batch time
	rowsTime  int64                       // of the last batch with rows, or timers that may have made some (P31)
	began     int64                       // when the first batch could be cut
	tick      int64                       // the last tick that was used or let go
	cutCount  int64                       // new batches of this run
	committed int64                       // last batch that is published everywhere
	calm      int64                       // last batch that was quiet everywhere, and is committed
	pending   []checkpoint.Commit         // commits that no frame holds yet
	reports   []report                    // of commits that are not durable yet
	pendingAt int64                       // when the first of them came
	writing   int                         // frames handed to the log and not durable yet
	deltas    []checkpoint.DeltaRef       // of committed batches
	due       map[string]int64            // earliest timer, by executor
	eventDue  map[string]int64            // the same of timers in event time
	marks     []int64                     // by event-time input: the watermark behind the last batch that is staged

	fronts      []front          // by event-time input
	settledTime int64            // batch time of the last batch that is staged
	outcomes    []rdd.Outcome    // by node: what became of rows by their event time, in recorded batches of this driver
	hashes      map[int64][]byte // plan hashes of batches that a marker may name
	flushed     map[string]bool
	final       bool // the last batch was planned with Final
	alarm       int64

	// Shared values.
	totals     []rdd.Amount // of accumulators, up to batch committed
	broadcasts []*broadcast
	known      map[versionID]int // versions that the engine holds, and how often each was stored
}

// member is an executor that has joined.
type member struct {
	joined
	seen int64              // when its last message came
	has  map[versionID]bool // versions of broadcasts that it was given
}

// newMachine is a machine that waits for its first event.
func newMachine(s setup) *machine {
	if s.depth <= 0 {
		s.depth = 2
	}
	m := &machine{
		setup:    s,
		execs:    map[string]*member{},
		spawning: map[string]int64{},
		sources:  map[string]*input{},
		targets:  s.recovered.Targets,
		skip:     map[int64][]executor.LaneID{},
		due:      map[string]int64{},
		eventDue: map[string]int64{},
		flushed:  map[string]bool{},
		hashes:   map[int64][]byte{},
		lanes:    map[string][]string{},
		todo:     s.recovered.Planned,
		deltas:   s.recovered.Deltas,
		whole:    wholeAt(&s),
	}
	m.committed = s.recovered.Committed
	if p := s.recovered.Last; p != nil {
		m.last, m.lastTime, m.rowsTime, m.final = p.Batch, p.Time, p.Time, p.Final
		m.hashes[p.Batch] = p.Hash
	}
	if m.committed > 0 {
		m.hashes[m.committed] = s.baseHash
	}
	for _, p := range m.todo {
		m.hashes[p.Batch] = p.Hash
	}
	assert.True(m.last == m.committed+int64(len(m.todo)), "recovered: last plan %d, committed %d, %d planned", m.last, m.committed, len(m.todo))
	m.recoverInputs()
	m.initShared()
	return m
}

// start is the first step's work: it asks for executors.
func (m *machine) start(now int64) []action {
	m.now = now
	if m.respawn {
		for range m.executors {
			m.spawn(0)
		}
	}
	m.advance()
	return m.take()
}

// step tells the machine that something happened at time now (µs) and returns what is to be done.
func (m *machine) step(now int64, ev event) []action {
	m.now = max(now, m.now)
	if m.phase == ended {
		return nil
	}
	m.planReady() // what time alone allows comes before what the event brings
	switch e := ev.(type) {
	case joined:
		m.onJoined(e)
	case lost:
		m.onLost(e)
	case message:
		m.onMessage(e)
	case discovered:
		m.onDiscovered(e)
	case appended:
		m.onAppended(e)
	case replayed:
		m.onReplayed(e)
	case pruned:
		m.onPruned(e)
	case loaded:
		m.onLoaded(e)
	case loadFailed:
		m.onLoadFailed(e)
	case drain:
		m.beginDrain("asked to stop")
	case abort:
		m.fail("%s", e.err)
	case tick:
	default:
		assert.True(false, "event %T", ev)
	}
	m.advance()
	return m.take()
}

// onMessage hands an executor's message to its handler. Messages of executors that are gone are passed over (I9).
func (m *machine) onMessage(e message) {
	x := m.execs[e.from]
	if x == nil {
		return
	}
	x.seen = m.now
	switch msg := e.m.(type) {
	case *executor.Assigned:
		m.onAssigned(e.from, msg)
	case *executor.Held:
		m.onHeld(e.from, msg)
	case *executor.Built:
		m.onBuilt(e.from, msg)
	case *executor.TaskDone:
		m.onTaskDone(e.from, msg)
	case *executor.TaskFailed:
		m.onTaskFailed(e.from, msg)
	case *executor.Staged:
		m.onStaged(e.from, msg)
	case *executor.Published:
		m.onPublished(e.from, msg)
	case *executor.Flushed:
		m.onFlushed(e.from, msg)
	case *executor.Lost:
		m.onLost(lost{e.from, msg.Err})
	case *executor.Heartbeat, *executor.Join:
	default:
		assert.True(false, "message %T from executor %s", e.m, e.from)
	}
}

// advance does everything that the facts now allow. Handlers only record facts.
func (m *machine) advance() {
	if m.phase == ended {
		return
	}
	m.expireLeases()
	m.assignReady()
	m.publishReady()
	m.planReady()
	m.commitAloneReady()
	m.endReady()
	if m.phase != ended {
		m.armAlarm()
	}
}

func (m *machine) do(a action) { m.acts = append(m.acts, a) }

func (m *machine) take() []action {
	a := m.acts
	m.acts = nil
	return a
}

func (m *machine) note(level, text string, attrs ...any) { m.do(note{level, text, attrs}) }

// fail ends the job with an error. What is planned stays planned; a restart goes on from there (I4).
func (m *machine) fail(format string, args ...any) {
	if m.phase == ended {
		return
	}
	m.phase = ended
	m.do(stop{err: fmt.Sprintf(format, args...)})
}

// armAlarm asks to be woken at the next moment at which time alone makes something possible.
func (m *machine) armAlarm() {
	at := int64(0)
	sooner := func(t int64) {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	if len(m.pending) > 0 && m.writing == 0 {
		sooner(m.pendingAt + m.commitWait())
	}
	sooner(m.nextCut())
	for _, f := range m.flights {
		for _, r := range f.retries {
			sooner(r.at)
		}
	}
	if m.lease > 0 {
		for _, x := range m.execs {
			sooner(x.seen + m.lease)
		}
	}
	if at == m.alarm && at > m.now {
		return
	}
	m.alarm = at
	if at > 0 {
		m.do(wake{max(at, m.now)})
	}
}

// commitWait is how long a commit may wait, µs.
func (m *machine) commitWait() int64 {
	if m.byHand {
		return 0
	}
	return commitAlone
}

// expireLeases counts executors as lost that have been silent for too long.
func (m *machine) expireLeases() {
	if m.lease == 0 {
		return
	}
	for _, name := range sortedKeys(m.execs) {
		if x := m.execs[name]; x != nil && m.now-x.seen >= m.lease && !x.local {
			m.do(dismiss{name})
			m.onLost(lost{name, fmt.Sprintf("silent for %d ms", (m.now-x.seen)/1000)})
		}
	}
}

func sortedKeys[V any](in map[string]V) []string {
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return naturalLess(keys[i], keys[j]) })
	return keys
}

// naturalLess orders e2 before e10.
func naturalLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// wholeAt is the version that lineage made the state files reach before the machine began.
func wholeAt(s *setup) int64 {
	if s.every <= 1 {
		return s.recovered.Committed
	}
	return 0
}
