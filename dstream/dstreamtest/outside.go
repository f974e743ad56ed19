package dstreamtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// outside is the world behind a sink: it outlives executors and drivers. What was published stands in it once, with markers as the contract of
// sink.Lane says.
type outside struct {
	lanes int

	mu     sync.Mutex // guards what follows
	places []place
	breaks map[int64]int // by batch: the how many-th lane to publish it meets errBroken instead
}

// errBroken ends a job: it cannot be mended by trying again.
var errBroken = fmt.Errorf("the output broke, as it was told to: %w", sink.ErrFenced)

// breakAt has the nth lane that publishes a batch, from 1, fail once.
func (o *outside) breakAt(batch int64, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.breaks = map[int64]int{batch: n}
}

// breaking tells whether this is the lane to fail.
func (o *outside) breaking(batch int64) bool {
	n := o.breaks[batch]
	if n == 0 {
		return false
	}
	o.breaks[batch]--
	return n == 1
}

// place is one lane, as the world sees it.
type place struct {
	holder *holder // the last to open it; others are fenced
	marker sink.Marker
	marked bool
	rows   map[int64][]rdd.Record // by batch
}

func newOutside(lanes int) *outside { return &outside{lanes: lanes, places: make([]place, lanes)} }

// published are the rows of a batch, lane by lane.
func (o *outside) published(batch int64) [][]rdd.Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out [][]rdd.Record
	for i := range o.places {
		out = append(out, o.places[i].rows[batch])
	}
	return out
}

// last is the last batch that left rows.
func (o *outside) last() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := int64(0)
	for i := range o.places {
		for b := range o.places[i].rows {
			n = max(n, b)
		}
	}
	return n
}

// sink is the way into this world.
func (o *outside) sink(name string) *sink.Spec {
	s := Collect(name)
	s.Durable = true
	s.Open = func(context.Context, sink.Env, sink.Schema) (sink.Output, error) { return o, nil }
	return s
}

// Lanes implements sink.Output.
func (o *outside) Lanes(context.Context, int) (int, error) { return o.lanes, nil }

// Route implements sink.Output, as a Runner does.
func (o *outside) Route(task int, first int64, rec rdd.Record, lanes int, lane []int32) {
	turns{}.Route(task, first, rec, lanes, lane)
}

// Lane implements sink.Output.
func (o *outside) Lane(_ context.Context, n, _ int, owner sink.Owner) (sink.Lane, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.places) <= n {
		o.places = append(o.places, place{})
	}
	p := &o.places[n]
	if h := p.holder; h != nil && h.owner.UUID == owner.UUID && h.owner.Timeline == owner.Timeline && owner.Epoch < h.owner.Epoch { // epochs count within a timeline (P5)
		return nil, fmt.Errorf("lane %d: epoch %d comes after %d: %w", n, owner.Epoch, h.owner.Epoch, sink.ErrFenced)
	}
	h := &holder{o: o, lane: n, owner: owner, marker: p.marker, marked: p.marked, staged: map[int64][]rdd.Record{}}
	p.holder = h
	return h, nil
}

// Close implements sink.Output.
func (o *outside) Close() error { return nil }

// holder is a lane in the hands of one owner.
type holder struct {
	o      *outside
	lane   int
	owner  sink.Owner
	marker sink.Marker // found when it was opened
	marked bool
	staged map[int64][]rdd.Record
}

// Marker implements sink.Lane.
func (h *holder) Marker() (sink.Marker, bool) { return h.marker, h.marked }

// Stage implements sink.Lane.
func (h *holder) Stage(_ context.Context, b sink.Batch, rows []rdd.Record) error {
	if err := h.Discard(b.Number - 1); err != nil {
		return err
	}
	h.staged[b.Number] = rows
	return nil
}

// Publish implements sink.Lane.
func (h *holder) Publish(_ context.Context, b sink.Batch) error {
	h.o.mu.Lock()
	defer h.o.mu.Unlock()
	p := &h.o.places[h.lane]
	if p.holder != h {
		return fmt.Errorf("lane %d: %w", h.lane, sink.ErrFenced)
	}
	rows, ok := h.staged[b.Number]
	if !ok || p.marked && p.marker.UUID == h.owner.UUID && p.marker.Batch >= b.Number {
		return nil // without rows, or published before
	}
	if h.o.breaking(b.Number) {
		return errBroken
	}
	delete(h.staged, b.Number)
	if p.rows == nil {
		p.rows = map[int64][]rdd.Record{}
	}
	p.rows[b.Number] = append(p.rows[b.Number], rows...)
	p.marker = sink.Marker{UUID: h.owner.UUID, Timeline: h.owner.Timeline, Batch: b.Number, PlanHash: b.PlanHash}
	p.marked = true
	return nil
}

// Discard implements sink.Lane.
func (h *holder) Discard(after int64) error {
	for b := range h.staged {
		if b > after {
			delete(h.staged, b)
		}
	}
	return nil
}

// Flush implements sink.Lane.
func (h *holder) Flush(context.Context) error { return nil }

// Close implements sink.Lane.
func (h *holder) Close() error { return nil }
