package executor

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
)

// cutSome plans a batch with n rows of some partitions, as a mask.
func (f *fleet) cutSome(n int64, mask int) *checkpoint.Plan {
	before := append([]int64(nil), f.next...)
	p := f.cut(n)
	var ranges []checkpoint.Range
	for _, r := range p.Ranges {
		if mask>>r.Partition&1 == 1 {
			ranges = append(ranges, r)
		} else {
			f.next[r.Partition] = before[r.Partition]
		}
	}
	p.Ranges = ranges
	return p
}

// launchCalm launches a batch that may be quiet. quiet: the one before was.
func (f *fleet) launchCalm(p *checkpoint.Plan, quiet bool) {
	f.t.Helper()
	f.flight = append(f.flight, p.Batch)
	for _, n := range f.names() {
		f.send(f.nodes[n], &Launch{Plan: *p, Calm: true, Quiet: quiet})
	}
}

// settled waits until a batch is staged everywhere, or quiet everywhere, and returns who has something to publish.
func (f *fleet) settled(b int64) (quiet bool, publishers []string) {
	f.t.Helper()
	last := map[string]*Staged{}
	f.pending[b] = map[string]*checkpoint.DeltaRef{}
	quiet = true
	for _, n := range f.names() {
		last[n] = expectThat(f, f.nodes[n], func(s *Staged) bool { return s.Batch == b && s.Generation == f.gen })
		quiet = quiet && last[n].Quiet
	}
	for _, n := range f.names() {
		if !quiet && last[n].Waits {
			last[n] = expectThat(f, f.nodes[n], func(s *Staged) bool { return s.Batch == b && s.Generation == f.gen })
			if last[n].Waits || last[n].Quiet {
				f.t.Fatalf("%s says that batch %d is quiet again: %+v", n, b, last[n])
			}
		}
		if !last[n].Still {
			publishers = append(publishers, n)
		}
		if d := last[n].Delta; d != nil {
			f.pending[b][n] = d
		}
	}
	return quiet, publishers
}

func (f *fleet) publishBy(b int64, names []string) {
	f.t.Helper()
	for _, n := range names {
		f.send(f.nodes[n], &Publish{Batch: b})
	}
	for _, n := range names {
		expectThat(f, f.nodes[n], func(p *Published) bool { return p.Batch == b && p.Generation == f.gen })
	}
}

const quietLanes = 4

// step is a batch of a random run: rows, and of which partitions.
type step struct {
	n    int64
	mask int
}

func randomSteps(r *rand.Rand, n int) []step {
	var steps []step
	for range n {
		s := step{mask: r.IntN(1 << feedParts)}
		if r.IntN(2) == 0 {
			s.n = 1 + int64(r.IntN(3))
		}
		steps = append(steps, s)
	}
	return steps
}

// loudly is the output of these steps when nothing is ever held back.
func loudly(t *testing.T, steps []step) string {
	t.Helper()
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.layout.Lanes["out"] = quietLanes
	f.local("only")
	f.assign(true, nil)
	for _, s := range steps {
		p := f.cutSome(s.n, s.mask)
		f.launch(p)
		f.finish(p)
	}
	return w.store.text()
}

// TestQuiet runs random batches, many without rows for any lane or for some, over two and three executors: what is shown is what executors show that hold nothing back. Some batches are launched before the one
// in front of them is committed, and in some an executor is lost.
func TestQuiet(t *testing.T) {
	quiet, mixed := 0, 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			steps := randomSteps(r, 20)
			want := loudly(t, steps)
			w := newWorld(t)
			pushed(w)
			f := newFleet(w)
			f.layout.Lanes["out"] = quietLanes
			for i := range 2 + int(seed)%2 {
				f.process(fmt.Sprint("e", i))
			}
			q, m := f.randomly(r, steps)
			quiet += q
			mixed += m
			sameText(t, w.store.text(), want)
		})
	}
	if quiet < 20 || mixed < 20 {
		t.Errorf("%d quiet batches and %d with some quiet executors: they hardly prove anything", quiet, mixed)
	} else {
		t.Logf("%d quiet batches, %d with some quiet executors", quiet, mixed)
	}
}

// randomly runs the steps.
func (f *fleet) randomly(r *rand.Rand, steps []step) (quiets, mixed int) {
	f.t.Helper()
	f.assign(true, nil)
	calm := false // the batch before was quiet
	for i := 0; i < len(steps); i++ {
		p := f.cutSome(steps[i].n, steps[i].mask)
		f.launchCalm(p, calm)
		if r.IntN(8) == 0 && len(f.nodes) > 1 { // somebody is lost, at some moment of it
			time.Sleep(time.Duration(r.IntN(2)) * time.Millisecond) // any moment will do
			f.lose(f.names()[0])
			f.process(fmt.Sprintf("n%d", i))
			f.assign(false, nil)
		}
		quiet, publishers := f.settled(p.Batch)
		if quiet {
			quiets++
		} else if len(publishers) < len(f.nodes) {
			mixed++
		}
		if i+1 < len(steps) && r.IntN(3) == 0 { // the next is computed while this one is published
			i++
			q := f.cutSome(steps[i].n, steps[i].mask)
			f.launchCalm(q, quiet)
			f.publishBy(p.Batch, publishers)
			p = q
			quiet, publishers = f.settled(q.Batch)
		}
		f.publishBy(p.Batch, publishers)
		for _, b := range append([]int64(nil), f.flight...) {
			if b < p.Batch || r.IntN(4) > 0 {
				f.commit(b)
			} else {
				f.record(b) // the word comes later, with another
			}
		}
		calm = quiet
	}
	return quiets, mixed
}

// TestQuietBatch: nothing travels and nobody has anything to publish, though lanes have heard of nobody.
func TestQuietBatch(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	a, b := f.process("a"), f.process("b")
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(0)
	f.launchCalm(p, false)
	for _, n := range []*node{a, b} {
		if s := expect[*Staged](f, n); !s.Quiet || !s.Still || !s.Waits || len(s.Tasks) != 2 {
			t.Errorf("%s says %+v", n.name, s)
		}
	}
	f.record(p.Batch)
	q := f.cutSome(3, 1) // its lanes stage, though those of the batch before have not been heard of
	f.launchCalm(q, true)
	if quiet, who := f.settled(q.Batch); quiet || len(who) == 0 {
		t.Errorf("a batch with rows: quiet %v, to publish %v", quiet, who)
	}
}

// TestQuietPeers: a batch is not quiet where an executor could not be told of one with rows, or its lanes have to hear of each batch.
func TestQuietPeers(t *testing.T) {
	w := newWorld(t)
	plan := w.plan()
	e := &core{cfg: Config{Name: "a"}, plan: plan}
	two := func(change func(a *Assign)) *Assign {
		a := &Assign{
			Sources: []SourceAssign{{Source: "words", Executor: "a"}}, Reduce: []string{"a", "b"}, Lanes: map[string][]string{"out": {"b", "a"}},
			Peers: map[string]string{"a": "unix:a", "b": "unix:b"},
		}
		change(a)
		return a
	}
	for _, c := range []struct {
		what string
		a    *Assign
		want bool
	}{
		{"all can be told", two(func(*Assign) {}), true},
		{"b is not reached", two(func(a *Assign) { a.Peers["b"] = "" }), false},
		{"b has no lane", two(func(a *Assign) { a.Lanes["out"] = []string{"a", "a"} }), false},
		{"c has only a source", two(func(a *Assign) { a.Sources[0].Executor, a.Peers["c"] = "c", "unix:c" }), false},
		{"c has only a lane", two(func(a *Assign) { a.Lanes["out"], a.Peers["c"] = []string{"a", "b", "c"}, "unix:c" }), true},
		{"only one", two(func(a *Assign) {
			a.Reduce, a.Lanes["out"], a.Peers = []string{"a"}, []string{"a"}, map[string]string{"a": ""}
		}), true},
	} {
		if got := e.mayBeQuiet(c.a); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	e.cfg.Capture = func(int64, string, int, []arrow.Record) {}
	if e.mayBeQuiet(two(func(*Assign) {})) {
		t.Error("a replay may be quiet")
	}
}

// TestQuietWords: who learns of a batch with rows, and how. a has rows for its own lane alone: b, which has the other, gets its blocks, and c, which has a lane of nothing, an empty frame. Whoever is met again after its connection broke
// is told again.
func TestQuietWords(t *testing.T) {
	w := newWorld(t)
	plan := w.plan()
	e := newCore(Config{Name: "a"})
	e.plan = plan
	e.assign = &Assign{Layout: rdd.Layout{Reduce: 2}, Reduce: []string{"a", "b"}, Lanes: map[string][]string{"out": {"a", "b"}}}
	for _, n := range []string{"b", "c"} {
		e.peers[n] = newPeer(n, "unix:"+n)
	}
	r := newRun(&checkpoint.Plan{Batch: 1, Hash: []byte("h"), Layout: rdd.Layout{Reduce: 2, Lanes: map[string]int{"out": 2}}}, false, false)
	r.quiet = true
	r.use(plan)
	e.runs = []*run{r}
	wide, edge := plan.Wides[0], rdd.EdgeID{Node: plan.Sinks[0].ID}
	done := func(part int, recs ...arrow.Record) {
		x := &task{id: rdd.TaskID{Node: wide.ID, Part: part}, node: wide, run: r, status: done}
		for lane, rec := range recs {
			x.blocks = append(x.blocks, rdd.Block{Edge: edge, Part: lane, From: x.id, Rec: rec})
		}
		r.tasks[x.id] = x
		e.ship(x)
	}
	said := func(n string) string {
		s := ""
		for o, ok := e.peers[n].pop(); ok; o, ok = e.peers[n].pop() {
			s += fmt.Sprintf("[%d/%d %d blocks, loud %v]", o.from.Node, o.from.Part, len(o.blocks), o.loud)
		}
		return s
	}
	check := func(what, b, c string) {
		t.Helper()
		if gotB, gotC := said("b"), said("c"); gotB != b || gotC != c {
			t.Errorf("%s: b heard %s, want %s; c heard %s, want %s", what, gotB, b, gotC, c)
		}
	}
	done(0, nil, nil)
	check("without rows", "", "")
	e.onPeerUp(e.peers["c"])
	check("c is met again", "", "")
	rec := array.NewRecord(arrow.NewSchema(nil, nil), nil, 1)
	done(1, rec, nil)
	held, loud := fmt.Sprintf("[%d/0 1 blocks, loud true]", wide.ID), fmt.Sprintf("[%d/1 1 blocks, loud true]", wide.ID)
	check("with a row for a lane of its own", held+loud, fmt.Sprintf("[%d/1 0 blocks, loud true]", wide.ID))
	e.onPeerUp(e.peers["c"])
	check("c is met once more", "", "[0/0 0 blocks, loud true]")
	r.quiet = true // as it is with b
	e.unpack(r, []arrival{{loud: true}})
	if r.quiet {
		t.Error("b heard of rows, and is quiet")
	}
}
