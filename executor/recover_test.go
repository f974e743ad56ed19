package executor

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
)

// TestTakeover loses one of three executors while two batches are in flight, at several moments. The output is that of an undisturbed run, and
// only the lost parts' tasks run again.
func TestTakeover(t *testing.T) {
	sizes := []int64{10, 25, 40, 7, 30}
	want := undisturbed(t, pushed, sizes...)
	for _, moment := range []string{"launched", "staged", "publishing", "published"} {
		t.Run(moment, func(t *testing.T) {
			w := newWorld(t)
			pushed(w)
			f := newFleet(w)
			for _, n := range []string{"a", "b", "c"} {
				f.process(n)
			}
			a := f.assign(true, nil)
			f.batch(sizes[0])
			f.batch(sizes[1])
			p := f.cut(sizes[2])
			f.launch(p)
			if moment != "launched" {
				f.staged(p.Batch)
				for _, n := range []string{"a", "c"} {
					if moment != "staged" {
						f.send(f.nodes[n], &Publish{Batch: p.Batch})
					}
					if moment == "published" {
						expect[*Published](f, f.nodes[n])
					}
				}
			}
			before := map[string]map[TaskRun]int{"a": f.nodes["a"].stats.Runs(), "c": f.nodes["c"].stats.Runs()}
			f.lose("b")
			after := f.assign(false, func(kind string, i int) string {
				old := []string{"a", "b", "c"}[i%3]
				if old == "b" {
					return "c"
				}
				return old
			})
			f.finish(p)
			checkOnlyLost(t, f, a, after, before, p)
			for _, n := range sizes[3:] {
				f.batch(n)
			}
			sameText(t, w.store.text(), want)
		})
	}
}

// checkOnlyLost compares task counters: survivors ran each of their own tasks once, and b's tasks ran once on c.
func checkOnlyLost(t *testing.T, f *fleet, before, after *Assign, ran map[string]map[TaskRun]int, p *checkpoint.Plan) {
	t.Helper()
	for _, n := range []string{"a", "c"} {
		runs := f.nodes[n].stats.Runs()
		for r, times := range runs {
			if times != 1 {
				t.Errorf("%s ran task %v of batch %d %d times", n, r.Task, r.Batch, times)
			}
			if r.Batch < p.Batch && ran[n][r] != times {
				t.Errorf("%s ran task %v of committed batch %d again", n, r.Task, r.Batch)
			}
		}
	}
	if n := f.nodes["a"].stats.Restored(); len(n) != 0 {
		t.Errorf("a restored partitions %v, and gained none", n)
	}
	lost := 0
	for i := range before.Reduce {
		if before.Reduce[i] != after.Reduce[i] {
			lost++
		}
	}
	if got := f.nodes["c"].stats.Restored(); len(got) != lost {
		t.Errorf("c restored %v, and gained %d", got, lost)
	}
}

// TestTakeoverOfAll replaces the only executor by a fresh one while a batch is in flight: it comes by Assign.InFlight.
func TestTakeoverOfAll(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20, 30)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.process("a")
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(20)
	f.launch(p)
	f.staged(p.Batch)
	f.lose("a")
	f.process("b")
	f.assign(false, nil)
	f.finish(p)
	f.batch(30)
	sameText(t, w.store.text(), want)
}

// TestTwoInFlight runs two batches at once and loses an executor then.
func TestTwoInFlight(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20, 30, 5)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.process("a")
	f.process("b")
	f.assign(true, nil)
	f.batch(10)
	p, q := f.cut(20), (*checkpoint.Plan)(nil)
	f.launch(p)
	f.staged(p.Batch)
	q = f.cut(30)
	f.launch(q)
	f.lose("b")
	f.assign(false, nil)
	f.staged(p.Batch)
	f.publish(p.Batch)
	f.staged(q.Batch)
	f.commit(p.Batch)
	f.publish(q.Batch)
	f.commit(q.Batch)
	f.batch(5)
	sameText(t, w.store.text(), want)
}

// TestRetry lets user code panic once: the state is undone, the batch goes on, and counters of the attempt that was lost do not count (P17).
func TestRetry(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20, 30)
	w := newWorld(t)
	pushed(w)
	var left atomic.Int64
	w.wrap = func(_ *dstream.Job, s dstream.Stream[word]) dstream.Stream[word] {
		return s.Map(func(x word) word {
			if x.N == 15 && left.Load() > 0 {
				left.Add(-1)
				panic("bad luck")
			}
			return x
		})
	}
	f := newFleet(w)
	n := f.local("a")
	f.assign(true, nil)
	f.batch(10)
	left.Store(3) // one of them is used to find the record
	p := f.cut(20)
	f.launch(p)
	failed := expect[*TaskFailed](f, n)
	if !failed.User || failed.Fatal || failed.Batch != p.Batch || !strings.Contains(failed.Message, "bad luck") {
		t.Fatalf("unexpected failure %+v", failed)
	}
	left.Store(0)
	f.send(n, &Retry{Batch: p.Batch, Attempt: 1, Tasks: []rdd.TaskID{failed.Task}})
	for i := 1; ; i++ {
		var again *TaskFailed
		s := expectAny(f, n, &again)
		if s != nil {
			checkCounters(t, s, failed.Task)
			break
		}
		f.send(n, &Retry{Batch: p.Batch, Attempt: 1, Tasks: []rdd.TaskID{again.Task}})
	}
	f.publish(p.Batch)
	f.commit(p.Batch)
	f.batch(30)
	sameText(t, w.store.text(), want)
}

// expectAny is the next Staged, or nil and the failure that came before it.
func expectAny(f *fleet, n *node, failed **TaskFailed) *Staged {
	f.t.Helper()
	for {
		m, open := <-n.in
		if !open {
			f.t.Fatal("executor ended")
		}
		switch m := m.(type) {
		case *Staged:
			return m
		case *TaskFailed:
			*failed = m
			return nil
		}
	}
}

func checkCounters(t *testing.T, s *Staged, again rdd.TaskID) {
	t.Helper()
	for _, d := range s.Tasks {
		if d.Task == again && (d.Counters.RowsIn != 20 || d.Attempt != 1) {
			t.Errorf("task %v attempt %d counts %+v, want the 20 rows of its second attempt only", d.Task, d.Attempt, d.Counters)
		}
	}
}

// TestRetryOfState lets user code panic behind the shuffle: version t-1 is there again.
func TestRetryOfState(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	var fail atomic.Bool
	w.extra = func(_ *dstream.Job, s dstream.Stream[word]) {
		s.KeyBy(func(x word) string { return x.Word }).RunningCount("seen").Map(func(k string, n int64) word {
			if k == "w5" && fail.Load() {
				panic("no w5")
			}
			return word{k, n}
		}).To(w.store.sink("other"))
	}
	f := newFleet(w)
	f.layout.Lanes["other"] = 1
	n := f.local("a")
	f.assign(true, nil)
	f.batch(40)
	fail.Store(true)
	p := f.cut(10)
	f.launch(p)
	failed := expect[*TaskFailed](f, n)
	if f.w.plan().Nodes[failed.Task.Node].Kind != rdd.Wide || !failed.User {
		t.Fatalf("unexpected failure %+v", failed)
	}
	f.send(n, &Retry{Batch: p.Batch, Attempt: 1, Tasks: []rdd.TaskID{failed.Task}})
	if again := expect[*TaskFailed](f, n); again.Attempt != 1 {
		t.Fatalf("second failure says attempt %d", again.Attempt)
	}
	fail.Store(false)
	f.send(n, &Retry{Batch: p.Batch, Attempt: 2, Tasks: []rdd.TaskID{failed.Task}})
	f.finish(p)
	f.batch(30)
	text := w.store.text()
	for line := range strings.Lines(text) { // the two counts are of the same words
		if strings.HasPrefix(line, "other") || strings.HasPrefix(line, "out") {
			continue
		}
		if strings.Count(text, line) != 2 {
			t.Fatalf("%q is not in both outputs", line)
		}
	}
}

// TestAssignRetries: an assignment makes the driver forget retries, so failed tasks run again by themselves.
func TestAssignRetries(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20)
	w := newWorld(t)
	pushed(w)
	var fail atomic.Bool
	w.wrap = func(_ *dstream.Job, s dstream.Stream[word]) dstream.Stream[word] {
		return s.Map(func(x word) word {
			if x.N == 15 && fail.Load() {
				panic("bad luck")
			}
			return x
		})
	}
	f := newFleet(w)
	n := f.local("a")
	f.assign(true, nil)
	f.batch(10)
	fail.Store(true)
	p := f.cut(20)
	f.launch(p)
	for range feedParts {
		expect[*TaskFailed](f, n)
	}
	fail.Store(false)
	f.assign(false, nil)
	for _, s := range f.staged(p.Batch) {
		for _, d := range s.Tasks {
			if want := d.Task.Node == 0; (d.Attempt == 1) != want {
				t.Errorf("task %v: attempt %d", d.Task, d.Attempt)
			}
		}
	}
	f.publish(p.Batch)
	f.commit(p.Batch)
	sameText(t, w.store.text(), want)
}

// TestReplay runs committed batches again in an executor of its own: the captured rows and the deltas are the same bytes (I2).
func TestReplay(t *testing.T) {
	for _, reduce := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(reduce), func(t *testing.T) {
			w := newWorld(t)
			pushed(w)
			f := newFleet(w)
			f.layout.Reduce = reduce
			f.local("a")
			f.assign(true, nil)
			sums := map[rdd.TaskID][]uint64{}
			for i, n := range []int64{10, 25, 40} {
				for _, s := range f.batch(n) {
					for _, d := range s.Tasks {
						if i == 2 {
							sums[d.Task] = d.Sums
						}
					}
				}
			}
			got := replay(t, f, 3, sums)
			for i := range 2 {
				id := LaneID{"out", i}
				if rowsText(got[id]) != w.store.lanes[id].published[3] {
					t.Errorf("lane %d differs in the replay", i)
				}
			}
		})
	}
}

// replay runs batches 2 and 3 again from version 1, without sinks, and compares checksums of batch 3.
func replay(t *testing.T, f *fleet, last int64, sums map[rdd.TaskID][]uint64) map[LaneID][]arrow.Record {
	t.Helper()
	got := map[LaneID][]arrow.Record{}
	g := newFleet(f.w)
	g.layout, g.base, g.next = f.layout, 1, []int64{10, 10, 10}
	for _, d := range f.deltas {
		if d.Batch <= 1 {
			g.deltas = append(g.deltas, d)
		}
	}
	published := f.w.store.text()
	n := g.local("lineage", func(c *Config) {
		c.Capture = func(b int64, sink string, lane int, recs []arrow.Record) {
			if b == last {
				got[LaneID{sink, lane}] = recs
			}
		}
	})
	a := g.assignment(true, nil)
	a.Lanes = nil
	g.send(n, a)
	expect[*Assigned](g, n)
	for b := int64(2); b <= last; b++ {
		g.send(n, &Launch{Plan: *f.plans[b], Replay: true})
		s := expect[*Staged](g, n)
		for _, d := range s.Tasks {
			if b == last && fmt.Sprint(d.Sums) != fmt.Sprint(sums[d.Task]) {
				t.Errorf("task %v: checksums %v in the replay, %v before", d.Task, d.Sums, sums[d.Task])
			}
		}
		if s.Delta == nil {
			t.Errorf("batch %d: the replay wrote no delta", b)
		}
		g.send(n, &Committed{Batch: b})
	}
	g.send(n, &Stop{})
	for range n.in { // until it has ended: got is ours then
	}
	if f.w.store.text() != published {
		t.Error("the replay published something")
	}
	return got
}

// TestLateAssignment is an assignment of an older generation: it is ignored.
func TestLateAssignment(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	n := f.local("a")
	late := f.assignment(true, func(string, int) string { return "nobody" })
	f.assign(true, nil)
	f.send(n, late)
	f.batch(10)
	if len(w.store.text()) == 0 {
		t.Error("nothing was published")
	}
}
