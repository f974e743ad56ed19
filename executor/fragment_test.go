package executor

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// steps make operators over words for fragments.
type steps struct{ shuffle, odd rdd.Node }

func newSteps(t testing.TB) *steps {
	t.Helper()
	job := dstream.NewJob(dstream.JobOptions{})
	words := dstream.From(job, source.NewFeed[word](1).Source("words"))
	words.Repartition().Filter(func(x word) bool { return x.N%2 == 1 }).To(newStore().sink("out"))
	p, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	s := &steps{}
	for _, n := range p.Nodes {
		c := rdd.Node{Kind: n.Kind, Op: n.Op, Site: n.Site, Val: n.Val, Kernel: n.Kernel, Wide: n.Wide} // belongs to no plan
		switch n.Op {
		case "repartition":
			s.shuffle = c
		case "filter":
			s.odd = c
		}
	}
	return s
}

func of(n rdd.Node, in ...*rdd.Node) *rdd.Node {
	n.In = in
	return &n
}

// memory gives one row a partition, from nowhere.
func (s *steps) memory() *rdd.Node {
	return of(rdd.Node{Kind: rdd.Wide, Op: "memory", Val: s.odd.Val, Wide: &rdd.WideSpec{
		OnEmpty: true, New: func() rdd.Reducer { return oneWord{} },
	}})
}

type oneWord struct{}

func (oneWord) Reduce(ctx *rdd.Context, _ [][]rdd.Record, emit func(rdd.Chunk) error) error {
	return emit(rdd.Chunk{N: 1, Vals: []word{{"from memory", int64(ctx.Partition)}}})
}

// turn is two shuffles and rows from memory in odd batches, half of the rows in even ones.
func (s *steps) turn(b rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) {
	if b.Number%2 == 0 {
		return of(s.odd, in[0]), nil
	}
	both := of(s.odd, of(s.shuffle, in[0]), s.memory())
	return of(s.shuffle, both), nil
}

// TestFragments runs batches with operators of their own, shuffles among them, on two executors of which one is lost in the middle. What is published is
// that of an undisturbed run.
func TestFragments(t *testing.T) {
	sizes := []int64{10, 25, 0, 40, 7}
	s := newSteps(t)
	pushes := func(w *world) { pushed(w); w.turn = s.turn }
	want := undisturbed(t, pushes, sizes...)
	if !strings.Contains(want, "from memory") {
		t.Fatalf("rows from memory are missing:\n%s", want)
	}
	for _, moment := range []string{"never", "launched", "staged"} {
		t.Run(moment, func(t *testing.T) {
			w := newWorld(t)
			pushes(w)
			f := newFleet(w)
			f.process("a")
			f.process("b")
			f.assign(true, nil)
			hashes := map[string][]byte{}
			for i, n := range sizes {
				p := f.cut(n)
				f.launch(p)
				for _, name := range f.names() {
					built := expect[*Built](f, f.nodes[name])
					if hashes[name] = built.Hash; built.Batch != p.Batch || len(built.Fragments) != 1 || !bytes.Equal(built.Hash, hashes["a"]) {
						t.Fatalf("%s built %+v for batch %d, a %x", name, built, p.Batch, hashes["a"])
					}
				}
				if moment != "never" && i == 2 {
					if moment == "staged" {
						f.staged(p.Batch)
					}
					f.lose("b")
					f.assign(false, nil)
				}
				f.finish(p)
			}
			sameText(t, w.store.text(), want)
		})
	}
}

// TestFragmentsOfAll replaces the only executor while a batch is in flight: the new one builds the same and says so.
func TestFragmentsOfAll(t *testing.T) {
	s := newSteps(t)
	pushes := func(w *world) { pushed(w); w.turn = s.turn }
	want := undisturbed(t, pushes, 10, 20, 30)
	w := newWorld(t)
	pushes(w)
	f := newFleet(w)
	a := f.process("a")
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(20)
	f.launch(p)
	f.staged(p.Batch)
	first := expectThat(f, a, func(b *Built) bool { return b.Batch == p.Batch })
	f.lose("a")
	b := f.process("b")
	f.assign(false, nil)
	if again := expect[*Built](f, b); !bytes.Equal(again.Hash, first.Hash) || again.Batch != p.Batch {
		t.Errorf("built %+v, then %+v", first, again)
	}
	f.finish(p)
	f.batch(30)
	sameText(t, w.store.text(), want)
}

// TestFragmentFails: the user's function panics twice. Nothing of the batch runs until it is built.
func TestFragmentFails(t *testing.T) {
	s := newSteps(t)
	want := undisturbed(t, func(w *world) { pushed(w); w.turn = s.turn }, 10, 20)
	w := newWorld(t)
	pushed(w)
	var left atomic.Int64
	w.turn = func(b rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) {
		if b.Number == 2 && left.Add(-1) >= 0 {
			panic("bad luck")
		}
		return s.turn(b, in)
	}
	f := newFleet(w)
	n := f.local("a")
	f.assign(true, nil)
	f.batch(10)
	left.Store(2)
	p := f.cut(20)
	f.launch(p)
	for attempt := range 2 {
		e := expect[*TaskFailed](f, n)
		if !e.User || e.Fatal || e.Task != FragmentTask || e.Attempt != attempt || !strings.Contains(e.Message, "words.go:9): batch 2: panic: bad luck\n") || !strings.Contains(e.Message, "fragment_test.go") {
			t.Fatalf("unexpected failure %+v", e)
		}
		if attempt == 0 {
			f.send(n, &Retry{Batch: p.Batch, Attempt: 1, Tasks: []rdd.TaskID{e.Task}})
		}
	}
	f.assign(false, nil) // an assignment retries by itself
	f.finish(p)
	sameText(t, w.store.text(), want)
}

// TestSlowFragment: batch 3 is built before batch 2, and still waits for its turn in the lanes (P8).
func TestSlowFragment(t *testing.T) {
	s := newSteps(t)
	w := newWorld(t)
	pushed(w)
	w.extra = func(_ *dstream.Job, words dstream.Stream[word]) { words.To(w.store.sink("raw")) } // waits for no state
	slow := make(chan struct{})
	w.turn = func(b rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) {
		if b.Number == 2 {
			<-slow
		}
		return s.turn(b, in)
	}
	f := newFleet(w)
	f.layout.Lanes["raw"] = 2
	n := f.local("a")
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(20)
	f.launch(p)
	q := f.cut(30)
	f.launch(q)
	const shuffles = 3                              // of batch 3: two, and rows from memory
	for ran := 0; ran < shuffles*f.layout.Reduce; { // the loop goes on while the function takes its time
		f.send(n, &Flush{})
		expect[*Flushed](f, n)
		ran = 0
		for r := range n.stats.Runs() {
			if r.Batch == q.Batch && r.Task.Node > 0 && r.Task.Node < rdd.FragmentRoom {
				ran++
			}
		}
	}
	f.send(n, &Flush{})
	expect[*Flushed](f, n)
	for r := range n.stats.Staged() {
		if r.Batch == q.Batch {
			t.Errorf("lane %v staged batch %d before batch %d", r.Task, q.Batch, p.Batch)
		}
	}
	close(slow)
	f.staged(p.Batch)
	f.publish(p.Batch)
	f.staged(q.Batch)
	f.commit(p.Batch)
	f.publish(q.Batch)
	f.commit(q.Batch)
	for id, l := range w.store.lanes {
		if len(l.order) != 3 || !slices.IsSorted(l.order) {
			t.Errorf("lane %v published %v", id, l.order)
		}
	}
}

// TestOtherFragment: blocks of an executor that built something else are not mixed in, even where they would fit.
func TestOtherFragment(t *testing.T) {
	s := newSteps(t)
	w := newWorld(t)
	pushed(w)
	var calls atomic.Int64
	w.turn = func(b rdd.BatchInfo, in []*rdd.Node) (*rdd.Node, error) {
		x := of(s.shuffle, in[0])
		if calls.Add(1) > 1 {
			x.Op = "other"
		}
		return x, nil
	}
	f := newFleet(w)
	f.process("a")
	f.process("b")
	f.assign(true, nil)
	p := f.cut(10)
	f.launch(p)
	a, b := expect[*Built](f, f.nodes["a"]), expect[*Built](f, f.nodes["b"])
	if bytes.Equal(a.Hash, b.Hash) || a.Fragments[0].Text == b.Fragments[0].Text {
		t.Fatalf("built the same: %+v, %+v", a, b)
	}
	for name, n := range f.nodes { // each waits for the other's blocks; sources have run
		for n.stats.Runs()[TaskRun{rdd.TaskID{Part: map[string]int{"a": 0, "b": 1}[name]}, 1}] == 0 {
			f.send(n, &Flush{})
			expect[*Flushed](f, n)
		}
		for r := range n.stats.Runs() {
			if r.Task.Node != 0 {
				t.Errorf("%s ran task %v on blocks of another plan", name, r.Task)
			}
		}
	}
}

// TestFragmentBlocks: blocks whose schema only their batch knows keep their bytes, and damaged ones are refused at the door.
func TestFragmentBlocks(t *testing.T) {
	s := newSteps(t)
	w := newWorld(t)
	pushed(w)
	src := rdd.TaskID{}
	rec := sumOf(t, w, w.plan().Edges(w.plan().Sources[0])[0], src)
	w.turn = s.turn
	p := w.plan()
	q, err := p.For(rdd.BatchInfo{Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	edge := q.Edges(q.Sources[0])[0]
	o := outgoing{runKey{1, "h"}, src, nil, []rdd.Block{{Edge: edge, Rec: rec, Sum: batch.Sum(rec)}, {Edge: edge, Part: 1}}, false}
	payload := bytes.Join(o.marshal(), nil)
	in, err := unmarshal(p, payload)
	if err != nil || len(in.blocks) != 2 || in.blocks[0].raw == nil || in.blocks[0].Rec != nil || in.blocks[1].raw != nil {
		t.Fatalf("%+v, %v", in, err)
	}
	if got, err := block(rec.Schema(), in.blocks[0].Sum, in.blocks[0].raw); err != nil || rowsText([]arrow.Record{got}) != rowsText([]arrow.Record{rec}) {
		t.Errorf("read %v, %v", got, err)
	}
	if weight(in.blocks) <= int64(len(in.blocks[0].raw)) {
		t.Error("bytes are not counted")
	}
	payload[len(payload)-9] ^= 1
	if _, err := unmarshal(p, payload); err == nil {
		t.Error("damaged bytes were taken")
	}
}

// TestReplayOfFragments: what lineage builds is what the batch had (I2).
func TestReplayOfFragments(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	w.turn = newSteps(t).turn
	f := newFleet(w)
	f.local("a")
	f.assign(true, nil)
	sums := map[rdd.TaskID][]uint64{}
	var last *checkpoint.Plan
	for _, n := range []int64{10, 25, 40} {
		last = f.cut(n)
		f.launch(last)
		for _, s := range f.finish(last) {
			clear(sums)
			for _, d := range s.Tasks {
				sums[d.Task] = d.Sums
			}
		}
	}
	got := replay(t, f, last.Batch, sums)
	for i := range 2 {
		if rowsText(got[LaneID{"out", i}]) != w.store.lanes[LaneID{"out", i}].published[last.Batch] {
			t.Errorf("lane %d differs in the replay", i)
		}
	}
}
