package executor

import (
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// TestLaneFailures lets staging, publishing, and the answer of a sink that has published fail once each: the lane is opened again and made good.
func TestLaneFailures(t *testing.T) {
	for _, verb := range []string{"stage", "publish", "answer"} {
		t.Run(verb, func(t *testing.T) {
			want := undisturbed(t, pushed, 10, 20, 30)
			w := newWorld(t)
			pushed(w)
			var failed atomic.Bool
			w.store.fail = func(l LaneID, b int64, v string) error {
				if b == 2 && l.Lane == 1 && v == verb && failed.CompareAndSwap(false, true) {
					return errors.New("the disk is full")
				}
				return nil
			}
			f := newFleet(w)
			n := f.local("a")
			f.assign(true, nil)
			f.batch(10)
			p := f.cut(20)
			f.launch(p)
			if verb != "stage" {
				f.staged(p.Batch)
				f.send(n, &Publish{Batch: p.Batch})
			}
			e := expect[*TaskFailed](f, n)
			if e.Fatal || e.User || !strings.Contains(e.Message, "sink out lane 1: the disk is full") {
				t.Fatalf("%+v", e)
			}
			f.send(n, &Retry{Batch: p.Batch, Attempt: 1, Tasks: []rdd.TaskID{e.Task}})
			if verb == "stage" {
				f.staged(p.Batch)
				f.send(n, &Publish{Batch: p.Batch})
			}
			expect[*Published](f, n)
			f.commit(p.Batch)
			f.batch(30)
			sameText(t, w.store.text(), want)
		})
	}
}

// TestFencedLane is a lane that a newer owner has taken over: fatal, and nothing of it is visible.
func TestFencedLane(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	n := f.local("a")
	f.assign(true, nil)
	p := f.cut(10)
	f.launch(p)
	f.staged(p.Batch)
	out := &storeOutput{w.store, "out"}
	if _, err := out.Lane(t.Context(), 0, 2, sink.Owner{UUID: "u", Timeline: 1, Epoch: 9}); err != nil {
		t.Fatal(err)
	}
	f.send(n, &Publish{Batch: p.Batch})
	if e := expect[*TaskFailed](f, n); !e.Fatal {
		t.Fatalf("%+v", e)
	}
	if len(w.store.lanes[LaneID{"out", 0}].published) != 0 {
		t.Error("a fenced lane has published")
	}
}

// TestFlush asks all lanes.
func TestFlush(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	n := f.local("a")
	f.assign(true, nil)
	f.batch(10)
	f.send(n, &Flush{})
	if m := expect[*Flushed](f, n); m.Err != "" {
		t.Fatal(m.Err)
	}
	for id, l := range w.store.lanes {
		if l.flushed != 1 {
			t.Errorf("lane %v was flushed %d times", id, l.flushed)
		}
	}
}

// TestMarkers: a lane that was published before its executor died is not staged again by the next (I5).
func TestMarkers(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.process("a")
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(20)
	f.launch(p)
	f.staged(p.Batch)
	f.send(f.nodes["a"], &Publish{Batch: p.Batch})
	expect[*Published](f, f.nodes["a"])
	f.lose("a")
	b := f.process("b")
	a := f.assignment(false, nil)
	f.send(b, a)
	d := expect[*Assigned](f, b)
	for _, m := range d.Markers {
		if !m.OK || m.Marker.Batch != p.Batch {
			t.Errorf("lane %d says %+v", m.Lane, m)
		}
	}
	if len(d.Markers) != 2 {
		t.Errorf("%d markers", len(d.Markers))
	}
	f.staged(p.Batch)
	f.publish(p.Batch)
	if s := b.stats.Staged(); len(s) != 0 {
		t.Errorf("lanes staged again: %v", maps.Collect(maps.All(s)))
	}
}
