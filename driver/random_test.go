package driver

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

var seedFlag = flag.Uint64("seed", 0, "the one seed to run the random machine with; 0: many")

// TestRandomMachine drives the machine with simulated executors that are slow, lost, repeat themselves and die with their driver, and a log that
// is slow, and sources that fall silent. What the world sees is checked against I1, I3, I4, I5 and the plan records, what those say of event time against the rows that were
// read (P1, P28), and the job has to reach its end (P30).
func TestRandomMachine(t *testing.T) {
	if *seedFlag != 0 {
		simulate(t, *seedFlag)
		return
	}
	slept := 0
	for seed := uint64(1); seed <= 40 && !t.Failed(); seed++ {
		slept += simulate(t, seed)
	}
	if slept < 40 && !t.Failed() {
		t.Errorf("the driver had nothing to do %d times in all: what has to be true then is hardly checked", slept)
	}
}

const (
	simBatches = 25
	simParts   = 3
	simLanes   = 3
	simBeat    = 20_000_000
)

// sim is a world with one driver at a time.
type sim struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	now  int64

	// What is durable.
	log       []checkpoint.Plan
	committed int64
	markers   [simLanes]sink.Marker // of lanes
	published [simLanes][]int64     // batches in order
	epoch     int64
	totals    []checkpoint.Total
	pins      map[string][]checkpoint.Pin // versions of broadcasts, by the hash of the plan that names them

	m       *machine
	execs   map[string]*simExec
	queue   []simEvent
	frames  []appendFrame
	alarm   int64
	stopped bool
	held    map[int]int64
	steps   int
	slide   int64 // of the windows of batch time, 0: there are none

	// Event time.
	reached  [2]checkpoint.Reached // what the commits say, by event time
	readAt   map[int]int64         // when a batch was planned with rows of a partition
	silent   [simParts]bool        // partitions without new rows
	slept    int                   // how often the driver had nothing to wait for but rows
	ending   bool                  // the job is being finished
	finished bool
	ends     [simParts]int64 // then: where partitions end
}

// simExec is an executor: what it was told and does not yet know.
type simExec struct {
	name   string
	assign *executor.Assign
	runs   map[int64]checkpoint.Plan
	skip   map[int64][]executor.LaneID
	told   map[int64]bool // Publish came
	calm   map[int64]bool // launched so, and no other assignment came: blocks without rows may be held back
	loud   map[int64]bool // it was said that the batch is not quiet
	has    map[versionID]bool
}

type simEvent struct {
	from string
	ev   event
}

// simulate runs a job from its beginning to its end. It returns how often the driver waited for rows alone.
func simulate(t *testing.T, seed uint64) int {
	s := &sim{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 7)), now: 1_000_000, pins: map[string][]checkpoint.Pin{}, readAt: map[int]int64{}}
	s.slide = []int64{0, 100_000}[s.r.IntN(2)]
	s.restart()
	s.run()
	if seed%2 == 0 && !t.Failed() {
		s.finish()
	}
	s.checkBoundaries()
	for lane := range s.published {
		s.checkShown(lane, s.committed)
	}
	return s.slept
}

// run lets things happen until the driver stops.
func (s *sim) run() {
	for !s.stopped && !s.t.Failed() {
		if s.steps++; s.steps > 200_000 {
			s.errorf("no end after %d steps: %s, last %d, committed %d", s.steps, s.m.phase, s.m.last, s.m.committed)
			return
		}
		s.turn()
	}
}

// checkBoundaries checks that no window's end lies between two batches (P31).
func (s *sim) checkBoundaries() {
	for i := 1; i < len(s.log) && s.slide > 0; i++ {
		p, q := s.log[i-1], s.log[i]
		if end := above(p.Time, s.slide); end < q.Time {
			s.errorf("batch %d has time %d, batch %d has %d: the boundary at %d was passed over (P31)", p.Batch, p.Time, q.Batch, q.Time, end)
		}
	}
}

func (s *sim) errorf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("seed %d (go test ./driver -run TestRandomMachine -seed %d): %s", s.seed, s.seed, fmt.Sprintf(format, args...))
}

// restart is a new driver on what the log holds; executors are gone or start again empty.
func (s *sim) restart() {
	s.epoch++
	rec := checkpoint.Recovered{UUID: "U", Timeline: 1, Epoch: s.epoch, Committed: s.committed, Positions: map[string]map[int]int64{"a": {}}, Totals: s.totals, Reached: s.recoverReached()}
	for i := range s.log {
		p := s.log[i]
		rec.Last = &p
		if p.Batch > s.committed {
			rec.Planned = append(rec.Planned, p)
		}
		rec.Partitions = append(rec.Partitions, p.New...)
		for _, n := range p.New {
			rec.Positions["a"][n.Partition] = n.Start
		}
		for _, g := range p.Ranges {
			if g.From != rec.Positions["a"][g.Partition] {
				s.errorf("batch %d reads partition %d from %d, the one before ended at %d", p.Batch, g.Partition, g.From, rec.Positions["a"][g.Partition])
			}
			rec.Positions["a"][g.Partition] = g.Until
		}
	}
	u := setup{
		shape: shape{
			sources: []sourceShape{{name: "a"}}, sinks: []sinkShape{{"out", false}}, inputs: map[int]string{0: "a"}, events: simEvents(), nodes: []string{"source"},
			accumulators: []accumulatorShape{{"tasks", rdd.SumInt}}, broadcasts: []string{"rates"},
		},
		recovered: rec, layout: rdd.Layout{Reduce: 2 + s.r.IntN(3), Lanes: map[string]int{"out": simLanes}}, program: []byte("p"),
		interval: []int64{0, 5_000, 100_000}[s.r.IntN(3)], depth: 1 + s.r.IntN(3), retries: 1000, executors: 1 + s.r.IntN(3), respawn: true,
		batches: max(simBatches-rec.Committed-int64(len(rec.Planned)), 1), lease: 60_000_000, every: 1,
	}
	if s.ending {
		u.batches, u.finish = 0, true
	}
	if s.slide > 0 {
		u.shape.every, u.shape.reach = []int64{s.slide, 3 * s.slide}, 1<<60
	}
	s.recoverVersions(&u)
	if s.committed > 0 {
		u.baseHash = s.log[s.committed-1].Hash
	}
	s.m, s.execs, s.queue, s.frames, s.alarm, s.held = newMachine(u), map[string]*simExec{}, nil, nil, 0, map[int]int64{}
	s.perform(s.m.start(s.now))
	s.post("", discovered{"a", s.partitions(rec.Positions["a"])})
	s.load()
}

func (s *sim) post(from string, ev event) { s.queue = append(s.queue, simEvent{from, ev}) }

func (s *sim) step(ev event) {
	s.perform(s.m.step(s.now, ev))
	s.checkAsleep()
}

// turn lets one random thing happen.
func (s *sim) turn() {
	s.now += int64(s.r.IntN(400))
	s.hush()
	switch n := s.r.IntN(100); {
	case n < 1 && s.r.IntN(8) == 0:
		s.crash()
	case n < 3 && len(s.execs) > 0:
		names := sortedKeys(s.execs)
		s.lose(names[s.r.IntN(len(names))])
	case n < 5:
		s.load()
	case n < 20 && len(s.frames) > 0:
		s.write()
	case n < 60 && len(s.queue) > 0:
		s.deliver()
	case n < 80 && len(s.execs) > 0:
		names := sortedKeys(s.execs)
		s.work(s.execs[names[s.r.IntN(len(names))]])
	case s.alarm > 0:
		if s.alarm > s.now && len(s.queue) == 0 && len(s.frames) == 0 && len(s.m.flights) == 0 {
			s.beat()
			s.now = min(s.alarm, s.now+simBeat)
		}
		if s.alarm <= s.now {
			s.alarm = 0
			s.step(tick{})
		}
	}
}

// beat has executors say that they live; sometimes they are too slow, and count as lost.
func (s *sim) beat() {
	for _, name := range sortedKeys(s.execs) {
		if s.r.IntN(100) > 0 {
			s.step(message{name, &executor.Heartbeat{}})
		}
	}
}

// deliver gives the machine a waiting event: the first of some sender, sometimes twice.
func (s *sim) deliver() {
	i := s.r.IntN(len(s.queue))
	for j := range i {
		if s.queue[j].from == s.queue[i].from {
			i = j
			break
		}
	}
	e := s.queue[i]
	if s.r.IntN(20) > 0 || e.from == "" {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	s.step(e.ev)
}

// write makes the oldest frame durable.
func (s *sim) write() {
	f := s.frames[0]
	s.frames = s.frames[1:]
	a := appended{}
	for _, c := range f.commits {
		if c.Batch != s.committed+1 {
			s.errorf("commit of %d behind %d (I4)", c.Batch, s.committed)
		}
		s.committed, a.commits = c.Batch, c.Batch
		for lane := range s.published {
			s.checkShown(lane, c.Batch)
		}
		s.count(c)
		s.checkReached(c)
	}
	if f.plan != nil {
		s.log = append(s.log, *f.plan)
		a.plan = f.plan.Batch
	}
	s.post("", a)
}

// crash ends the driver and all executors; what was not durable is gone. Frames that were handed over may or may not have been written.
func (s *sim) crash() {
	for len(s.frames) > 0 && s.r.IntN(2) == 0 {
		s.write()
	}
	s.restart()
}

func (s *sim) lose(name string) {
	delete(s.execs, name)
	s.queue = slices.DeleteFunc(s.queue, func(e simEvent) bool { return e.from == name })
	s.post("", lost{name, "killed"})
}

func (s *sim) perform(acts []action) {
	for _, a := range acts {
		switch a := a.(type) {
		case dismiss:
			delete(s.execs, a.name)
			s.queue = slices.DeleteFunc(s.queue, func(e simEvent) bool { return e.from == a.name })
		case spawn:
			s.execs[a.name] = &simExec{name: a.name, has: map[versionID]bool{}}
			s.post(a.name, joined{name: a.name, slots: 1, hosts: true})
		case appendFrame:
			if a.plan != nil {
				s.checkRecord(a.plan)
				s.pins[string(a.plan.Hash)] = a.plan.Broadcasts
			}
			s.frames = append(s.frames, a)
		case share:
			if x := s.execs[a.to]; x != nil {
				x.has[a.version] = true
			}
		case wake:
			s.alarm = a.at
		case send:
			if x := s.execs[a.to]; x != nil {
				s.hear(x, a.m)
			}
		case finished:
			s.finished = true
		case stop:
			if a.err != "" {
				s.errorf("stopped: %s", a.err)
			}
			s.stopped = true
		}
	}
}

// hear is an executor taking a message.
func (s *sim) hear(x *simExec, m executor.ToExecutor) {
	switch m := m.(type) {
	case *executor.Assign:
		x.assign = m
		if m.Rollback || x.runs == nil {
			x.runs, x.skip = map[int64]checkpoint.Plan{}, map[int64][]executor.LaneID{}
		}
		x.told, x.calm, x.loud = map[int64]bool{}, map[int64]bool{}, map[int64]bool{}
		for _, p := range m.InFlight {
			x.runs[p.Batch] = p
			s.checkPins(x, &p)
		}
		a := &executor.Assigned{Generation: m.Generation}
		for lane, owner := range m.Lanes["out"] {
			if owner == x.name && s.markers[lane].Batch > 0 {
				a.Markers = append(a.Markers, executor.LaneMarker{Sink: "out", Lane: lane, OK: true, Marker: s.markers[lane]})
			}
		}
		s.post(x.name, message{x.name, a})
		s.read(x)
	case *executor.Launch:
		if x.assign == nil || m.Plan.Layout.Reduce != len(x.assign.Reduce) {
			s.errorf("batch %d launched under another layout than the assigned one (P1)", m.Plan.Batch)
		}
		s.checkPins(x, &m.Plan)
		x.runs[m.Plan.Batch], x.skip[m.Plan.Batch], x.calm[m.Plan.Batch] = m.Plan, m.Skip, m.Calm
		if before, ok := x.runs[m.Plan.Batch-1]; ok && m.Quiet && !s.quiet(before) {
			s.errorf("batch %d is launched as if the one before had been quiet", m.Plan.Batch)
		}
	case *executor.Publish:
		x.told[m.Batch] = true
	case *executor.Committed:
		for b := range x.runs {
			if b <= m.Batch {
				delete(x.runs, b)
			}
		}
	case *executor.Forget:
		for _, p := range m.Versions {
			delete(x.has, idOf(p))
		}
	case *executor.Flush:
		s.post(x.name, message{x.name, &executor.Flushed{}})
	}
}

// work is an executor doing something: reading on, staging a batch, publishing one.
func (s *sim) work(x *simExec) {
	if x.assign == nil {
		return
	}
	batches := make([]int64, 0, len(x.runs))
	for b := range x.runs {
		batches = append(batches, b)
	}
	slices.Sort(batches)
	switch {
	case s.r.IntN(3) == 0 || len(batches) == 0:
		s.read(x)
	case s.r.IntN(2) == 0:
		b := batches[s.r.IntN(len(batches))]
		s.stage(x, x.runs[b])
	default:
		for _, b := range batches {
			if x.told[b] {
				s.publish(x, x.runs[b])
				break
			}
		}
	}
}

func (s *sim) read(x *simExec) {
	h := &executor.Held{}
	for _, a := range x.assign.Sources {
		if a.Executor != x.name {
			continue
		}
		n := a.Partition.Partition
		s.held[n] = max(s.held[n], a.From)
		s.held[n] += s.fresh(n, s.held[n])
		h.Parts = append(h.Parts, executor.HeldPart{Source: "a", Partition: n, Until: s.held[n], End: -1})
	}
	if len(h.Parts) > 0 {
		s.post(x.name, message{x.name, h})
	}
}

// publish makes an executor's lanes of a batch visible, some of them only: then it is as if it died right after.
func (s *sim) publish(x *simExec, p checkpoint.Plan) {
	for lane, owner := range x.assign.Lanes["out"] {
		if owner != x.name {
			continue
		}
		if s.r.IntN(30) == 0 {
			s.lose(x.name)
			return
		}
		// The lane itself is where exactly-once is decided last: it passes over what its marker or its driver says was published.
		if s.markers[lane].Batch >= p.Batch && !fault.Planted("I5-skip") || slices.Contains(x.skip[p.Batch], executor.LaneID{Sink: "out", Lane: lane}) {
			continue
		}
		if s.rows(p, lane) {
			s.visible(lane, p)
		}
	}
	s.post(x.name, message{x.name, &executor.Published{Batch: p.Batch, Generation: x.assign.Generation}})
}

// quiet tells whether a batch has no rows for lanes, by its hash.
func (s *sim) quiet(p checkpoint.Plan) bool { return p.Hash[0]%3 == 0 }

// rows tells whether it has some for a lane.
func (s *sim) rows(p checkpoint.Plan, lane int) bool {
	return !s.quiet(p) && (lane == int(p.Hash[1])%simLanes || p.Hash[2]>>lane&1 == 1)
}

// stage has an executor report a batch. In one that may be quiet, whose rows for lanes are another's, it may not have heard of them yet.
func (s *sim) stage(x *simExec, p checkpoint.Plan) {
	m := &executor.Staged{Batch: p.Batch, Generation: x.assign.Generation, Tasks: s.reports(x, p.Batch), Still: s.r.IntN(2) == 0}
	for lane, owner := range x.assign.Lanes["out"] {
		if owner == x.name && s.rows(p, lane) {
			m.Still = false
		}
	}
	source := x.assign.Reduce[int(p.Hash[3])%len(x.assign.Reduce)] // whose task has the rows
	switch mayBe := x.calm[p.Batch] && !x.loud[p.Batch]; {
	case mayBe && (s.quiet(p) || source != x.name && s.r.IntN(2) == 0):
		m.Still, m.Quiet = true, true
		m.Waits = slices.Contains(x.assign.Lanes["out"], x.name) && !(s.quiet(p) && s.r.IntN(4) == 0)
	default:
		x.loud[p.Batch] = !s.quiet(p)
	}
	s.post(x.name, message{x.name, m})
}

// checkShown checks that a lane shows what it has to of the batches up to one.
func (s *sim) checkShown(lane int, upTo int64) {
	var want []int64
	for _, p := range s.log {
		if p.Batch <= upTo && s.rows(p, lane) {
			want = append(want, p.Batch)
		}
	}
	if got := s.published[lane]; !s.t.Failed() && !slices.Equal(got[:min(len(got), len(want))], want) {
		s.errorf("lane %d shows batches %v, up to %d it has to show %v (I4, I5)", lane, got, upTo, want)
	}
}

// visible checks what the world sees.
func (s *sim) visible(lane int, p checkpoint.Plan) {
	durable := slices.ContainsFunc(s.log, func(d checkpoint.Plan) bool { return d.Batch == p.Batch && string(d.Hash) == string(p.Hash) })
	if !durable {
		s.errorf("lane %d shows batch %d before its plan is durable (I1)", lane, p.Batch)
	}
	for other, list := range s.published {
		if other == lane && slices.Contains(list, p.Batch) {
			s.errorf("lane %d shows batch %d again (I5)", lane, p.Batch)
		}
		s.checkShown(other, p.Batch-1)
	}
	s.published[lane] = append(s.published[lane], p.Batch)
	s.markers[lane] = sink.Marker{UUID: "U", Timeline: 1, Batch: p.Batch, PlanHash: p.Hash}
}
