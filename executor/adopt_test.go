package executor

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/rdd"
)

// TestAdoption lets a driver vanish while a batch is staged and not committed. The next one, of a higher epoch, takes all back and launches the
// batch again (P14); the older one is refused from then on (I9).
func TestAdoption(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20, 30)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.epoch = 2
	a := f.process("a")
	sock := strings.TrimPrefix(a.addr, "unix:")
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(20)
	f.launch(p)
	f.staged(p.Batch)

	_ = a.conn.Close()
	f.epoch = 3
	n := &node{name: "a2", stats: a.stats, in: make(chan ToDriver, 1024), conn: f.dial(sock)}
	f.pump(n)
	delete(f.nodes, "a")
	if j := f.welcome(n); j.Holds == 0 {
		t.Error("the executor says that it holds nothing")
	}
	f.gen, f.flight = 0, nil
	f.assign(true, nil)
	f.launch(p)
	f.finish(p)
	f.batch(30)
	sameText(t, w.store.text(), want)
	if r := a.stats.Restored(); len(r) != 0 {
		t.Errorf("partitions %v were restored from files; their undo was there", r)
	}
	refusedOlder(t, f, sock)
	f.batch(0) // the newer one is still followed
}

func refusedOlder(t *testing.T, f *fleet, sock string) {
	t.Helper()
	old := &node{name: "old", in: make(chan ToDriver, 1024), conn: f.dial(sock)}
	f.pump(old)
	f.send(old, &Welcome{Epoch: 2, PlanText: f.w.plan().Text})
	if j := expect[*Join](f, old); !strings.Contains(j.Refusal, "epoch 2 is older") {
		t.Fatalf("a driver of an older epoch was answered %+v", j)
	}
}

// TestAdoptionAcross keeps state over a commit that the executor never heard of, if the batch was the same, and restores it if not.
func TestAdoptionAcross(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint("hash known ", known), func(t *testing.T) {
			want := undisturbed(t, pushed, 10, 20, 30)
			w := newWorld(t)
			pushed(w)
			f := newFleet(w)
			n := f.local("a")
			f.assign(true, nil)
			f.batch(10)
			p := f.cut(20)
			f.launch(p)
			f.staged(p.Batch)
			f.publish(p.Batch)
			f.record(p.Batch)
			if !known {
				f.hash = nil
			}
			f.assign(true, nil)
			f.batch(30)
			sameText(t, w.store.text(), want)
			if restored := len(n.stats.Restored()) > 0; restored == known {
				t.Errorf("restored: %v", restored)
			}
		})
	}
}

// TestLayoutChange goes from 4 to 7 partitions with nothing in flight: all tables come from the chain.
func TestLayoutChange(t *testing.T) {
	final := func(change bool) string {
		w := newWorld(t)
		pushed(w)
		f := newFleet(w)
		f.local("a")
		f.assign(true, nil)
		f.batch(30)
		f.batch(20)
		if change {
			f.layout = rdd.Layout{Reduce: 7, Lanes: map[string]int{"out": 1}}
			f.assign(false, nil)
		}
		f.batch(100)
		counts := map[string]int{}
		for line := range strings.Lines(w.store.text()) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(k, "w") {
				n, err := strconv.Atoi(v)
				if err != nil {
					t.Fatal(err)
				}
				counts[k] = max(counts[k], n) // lanes are not in order with each other
			}
		}
		return fmt.Sprint(counts)
	}
	if got, want := final(true), final(false); got != want {
		t.Fatalf("counts after a new layout: %s, want %s", got, want)
	}
}

// TestEverySecond writes deltas every second batch and restores what they say.
func TestEverySecond(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20, 30, 5, 6)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.every = 2
	f.process("a")
	f.assign(true, nil)
	for i, n := range []int64{10, 20, 30, 5} {
		for _, s := range f.batch(n) {
			if (s.Delta != nil) != (i%2 == 1) {
				t.Errorf("batch %d: delta %v", i+1, s.Delta)
			}
			if s.Delta != nil && s.Delta.Since != s.Batch-2 {
				t.Errorf("batch %d: delta since %d", s.Batch, s.Delta.Since)
			}
		}
	}
	f.lose("a")
	f.process("b")
	f.assign(false, nil)
	f.batch(6)
	sameText(t, w.store.text(), want)
}
