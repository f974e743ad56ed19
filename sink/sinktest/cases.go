package sinktest

import (
	"cmp"
	"context"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"
)

func stagedIsInvisible(h *harness) {
	l := h.next(0, 1)
	h.marker(l, 0)
	h.stage(l, 1, rowsOf(1))
	h.flush(l)
	h.visible()
	h.publish(l, 1)
	h.stage(l, 2, rowsOf(2))
	h.flush(l)
	h.visible(rowsOf(1)) // P8
	l = h.next(0, 1)
	h.marker(l, 1)
	h.flush(l)
	h.visible(rowsOf(1))
}

func publishedOnce(h *harness) {
	l := h.next(0, 1)
	h.write(l, 1, 2)
	h.publish(l, 2)
	h.write(l, 2)
	h.write(l, 1)
	h.write(l, 3)
	h.flush(l)
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3))
	l = h.next(0, 1)
	h.marker(l, 3)
	h.write(l, 2, 3, 4) // a driver whose log lags behind the sink
	h.flush(l)
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3), rowsOf(4))
}

func emptyBatches(h *harness) {
	l := h.next(0, 1)
	h.stage(l, 1, nil)
	h.publish(l, 1)
	h.write(l, 2)
	h.stage(l, 3, nil)
	h.stage(l, 4, rowsOf(4))
	h.publish(l, 3)
	h.publish(l, 4)
	h.flush(l)
	h.visible(rowsOf(2), rowsOf(4))
	h.marker(h.next(0, 1), 4)
}

func stagedAgain(h *harness) {
	l := h.next(0, 1)
	h.stage(l, 1, rowsOf(7)) // an attempt that failed elsewhere
	h.stage(l, 2, rowsOf(8))
	h.stage(l, 1, rowsOf(1))
	h.publish(l, 1)
	h.stage(l, 2, rowsOf(2)) // what was staged behind batch 1 is gone
	h.publish(l, 2)
	h.flush(l)
	h.visible(rowsOf(1), rowsOf(2))
}

func discard(h *harness) {
	l := h.next(0, 1)
	h.write(l, 1)
	h.stage(l, 2, rowsOf(7))
	h.stage(l, 3, rowsOf(8))
	if err := l.Discard(1); err != nil {
		h.Fatal(err)
	}
	h.write(l, 2)
	h.stage(l, 3, rowsOf(3))
	if err := l.Discard(3); err != nil {
		h.Fatal(err)
	}
	h.publish(l, 3)
	h.flush(l)
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3))
	h.marker(h.next(0, 1), 3)
}

func orderKept(h *harness) {
	l := h.next(0, 1)
	var want [][]Row
	h.stage(l, 1, rowsOf(1))
	for n := int64(1); n <= 40; n++ {
		h.stage(l, n+1, rowsOf(n+1)) // the next batch is staged while this one waits (P8)
		h.publish(l, n)
		want = append(want, rowsOf(n))
		if n%16 == 0 {
			h.flush(l)
		}
	}
	h.flush(l)
	h.visible(want...)
}

// restartAtEveryStep takes the lane over after each step of each batch, and goes on as a driver does: what the marker
// says is not written again.
func restartAtEveryStep(h *harness) {
	for step := range 3 {
		n := int64(step*2 + 1)
		l := h.next(0, 1)
		h.marker(l, n-1)
		h.stage(l, n, rowsOf(n))
		if step > 0 {
			h.publish(l, n)
		}
		if step > 1 {
			h.flush(l)
		}
		next := h.next(0, 1)
		if step > 0 {
			h.marker(next, n)
		} else {
			h.marker(next, n-1)
		}
		h.write(next, n, n+1)
	}
	l := h.next(0, 1)
	h.flush(l)
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3), rowsOf(4), rowsOf(5), rowsOf(6))
}

func oldOwnerIsFenced(h *harness) {
	ctx := context.Background()
	old := h.next(0, 1)
	h.write(old, 1)
	h.stage(old, 2, rowsOf(7))
	l := h.next(0, 1)
	h.marker(l, 1)
	if err := old.Publish(ctx, batchOf(2)); err == nil {
		h.Error("an owner that was fenced could publish (I9)")
	}
	_ = old.Flush(ctx)
	h.write(l, 2)
	if err := old.Stage(ctx, batchOf(3), records(rowsOf(8))); err == nil {
		if err := old.Publish(ctx, batchOf(3)); err == nil {
			h.Error("an owner that was fenced could publish (I9)")
		}
	}
	_ = old.Flush(ctx)
	h.write(l, 3)
	h.flush(l)
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3))
	if h.subject.EpochsRefused {
		o := h.owner()
		o.Epoch--
		if _, err := h.out.Lane(ctx, 0, 1, o); err == nil {
			h.Error("a lane was opened under an older epoch")
		}
		h.write(l, 4)
	}
	// An executor that was lost has the epoch of the one that takes over: the same driver moves the lane.
	moved := h.open(0, 1, h.owner())
	if err := l.Stage(ctx, batchOf(5), records(rowsOf(9))); err == nil {
		if err := l.Publish(ctx, batchOf(5)); err == nil {
			h.Error("a lane that was moved could still publish")
		}
	}
	h.write(moved, 5)
	h.flush(moved)
	got, err := h.subject.Read()
	if err != nil || !slices.Equal(got[len(got)-len(rowsOf(5)):], rowsOf(5)) {
		h.Errorf("the last rows are %v (%v), want those of batch 5", got, err)
	}
}

// oldOwnerFlushes has an owner make visible what it published before it was fenced, at the same time as the new one does.
func oldOwnerFlushes(h *harness) {
	old := h.next(0, 1)
	h.write(old, 1, 2)
	l := h.next(0, 1)
	h.marker(l, 2)
	_ = old.Flush(context.Background()) // an error or not: the rows are there once
	h.write(l, 3)
	h.flush(l)
	_ = old.Flush(context.Background())
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3))
	h.marker(h.next(0, 1), 3)
}

func markerOfAnotherCheckpoint(h *harness) {
	_ = h.next(0, 1)
	l := h.next(0, 1)
	h.write(l, 1, 2)
	o := h.owner()
	o.UUID, o.Epoch = "5f1c2b8e-0000-4000-8000-000000000002", 1 // epochs count within a checkpoint
	other := h.open(0, 1, o)
	m, ok := other.Marker()
	if !ok || m.UUID != h.owner().UUID || m.Batch != 2 {
		h.Skipf("the sink keeps markers apart by checkpoint: found %v %+v", ok, m)
	}
	// --sink-adopt: the driver goes on behind the marker under its own identity.
	h.write(other, 3)
	h.flush(other)
	h.visible(rowsOf(1), rowsOf(2), rowsOf(3))
	h.epoch++
	o.Epoch = h.epoch
	m, ok = h.open(0, 1, o).Marker()
	if !ok || m.UUID != o.UUID || m.Batch != 3 {
		h.Errorf("marker after adopting: %v %+v", ok, m)
	}
}

func twoLanes(h *harness) {
	h.epoch++
	a, b := h.open(0, 2, h.owner()), h.open(1, 2, h.owner())
	rows := func(key string, n int64) []Row { return []Row{{key, n}, {key, n + 100}} }
	h.stage(a, 1, rows("a", 1))
	h.stage(b, 1, rows("b", 1))
	h.publish(b, 1)
	h.stage(b, 2, rows("b", 2))
	h.publish(b, 2)
	h.epoch++
	a, b = h.open(0, 2, h.owner()), h.open(1, 2, h.owner())
	h.marker(a, 0)
	h.marker(b, 2)
	h.stage(a, 1, rows("a", 1))
	h.publish(a, 1)
	h.stage(a, 2, rows("a", 2))
	h.publish(a, 2)
	h.flush(a)
	h.flush(b)
	h.byKey(map[string][]int64{"a": {1, 101, 2, 102}, "b": {1, 101, 2, 102}})
}

// byKey checks each key's values in order.
func (h *harness) byKey(want map[string][]int64) {
	h.Helper()
	rows, err := h.subject.Read()
	if err != nil {
		h.Fatal(err)
	}
	got := map[string][]int64{}
	for _, r := range rows {
		got[r.Key] = append(got[r.Key], r.Value)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		h.Fatalf("values by key (-want +got):\n%s", diff)
	}
}

// fewerLanes restarts with a smaller layout: what the lanes that are gone have published must not be lost (P1).
func fewerLanes(h *harness) {
	h.epoch++
	a, b := h.open(0, 2, h.owner()), h.open(1, 2, h.owner())
	h.stage(a, 1, []Row{{"a", 1}})
	h.stage(b, 1, []Row{{"b", 1}})
	h.publish(a, 1)
	h.publish(b, 1)
	l := h.next(0, 1)
	h.stage(l, 2, []Row{{"a", 2}, {"b", 2}})
	h.publish(l, 2)
	h.flush(l)
	rows, err := h.subject.Read() // a key may have moved to another lane: in any order
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value)) })
	if want := []Row{{"a", 1}, {"a", 2}, {"b", 1}, {"b", 2}}; err != nil || !slices.Equal(want, rows) {
		h.Fatalf("rows are %v (%v), want %v", rows, err, want)
	}
}

func route(h *harness) {
	var rows []Row
	for i := range 1000 {
		rows = append(rows, Row{string(rune('a' + i%26)), int64(i)})
	}
	rec := record(rows...)
	for _, lanes := range []int{1, 3} {
		lane, again := make([]int32, len(rows)), make([]int32, len(rows))
		h.out.Route(1, 0, rec, lanes, lane)
		h.out.Route(1, 0, rec, lanes, again)
		if !slices.Equal(lane, again) {
			h.Fatal("Route is not a pure function")
		}
		byKey := map[string]int32{}
		for i, n := range lane {
			if n < 0 || int(n) >= lanes {
				h.Fatalf("row %d goes to lane %d of %d", i, n, lanes)
			}
			if before, ok := byKey[rows[i].Key]; ok && before != n {
				h.Fatalf("key %s goes to lanes %d and %d", rows[i].Key, before, n)
			}
			byKey[rows[i].Key] = n
		}
	}
}
