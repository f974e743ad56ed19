package executor

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// fleet is the tests' driver: it knows what a driver knows and does as it is told by the test.
type fleet struct {
	t        testing.TB
	w        *world
	nodes    map[string]*node
	epoch    int64
	gen      int64
	base     int64
	hash     []byte
	next     []int64 // offsets, by partition
	layout   rdd.Layout
	every    int
	plain    bool              // no deltas, no checkpoint
	away     map[string]string // executors that see this path in the checkpoint's place: on other machines (P23)
	deltas   []checkpoint.DeltaRef
	plans    map[int64]*checkpoint.Plan
	flight   []int64
	pending  map[int64]map[string]*checkpoint.DeltaRef
	settings Settings
}

func newFleet(w *world) *fleet {
	return &fleet{
		t: w.t, w: w, nodes: map[string]*node{}, epoch: 1, next: make([]int64, feedParts), plans: map[int64]*checkpoint.Plan{},
		layout: rdd.Layout{Reduce: 4, Lanes: map[string]int{"out": 2}}, pending: map[int64]map[string]*checkpoint.DeltaRef{},
		settings: Settings{HeartbeatMillis: 500}, away: map[string]string{},
	}
}

func (f *fleet) names() []string {
	var names []string
	for n := range f.nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// assignment shares everything evenly over the executors, in turn.
func (f *fleet) assignment(rollback bool, owner func(kind string, i int) string) *Assign {
	f.gen++
	names := f.names()
	if owner == nil {
		owner = func(_ string, i int) string { return names[i%len(names)] }
	}
	a := &Assign{
		Generation: f.gen, Base: f.base, BaseHash: f.hash, Rollback: rollback, Layout: f.layout, Lanes: map[string][]string{}, Peers: map[string]string{},
		Deltas: slices.Clone(f.deltas), Owner: sink.Owner{UUID: "u", Timeline: 1, Epoch: f.epoch},
	}
	for p := range feedParts {
		a.Sources = append(a.Sources, SourceAssign{
			Source: "words", Partition: checkpoint.Partition{Source: "words", Partition: p, Key: fmt.Sprint(p)}, From: f.next[p], Executor: owner("source", p),
		})
	}
	for p := range f.layout.Reduce {
		a.Reduce = append(a.Reduce, owner("reduce", p))
	}
	for name, n := range f.layout.Lanes {
		for i := range n {
			a.Lanes[name] = append(a.Lanes[name], owner("lane", i))
		}
	}
	for _, n := range names {
		a.Peers[n] = f.nodes[n].addr
	}
	for _, b := range f.flight {
		if !rollback {
			a.InFlight = append(a.InFlight, *f.plans[b])
		}
	}
	return a
}

// assign sends an assignment to all and waits until it is prepared.
func (f *fleet) assign(rollback bool, owner func(kind string, i int) string) *Assign {
	f.t.Helper()
	a := f.assignment(rollback, owner)
	for _, n := range f.names() {
		f.send(f.nodes[n], a)
	}
	for _, n := range f.names() {
		d := expectThat(f, f.nodes[n], func(d *Assigned) bool { return d.Generation == a.Generation })
		if d.Err != "" {
			f.t.Fatalf("%s: %s", n, d.Err)
		}
	}
	return a
}

// cut plans the next batch: n rows of each partition.
func (f *fleet) cut(n int64) *checkpoint.Plan {
	b := f.base + int64(len(f.flight)) + 1
	p := &checkpoint.Plan{Batch: b, Time: 1_000_000 * b, Layout: f.layout}
	for i := range f.next {
		if n > 0 {
			p.Ranges = append(p.Ranges, checkpoint.Range{Source: "words", Partition: i, From: f.next[i], Until: f.next[i] + n})
		}
		f.next[i] += n
	}
	h := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(fmt.Sprint(p.Ranges)), uint64(b)))
	p.Hash = h[:16]
	f.plans[b] = p
	return p
}

func (f *fleet) launch(p *checkpoint.Plan) {
	f.t.Helper()
	f.flight = append(f.flight, p.Batch)
	for _, n := range f.names() {
		f.send(f.nodes[n], &Launch{Plan: *p})
	}
}

// staged waits until all have staged a batch under the current generation.
func (f *fleet) staged(b int64) map[string]*Staged {
	f.t.Helper()
	out := map[string]*Staged{}
	f.pending[b] = map[string]*checkpoint.DeltaRef{}
	for _, n := range f.names() {
		s := expectThat(f, f.nodes[n], func(s *Staged) bool { return s.Batch == b && s.Generation == f.gen })
		out[n] = s
		if s.Delta != nil {
			f.pending[b][n] = s.Delta
		}
	}
	return out
}

func (f *fleet) publish(b int64) {
	f.t.Helper()
	for _, n := range f.names() {
		f.send(f.nodes[n], &Publish{Batch: b})
	}
	for _, n := range f.names() {
		expectThat(f, f.nodes[n], func(p *Published) bool { return p.Batch == b && p.Generation == f.gen })
	}
}

func (f *fleet) commit(b int64) {
	f.record(b)
	for _, n := range f.names() {
		f.send(f.nodes[n], &Committed{Batch: b})
	}
}

// record is a commit that nobody hears of.
func (f *fleet) record(b int64) {
	for _, n := range f.names() {
		if d := f.pending[b][n]; d != nil {
			f.deltas = append(f.deltas, *d)
		}
	}
	f.base, f.hash = b, f.plans[b].Hash
	f.flight = slices.DeleteFunc(f.flight, func(x int64) bool { return x <= b })
}

// batch runs one batch from cut to commit.
func (f *fleet) batch(n int64) map[string]*Staged {
	f.t.Helper()
	p := f.cut(n)
	f.launch(p)
	return f.finish(p)
}

// finish brings a batch that was launched from staging to commit.
func (f *fleet) finish(p *checkpoint.Plan) map[string]*Staged {
	f.t.Helper()
	s := f.staged(p.Batch)
	f.publish(p.Batch)
	f.commit(p.Batch)
	return s
}

// lose ends an executor without a word, with all its memory.
func (f *fleet) lose(name string) {
	n := f.nodes[name]
	n.kill()
	_ = n.conn.Close()
	delete(f.nodes, name)
}
