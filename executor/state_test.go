package executor

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
)

// TestOrderOfState holds a batch back in a source task while all of the next one's blocks are there: its state tasks wait (I3), in whatever order
// the two were launched.
func TestOrderOfState(t *testing.T) {
	gated := func(w *world) {
		w.feed.Push(0, word{"gate", 0})
		pushed(w)
	}
	want := undisturbed(t, gated, 300, 1, 5)
	w := newWorld(t)
	gated(w)
	release := make(chan struct{})
	w.wrap = func(_ *dstream.Job, s dstream.Stream[word]) dstream.Stream[word] {
		return s.Map(func(x word) word {
			if x.Word == "gate" {
				<-release
			}
			return x
		})
	}
	f := newFleet(w)
	n := f.local("a", func(c *Config) { c.Debug = false })
	f.assign(true, nil)
	p := f.cut(300)
	f.flight = append(f.flight, p.Batch)
	q := f.cut(1)
	f.flight = append(f.flight, q.Batch)
	f.send(n, &Launch{Plan: *q})
	f.send(n, &Launch{Plan: *p})
	for began := 0; began < feedParts; {
		began = 0
		for r := range n.stats.Runs() {
			if r.Batch == q.Batch {
				began++
			}
		}
		f.send(n, &Flush{})
		expect[*Flushed](f, n)
	}
	wide := w.plan().Wides[0].ID
	for range 3000 { // time for the other slot to do what it must not
		f.send(n, &Flush{})
		expect[*Flushed](f, n)
		for r := range n.stats.Runs() {
			if r.Batch == q.Batch && r.Task.Node == wide {
				t.Fatalf("batch %d has begun task %v before batch %d was done", q.Batch, r.Task, p.Batch)
			}
		}
	}
	close(release)
	f.staged(p.Batch)
	f.publish(p.Batch)
	f.finish(q)
	f.batch(5)
	sameText(t, w.store.text(), want)
}

// TestTables joins a stream with a table that the same batch changes: the reader's task runs after the table's.
func TestTables(t *testing.T) {
	build := func() (*world, *fleet) {
		w := newWorld(t)
		pushed(w)
		w.extra = func(_ *dstream.Job, s dstream.Stream[word]) {
			k := s.KeyBy(func(x word) string { return x.Word })
			k.JoinTable(k.Latest("last"), func(x, last word) string { return fmt.Sprint(x.N, last.N) }).To(w.store.sink("joined"))
		}
		f := newFleet(w)
		f.layout.Lanes["joined"] = 2
		return w, f
	}
	w, f := build()
	f.local("only")
	f.assign(true, nil)
	for _, n := range []int64{20, 30, 1} {
		f.batch(n)
	}
	want := w.store.text()
	w, f = build()
	f.process("a")
	f.process("b")
	f.assign(true, nil)
	f.batch(20)
	p := f.cut(30)
	f.launch(p)
	f.lose("b")
	f.assign(false, nil)
	f.finish(p)
	f.batch(1)
	sameText(t, w.store.text(), want)
}

// TestRollingDumps runs many batches and restores: the chain that is read stays short, and what it gives is the state.
func TestRollingDumps(t *testing.T) {
	w := newWorld(t)
	for b := range 400 {
		w.push(b, 30)
	}
	f := newFleet(w)
	f.layout.Reduce = 2
	f.local("a")
	f.assign(true, nil)
	for range 350 {
		f.batch(30)
	}
	full, rows := 0, int64(0)
	for _, d := range f.deltas {
		for _, s := range d.Sections {
			if s.Full {
				full++
			}
		}
	}
	plan := f.w.plan()
	var op *rdd.Node
	for _, n := range plan.Wides {
		op = n
	}
	for p := range 2 {
		from, until := f.layout.GroupsOf(p)
		chain, ok := checkpoint.Chain(f.deltas, op.Name, from, until, f.base)
		if !ok {
			t.Fatal("no chain")
		}
		for _, d := range chain {
			for _, s := range d.Sections {
				rows += s.Rows
			}
		}
	}
	if full == 0 || rows > 40+2*2*dumpMinRows+200 {
		t.Errorf("%d full dumps; a restore reads %d rows for 40 keys", full, rows)
	}
	f.lose("a")
	f.process("b")
	f.assign(false, nil)
	f.batch(30)
	got := w.store.text()
	want := undisturbed(t, func(w *world) {
		for b := range 400 {
			w.push(b, 30)
		}
	}, repeat(30, 351)...)
	if last(got) != last(want) {
		t.Error("counts after the restore differ:", cmp.Diff(last(want), last(got)))
	}
}

func repeat(n int64, times int) []int64 {
	var out []int64
	for range times {
		out = append(out, n)
	}
	return out
}

// last are the highest counts.
func last(text string) string {
	most := map[string]int{}
	var k string
	var n int
	for _, line := range lines(text) {
		if c, _ := fmt.Sscanf(line, "%s %d", &k, &n); c == 2 {
			most[k] = max(most[k], n)
		}
	}
	return fmt.Sprint(most)
}

func lines(s string) []string {
	var out []string
	at := 0
	for i := range s {
		if s[i] == '\n' {
			out = append(out, s[at:i])
			at = i + 1
		}
	}
	return out
}
