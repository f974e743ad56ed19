package driver

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// spawnLimit is how many executors may die before they join, one after the other, before the job stops.
const spawnLimit = 10

// spawn starts an executor under a new name: names are never used twice in a checkpoint, since files carry them and peers know each other by them.
func (m *machine) spawn(after int64) {
	m.spawned++
	name := fmt.Sprintf("e%d-%d", m.recovered.Epoch, m.spawned)
	m.spawning[name] = m.now
	m.do(spawn{name, after})
}

func (m *machine) onJoined(e joined) {
	delete(m.spawning, e.name)
	m.failures = 0
	m.execs[e.name] = &member{joined: e, seen: m.now, has: map[versionID]bool{}}
	m.tell(ExecutorJoined{Name: e.name, Slots: e.slots, At: at(m.now)})
	if m.opened {
		m.reassign = true // it gets parts at the next moment with nothing in flight
		m.note("info", "executor joined", "executor", e.name, "slots", e.slots)
	}
}

// onLost forgets an executor and starts another in its place. If it had parts, they move to the others at once.
func (m *machine) onLost(e lost) {
	x, known := m.execs[e.name]
	_, begun := m.spawning[e.name]
	if !known && !begun {
		return
	}
	delete(m.execs, e.name)
	delete(m.spawning, e.name)
	m.tell(ExecutorLost{Name: e.name, Why: e.err, At: at(m.now)})
	if known && x.local {
		m.fail("executor %s in the driver's process ended: %s", e.name, e.err)
		return
	}
	m.note("error", "executor lost", "executor", e.name, "why", e.err)
	if begun {
		if m.failures++; m.failures >= spawnLimit {
			m.fail("%d executors in a row ended before they joined, the last with: %s", m.failures, e.err)
			return
		}
	}
	if m.phase == flushing {
		m.phase = draining // its lanes have to be flushed by another
	}
	if m.respawn {
		m.spawn(backOff(m.failures))
	}
	if !m.opened {
		return
	}
	for _, name := range m.members {
		if name == e.name {
			m.regroup()
			return
		}
	}
}

// backOff is the pause before an executor is started again, µs.
func backOff(failures int) int64 {
	if failures == 0 {
		return 0
	}
	return min(int64(100_000)<<min(failures-1, 10), 5_000_000)
}

// regroup takes a lost executor's parts away from it. Survivors go on with theirs; where there is none, the next that joins gets all.
func (m *machine) regroup() {
	var alive []string
	for _, name := range m.members {
		if m.execs[name] != nil {
			alive = append(alive, name)
		}
	}
	if !m.hosting(alive) {
		alive = sortedKeys(m.execs)
	}
	m.members, m.awaiting = alive, nil
	for _, f := range m.flights {
		f.restart(m.execs)
	}
	switch {
	case !m.hosting(alive):
		m.reassign = true // assignReady goes on once one has joined
		c := m.crewOf(alive)
		if why := m.stranded(&c); why != "" {
			m.note("warn", "waiting for an executor on the driver's machine", "why", why)
		}
	case m.replaying:
		m.reassign = true
	default:
		m.assignState(alive)
	}
	if m.reassign || m.replaying {
		m.generation++ // nobody has the lost parts yet: what survivors report of batches in flight says nothing about them
	}
}

// assignReady makes the first assignment, or another one that had to wait until nothing was in flight.
func (m *machine) assignReady() {
	if m.phase > draining || m.replaying || len(m.awaiting) > 0 {
		return
	}
	switch {
	case !m.opened:
		hosts := 0
		for _, x := range m.execs {
			if x.hosts {
				hosts++
			}
		}
		if hosts < m.executors || !m.discoveredAll() || !m.loadedAll() {
			return
		}
	case !m.reassign, m.phase == draining && m.hosting(m.members):
		return
	case len(m.flights) > 0 && m.hosting(m.members):
		return
	}
	names := sortedKeys(m.execs)
	if c := m.crewOf(names); !m.opened && m.stranded(&c) != "" {
		m.fail("%s", m.stranded(&c)) // refused (P23)
		return
	}
	if m.hosting(names) {
		m.assignState(names)
	}
}

// assignState assigns, after lineage has filled a gap in the state files if there is one (--checkpoint-every).
func (m *machine) assignState(names []string) {
	if from := m.gap(); from < m.committed {
		m.replaying, m.replayFrom = true, from
		m.do(replay{from, m.committed})
		return
	}
	m.assign(names)
}

// gap is the last batch up to which state files hold all state; the last committed one unless --checkpoint-every leaves some out, or CheckpointEvery
// some changes.
func (m *machine) gap() int64 {
	if !m.shape.stateful || m.every <= 1 && !m.shape.lags {
		return m.committed
	}
	return max(m.whole, checkpoint.Reach(m.deltas, m.committed))
}

func (m *machine) onReplayed(e replayed) {
	m.replaying = false
	if e.err != "" {
		m.fail("batches up to %d could not be computed again: %s", e.until, e.err)
		return
	}
	m.deltas = slices.DeleteFunc(slices.Clone(m.deltas), func(d checkpoint.DeltaRef) bool { return d.Batch > m.replayFrom })
	m.deltas = append(m.deltas, e.deltas...)
	m.whole = e.until
	m.reassign = true
	if names := sortedKeys(m.execs); m.hosting(names) {
		m.assign(names)
	}
}

// layoutNow is the layout for the next assignment: that of the batches in flight or to be run again, or else the program's own (P1).
func (m *machine) layoutNow() rdd.Layout {
	if len(m.flights) > 0 {
		return m.flights[0].plan.Layout
	}
	if len(m.todo) > 0 && !fault.Planted("P1-layout") {
		return m.oldLayout(m.todo[0].Layout)
	}
	return m.layout
}

// oldLayout is a recorded layout, with the lanes of sinks that only the new program has.
func (m *machine) oldLayout(l rdd.Layout) rdd.Layout {
	if !m.programChanged() {
		return l
	}
	out := rdd.Layout{Reduce: l.Reduce, Lanes: map[string]int{}}
	for sink, n := range m.layout.Lanes {
		out.Lanes[sink] = n
		if old, ok := l.Lanes[sink]; ok {
			out.Lanes[sink] = old
		}
	}
	return out
}

// assign gives all parts to executors, moving as few as possible, under a new generation.
func (m *machine) assign(names []string) {
	m.generation++
	m.members = names
	m.active = m.layoutNow()
	m.place()
	m.reassign = false
	m.awaiting = map[string]bool{}
	a := &executor.Assign{
		Generation: m.generation,
		Base:       m.committed,
		BaseHash:   m.hashes[m.committed],
		Rollback:   !m.opened && !fault.Planted("P14-rollback"),
		Layout:     m.active,
		Reduce:     append([]string(nil), m.reduce...),
		Lanes:      map[string][]string{},
		Peers:      map[string]string{},
		Deltas:     append([]checkpoint.DeltaRef(nil), m.deltas...),
		Owner:      sink.Owner{UUID: m.recovered.UUID, Timeline: m.recovered.Timeline, Epoch: m.recovered.Epoch},
	}
	m.eachPart(func(_ *input, p *part) {
		if p.owner != "" {
			a.Sources = append(a.Sources, executor.SourceAssign{Source: p.Source, Partition: p.Partition, From: m.readFrom(p), Executor: p.owner})
		}
	})
	for s, owners := range m.lanes {
		a.Lanes[s] = append([]string(nil), owners...)
	}
	for _, f := range m.flights {
		a.InFlight = append(a.InFlight, f.plan)
		f.restart(m.execs)
	}
	for _, name := range names {
		a.Peers[name] = m.execs[name].addr
		m.awaiting[name] = true
	}
	for _, name := range names {
		m.give(name)
		m.do(send{name, a})
	}
	m.opened = true
	m.note("debug", "parts assigned", "generation", m.generation, "executors", len(names), "base", m.committed)
}

// readFrom is where prefetch begins: at what is planned next, or before it where batches of an earlier driver are to run again.
func (m *machine) readFrom(p *part) int64 {
	from := p.next
	for i := range m.todo {
		for _, r := range m.todo[i].Ranges {
			if r.Source == p.Source && r.Partition == p.Partition.Partition {
				from = min(from, r.From)
			}
		}
	}
	return from
}

// place computes owners: what an owner that is still there has stays with it as long as it has no more than its share.
func (m *machine) place() {
	c := m.crewOf(m.members)
	m.placeSources(&c)
	m.reduce = m.share(resize(m.reduce, m.active.Reduce), c.hosts)
	m.placeLanes(&c)
}

func resize(s []string, n int) []string {
	out := make([]string, n)
	copy(out, s)
	return out
}

// share gives each item an owner among names: quotas follow slots, those who have more keep more, and what is free goes to whoever lacks most.
func (m *machine) share(owners, names []string) []string {
	have := map[string]int{}
	for _, o := range owners {
		have[o]++
	}
	slots := 0
	for _, n := range names {
		slots += max(1, m.execs[n].slots)
	}
	quota, left := map[string]int{}, len(owners)
	for _, n := range names {
		quota[n] = len(owners) * max(1, m.execs[n].slots) / slots
		left -= quota[n]
	}
	for ; left > 0; left-- {
		best := ""
		for _, n := range names {
			if best == "" || have[n]-quota[n] > have[best]-quota[best] {
				best = n
			}
		}
		quota[best]++
	}
	out := make([]string, len(owners))
	for i, o := range owners {
		if quota[o] > 0 {
			out[i] = o
			quota[o]--
		}
	}
	for i := range out {
		if out[i] != "" {
			continue
		}
		best := ""
		for _, n := range names {
			if best == "" || quota[n] > quota[best] {
				best = n
			}
		}
		out[i] = best
		quota[best]--
	}
	return out
}
