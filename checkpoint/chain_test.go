package checkpoint

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"
)

// modelJob plays a job whose state is a map, against the checkpoint: two executors own half of the key groups each.
type modelJob struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	s       *Store
	files   *StateDir
	ops     []string
	state   map[string]map[string]int64           // operator -> key -> value
	history map[int64]map[string]map[string]int64 // batch -> state
	b       int64
	every   int64                      // batches a state file
	slow    int64                      // batches a file with state of "seen"
	changed map[string]map[string]bool // since the last file
	lagged  int
}

// TestChainModel: after any sequence of batches, dumps, syncs, prunes, restarts, drops and re-writes, state built from the chain equals the
// map, at every version from Durable on. It goes red with MILLRACE_FAULT=P15-prune.
func TestChainModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			m := &modelJob{
				t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: filepath.Join(t.TempDir(), "ck"),
				ops: []string{"counts", "seen"}, state: map[string]map[string]int64{"counts": {}, "seen": {}}, history: map[int64]map[string]map[string]int64{},
				every: 1 + 3*int64(seed%2),
			}
			m.slow = m.every * (1 + 2*int64(seed/2%2))
			m.clean()
			m.open()
			m.history[0] = m.snapshot()
			for range 60 {
				m.step()
			}
			if m.slow > m.every && m.lagged == 0 {
				t.Error("no operator was behind: nothing was tried")
			}
		})
	}
}

func (m *modelJob) open() {
	if m.s != nil {
		ok(m.t, m.s.Close())
	}
	m.s, _ = openStore(m.t, m.dir, Options{roll: 3000, Volatile: true})
	var err error
	m.files, err = OpenState(m.dir)
	ok(m.t, err)
	m.setOperators(nil)
}

func (m *modelJob) setOperators(drop []string) {
	var ops []Operator
	for _, name := range m.ops {
		ops = append(ops, Operator{Name: name, Op: "map", Key: "value: utf8", Val: "value: int64"})
	}
	ok(m.t, m.s.SetOperators(ops, drop))
}

func (m *modelJob) snapshot() map[string]map[string]int64 {
	c := map[string]map[string]int64{}
	for op, kv := range m.state {
		c[op] = maps.Clone(kv)
	}
	return c
}

func (m *modelJob) step() {
	switch n := m.rng.IntN(20); {
	case n < 13:
		m.batch()
	case n < 16:
		ok(m.t, m.s.Sync(m.b-int64(m.rng.IntN(4))))
	case n < 18:
		ok(m.t, m.s.Prune(m.s.Horizon()))
	case n < 19:
		m.open()
	default:
		// Drop an operator, or all, and begin anew.
		drop := m.ops
		if m.rng.IntN(2) == 0 {
			drop = m.ops[:1]
		}
		m.setOperators(drop)
		for _, op := range drop {
			m.state[op] = map[string]int64{}
		}
		if len(drop) == len(m.ops) {
			m.clean()
		}
		for b := range m.history { // what was before cannot be asked for any more
			if b < m.b {
				delete(m.history, b)
			}
		}
		m.history[m.b] = m.snapshot()
	}
	m.verify()
}

// group of a key is fixed.
func group(key string) int { return int(key[0]-'a') * 5 % 128 }

// batch changes some keys, and writes each executor's file.
func (m *modelJob) batch() {
	m.b++
	changed := m.changed
	for _, op := range m.ops {
		if m.rng.IntN(2) == 0 {
			continue
		}
		for range m.rng.IntN(6) {
			key := string(rune('a' + m.rng.IntN(26)))
			changed[op][key] = true
			if m.rng.IntN(3) == 0 {
				delete(m.state[op], key)
			} else {
				m.state[op][key] = m.rng.Int64N(1000)
			}
		}
	}
	ok(m.t, m.s.Append(plan(m.b), nil))
	var refs []DeltaRef
	if m.b%m.every == 0 {
		for x := range 2 {
			if ref, written := m.write(x, changed); written {
				refs = append(refs, ref)
			}
		}
		for _, op := range m.ops {
			switch {
			case m.writes(op, m.b):
				changed[op] = map[string]bool{}
			case len(changed[op]) > 0:
				m.lagged++
				for i := range refs {
					refs[i].Behind = append(refs[i].Behind, op)
				}
			}
		}
	}
	ok(m.t, m.s.Append(nil, []Commit{commit(m.b, refs...)}))
	m.history[m.b] = m.snapshot()
}

// writes tells whether a batch's file is to hold what changed of op.
func (m *modelJob) writes(op string, b int64) bool {
	return b%m.every == 0 && (op != "seen" || b%m.slow == 0)
}

func (m *modelJob) clean() {
	m.changed = map[string]map[string]bool{}
	for _, op := range m.ops {
		m.changed[op] = map[string]bool{}
	}
}

// write is executor x's file: deltas of its groups, and dumps of some of them.
func (m *modelJob) write(x int, changed map[string]map[string]bool) (DeltaRef, bool) {
	from, until := x*64, x*64+64
	var sections []SectionData
	for _, op := range m.ops {
		if !m.writes(op, m.b) {
			continue
		}
		var delta []change
		for _, key := range slices.Sorted(maps.Keys(changed[op])) {
			if g := group(key); g >= from && g < until {
				v, live := m.state[op][key]
				delta = append(delta, change{g, key, v, !live})
			}
		}
		if len(delta) > 0 {
			sections = append(sections, SectionData{op, from, until, false, rows(delta...)})
		}
		if m.rng.IntN(3) == 0 {
			lo := from + m.rng.IntN(3)*16
			hi := lo + 16*(1+m.rng.IntN(2))
			if m.rng.IntN(6) == 0 {
				lo, hi = from, until
			}
			var dump []change
			for _, key := range slices.Sorted(maps.Keys(m.state[op])) {
				if g := group(key); g >= lo && g < hi {
					dump = append(dump, change{g, key, m.state[op][key], false})
				}
			}
			sections = append(sections, SectionData{op, lo, hi, true, rows(dump...)})
		}
	}
	if len(sections) == 0 {
		return DeltaRef{}, false
	}
	ref, err := m.files.Write(m.b, m.b-m.every, fmt.Sprint("x", x), 1, 0, sections)
	ok(m.t, err)
	return ref, true
}

// verify restores as a restart would: at the version that durable files reach, at that of all files, and where every batch writes
// its state at any. Plans must lead on from there.
func (m *modelJob) verify() {
	m.t.Helper()
	refs, durable := m.s.Deltas(), m.s.Durable()
	for _, d := range refs {
		if _, err := os.Stat(filepath.Join(m.dir, stateDir, d.File)); err != nil {
			m.t.Fatalf("batch %d: %v", m.b, err)
		}
	}
	low, last := Reach(refs, durable), Reach(refs, m.b)
	if _, err := m.s.Plans(low+1, m.b); err != nil {
		m.t.Fatalf("after batch %d (durable %d, files to %d): %v", m.b, durable, last, err)
	}
	versions := []int64{low, last, low + m.rng.Int64N(m.b-low+1)}
	for _, at := range versions {
		if m.every > 1 && at%m.every != 0 || m.slow > 1 && at != low && at != last {
			continue
		}
		want, known := m.history[at]
		if !known {
			continue
		}
		for _, op := range m.ops {
			for _, r := range [][2]int{{0, 128}, {m.rng.IntN(64), 64 + m.rng.IntN(64)}} {
				got := m.build(refs, op, r[0], r[1], at)
				if diff := cmp.Diff(inGroups(want[op], r[0], r[1]), got); diff != "" {
					m.t.Fatalf("after batch %d, %s groups [%d, %d) at %d:\n%s", m.b, op, r[0], r[1], at, diff)
				}
			}
		}
	}
}

func inGroups(kv map[string]int64, from, until int) map[string]int64 {
	part := map[string]int64{}
	for k, v := range kv {
		if g := group(k); g >= from && g < until {
			part[k] = v
		}
	}
	return part
}

// build applies a chain as state.Table.Load does.
func (m *modelJob) build(refs []DeltaRef, op string, from, until int, at int64) map[string]int64 {
	m.t.Helper()
	need, reaches := Chain(refs, op, from, until, at)
	if !reaches {
		m.t.Fatalf("after batch %d (durable %d): no chain for %s at %d", m.b, m.s.Durable(), op, at)
	}
	kv := map[string]int64{}
	for _, d := range need {
		for _, s := range d.Sections {
			lo, hi := max(s.From, from), min(s.Until, until)
			if s.Full {
				maps.DeleteFunc(kv, func(k string, _ int64) bool { return group(k) >= lo && group(k) < hi })
			}
			rec, err := m.files.Load(d, s)
			ok(m.t, err)
			if rec == nil {
				continue
			}
			f, err := stateForm(rec)
			ok(m.t, err)
			keys, values := rec.Column(3).(*array.String), rec.Column(4).(*array.Int64)
			for i := range int(rec.NumRows()) {
				switch g := int(f.group.Value(i)); {
				case g < lo || g >= hi:
				case f.deleted.Value(i):
					delete(kv, keys.Value(i))
				default:
					kv[keys.Value(i)] = values.Value(i)
				}
			}
		}
	}
	return kv
}

func TestChainRefuses(t *testing.T) {
	full := func(b int64, from, until int) DeltaRef {
		return DeltaRef{Batch: b, Since: b - 1, Sections: []Section{{Operator: "s", From: from, Until: until, Full: true}}}
	}
	delta := func(since, b int64) DeltaRef {
		return DeltaRef{Batch: b, Since: since, Sections: []Section{{Operator: "s", From: 0, Until: 128}}}
	}
	pruned := full(10, 0, 128)
	pruned.Complete = 12
	for _, c := range []struct {
		name string
		refs []DeltaRef
		at   int64
		ok   bool
		need int
	}{
		{"nothing was ever written", nil, 5, true, 0},
		{"from the first batch on", []DeltaRef{delta(0, 1), delta(1, 2)}, 2, true, 2},
		{"a later version is left out", []DeltaRef{delta(0, 1), delta(1, 2)}, 1, true, 1},
		{"behind a full dump", []DeltaRef{delta(0, 1), full(2, 0, 128), delta(2, 3)}, 3, true, 2},
		{"half of the groups dumped", []DeltaRef{delta(0, 1), full(2, 0, 64), delta(2, 3)}, 3, true, 3},
		{"pruned", []DeltaRef{pruned, delta(10, 11)}, 11, true, 2},
		{"below what was kept", []DeltaRef{pruned, delta(10, 11)}, 9, false, 0},
		{"within a delta of several batches", []DeltaRef{delta(0, 10), delta(10, 20)}, 15, false, 0},
		{"at its end", []DeltaRef{delta(0, 10), delta(10, 20)}, 20, true, 2},
	} {
		need, ok := Chain(c.refs, "s", 0, 128, c.at)
		if ok != c.ok || len(need) != c.need {
			t.Errorf("%s: %t with %d files, want %t with %d", c.name, ok, len(need), c.ok, c.need)
		}
	}
}
