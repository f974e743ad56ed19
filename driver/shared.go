package driver

import (
	"cmp"
	"maps"
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// versionID names a version of a broadcast: its bytes under one name.
type versionID struct{ name, hash string }

// broadcast is what the machine knows of one.
type broadcast struct {
	name     string
	pin      checkpoint.Pin // with which batches are planned from now on; Version 0: there is none yet
	bytes    int64          // of that version, 0 if it comes from the checkpoint
	heard    bool           // the first load has ended
	failures int64          // loads that failed
	why      string         // the last of them, "" once one has worked again
}

// initShared takes over what the checkpoint knows of accumulators and broadcasts.
func (m *machine) initShared() {
	m.totals = make([]rdd.Amount, len(m.shape.accumulators))
	for i, a := range m.shape.accumulators {
		for _, t := range m.recovered.Totals {
			if t.Name == a.name {
				m.totals[i] = t.Amount
			}
		}
	}
	m.known = map[versionID]int{}
	for _, v := range m.versions {
		m.known[v] = 0
	}
	for _, name := range m.shape.broadcasts {
		b := &broadcast{name: name}
		if p := m.recovered.Last; p != nil {
			if i := pinOf(p.Broadcasts, name); i >= 0 {
				b.pin = p.Broadcasts[i]
			}
		}
		m.broadcasts = append(m.broadcasts, b)
	}
}

// pinOf is the place of a broadcast among pins, -1 if it is not there.
func pinOf(pins []checkpoint.Pin, name string) int {
	return slices.IndexFunc(pins, func(p checkpoint.Pin) bool { return p.Name == name })
}

func idOf(p checkpoint.Pin) versionID { return versionID{p.Name, string(p.Hash)} }

// onLoaded takes a value that was loaded. If it is not the newest version's, it is a new version, for batches that are planned from now on.
func (m *machine) onLoaded(e loaded) {
	b := m.broadcasts[e.broadcast]
	b.heard, b.why, b.bytes = true, "", e.bytes
	m.known[versionID{b.name, e.hash}]++
	if string(b.pin.Hash) == e.hash {
		return
	}
	b.pin = checkpoint.Pin{Name: b.name, Version: b.pin.Version + 1, Hash: []byte(e.hash)}
	m.note("info", "broadcast has a new version", "broadcast", b.name, "version", b.pin.Version, "bytes", b.bytes)
	for _, name := range m.members {
		m.give(name)
	}
	m.forgetVersions()
}

// onLoadFailed keeps the version that is there, and says why, once. Without one the job cannot begin.
func (m *machine) onLoadFailed(e loadFailed) {
	b := m.broadcasts[e.broadcast]
	_, held := m.known[idOf(b.pin)]
	if b.failures++; !held {
		m.fail("broadcast %q: %s", b.name, e.err)
		return
	}
	b.heard = true
	if b.why != e.err {
		m.note("warn", "broadcast not loaded, the version before stays", "broadcast", b.name, "version", b.pin.Version, "why", e.err)
	}
	b.why = e.err
}

// loadedAll tells whether every broadcast has a version to plan with.
func (m *machine) loadedAll() bool {
	return !slices.ContainsFunc(m.broadcasts, func(b *broadcast) bool { return !b.heard })
}

// pins are the newest versions.
func (m *machine) pins() []checkpoint.Pin {
	var list []checkpoint.Pin
	for _, b := range m.broadcasts {
		list = append(list, b.pin)
	}
	return list
}

// pinsAgain are the versions for a batch that is planned again: those that it had, and the newest of broadcasts that the old program had not.
func (m *machine) pinsAgain(old []checkpoint.Pin) []checkpoint.Pin {
	list := m.pins()
	for i := range list {
		if j := pinOf(old, list[i].Name); j >= 0 {
			list[i] = old[j]
		}
	}
	return list
}

// neededVersions are the versions of batches that are planned and not committed, and the newest.
func (m *machine) neededVersions() []checkpoint.Pin {
	var list []checkpoint.Pin
	add := func(pins []checkpoint.Pin) {
		for _, p := range pins {
			declared := slices.Contains(m.shape.broadcasts, p.Name) && p.Version > 0
			if declared && !slices.ContainsFunc(list, func(q checkpoint.Pin) bool { return idOf(p) == idOf(q) }) {
				list = append(list, p)
			}
		}
	}
	for _, f := range m.flights {
		add(f.plan.Broadcasts)
	}
	for i := range m.todo {
		add(m.todo[i].Broadcasts)
	}
	add(m.pins())
	return list
}

// give gives an executor the versions that it lacks. Those that only hold lanes build batches' plans too.
func (m *machine) give(name string) {
	x := m.execs[name]
	if len(m.broadcasts) == 0 || x == nil {
		return
	}
	for _, p := range m.neededVersions() {
		if v := idOf(p); !x.has[v] {
			x.has[v] = true
			m.do(share{name, v})
		}
	}
}

// forgetVersions lets go of versions that no batch needs any more, at executors, in the driver's memory and in the checkpoint, which keeps those that
// lineage may ask for.
func (m *machine) forgetVersions() {
	if len(m.broadcasts) == 0 {
		return
	}
	needed := map[versionID]bool{}
	for _, p := range m.neededVersions() {
		needed[idOf(p)] = true
	}
	for _, name := range sortedKeys(m.execs) {
		x := m.execs[name]
		var gone []checkpoint.Pin
		for _, v := range sortedVersions(x.has) {
			if !needed[v] {
				delete(x.has, v)
				gone = append(gone, checkpoint.Pin{Name: v.name, Hash: []byte(v.hash)})
			}
		}
		if len(gone) > 0 {
			m.do(send{name, &executor.Forget{Versions: gone}})
		}
	}
	for _, v := range sortedVersions(m.known) {
		if !needed[v] {
			m.do(forget{v, m.known[v]})
			delete(m.known, v)
		}
	}
}

func sortedVersions[V any](in map[versionID]V) []versionID {
	return slices.SortedFunc(maps.Keys(in), func(a, b versionID) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.hash, b.hash))
	})
}

// fold adds what the tasks of a batch added to accumulators, in the order of tasks, so that sums of floats are the same in each run. It returns the
// totals that changed.
func (m *machine) fold(f *flight) []checkpoint.Total {
	if len(m.totals) == 0 {
		return nil
	}
	changed := make([]bool, len(m.totals))
	tasks := slices.SortedFunc(maps.Keys(f.done), func(a, b rdd.TaskID) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Part, b.Part))
	})
	for _, id := range tasks {
		for _, d := range f.done[id].Added {
			assert.True(d.ID < len(m.totals), "batch %d adds to accumulator %d of %d", f.plan.Batch, d.ID, len(m.totals))
			m.shape.accumulators[d.ID].kind.Fold(&m.totals[d.ID], d.Amount)
			changed[d.ID] = true
		}
	}
	var list []checkpoint.Total
	for i, a := range m.shape.accumulators {
		if changed[i] {
			list = append(list, checkpoint.Total{Name: a.name, Kind: a.kind.String(), Amount: m.totals[i]})
		}
	}
	return list
}

// addTwice is what must not happen to a second report of a task (P17).
func addTwice(first, again *executor.TaskDone) {
	if fault.Planted("P17-twice") {
		first.Added = slices.Concat(first.Added, again.Added)
	}
}
