package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/sink"
)

// store is a sink in memory with lanes, fencing and markers. It outlives executors, as a broker would.
type store struct {
	mu    sync.Mutex
	lanes map[LaneID]*storeLane
	fail  func(l LaneID, batch int64, verb string) error // nil: nothing fails
}

type storeLane struct {
	owner     *storeWriter
	marker    sink.Marker
	published map[int64]string // rows as text
	order     []int64
	flushed   int
}

func newStore() *store { return &store{lanes: map[LaneID]*storeLane{}} }

func (s *store) sink(name string) sink.Sink {
	return sink.New(&sink.Spec{Name: name, Kind: "store", Text: "store " + name, Open: func(context.Context, sink.Env, sink.Schema) (sink.Output, error) {
		return &storeOutput{s, name}, nil
	}})
}

type storeOutput struct {
	s    *store
	name string
}

func (o *storeOutput) Lanes(context.Context, int) (int, error) { return 2, nil }
func (o *storeOutput) Close() error                            { return nil }
func (o *storeOutput) Route(task int, first int64, rec arrow.Record, lanes int, lane []int32) {
	for i := range int(rec.NumRows()) {
		lane[i] = int32((int64(task) + first + int64(i)) % int64(lanes))
	}
}

func (o *storeOutput) Lane(_ context.Context, n, _ int, owner sink.Owner) (sink.Lane, error) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	id := LaneID{o.name, n}
	l := o.s.lanes[id]
	if l == nil {
		l = &storeLane{published: map[int64]string{}}
		o.s.lanes[id] = l
	}
	w := &storeWriter{s: o.s, id: id, l: l, o: owner, staged: map[int64]string{}, m: l.marker}
	l.owner = w
	return w, nil
}

type storeWriter struct {
	s      *store
	id     LaneID
	l      *storeLane
	o      sink.Owner
	m      sink.Marker
	staged map[int64]string
}

func (w *storeWriter) Marker() (sink.Marker, bool) { return w.m, w.m.Batch > 0 }

func (w *storeWriter) failing(b int64, verb string) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.fail == nil {
		return nil
	}
	return w.s.fail(w.id, b, verb)
}

func (w *storeWriter) Stage(_ context.Context, b sink.Batch, rows []arrow.Record) error {
	if err := w.failing(b.Number, "stage"); err != nil {
		return err
	}
	w.staged[b.Number] = rowsText(rows)
	return nil
}

func (w *storeWriter) Publish(_ context.Context, b sink.Batch) error {
	if err := w.failing(b.Number, "publish"); err != nil {
		return err
	}
	if err := w.publish(b); err != nil {
		return err
	}
	return w.failing(b.Number, "answer")
}

func (w *storeWriter) publish(b sink.Batch) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	text, ok := w.staged[b.Number]
	switch {
	case w.l.owner != w:
		return sink.ErrFenced
	case !ok:
		return fmt.Errorf("batch %d was not staged", b.Number)
	case b.Number <= w.l.marker.Batch:
		return fmt.Errorf("batch %d was published before %d", b.Number, w.l.marker.Batch)
	}
	w.l.published[b.Number] = text
	w.l.order = append(w.l.order, b.Number)
	w.l.marker = sink.Marker{UUID: w.o.UUID, Timeline: w.o.Timeline, Batch: b.Number, PlanHash: b.PlanHash}
	return nil
}

func (w *storeWriter) Discard(int64) error { return nil }
func (w *storeWriter) Flush(context.Context) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.l.flushed++
	return nil
}
func (w *storeWriter) Close() error { return nil }

// rowsText shows rows so that equal rows are equal texts.
func rowsText(recs []arrow.Record) string {
	var b strings.Builder
	for _, rec := range recs {
		for i := range int(rec.NumRows()) {
			for c := range int(rec.NumCols()) {
				fmt.Fprintf(&b, "%s ", rec.Column(c).ValueStr(i))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// text is all that was published, by lane and batch.
func (s *store) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []LaneID
	for id := range s.lanes {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b LaneID) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	var b strings.Builder
	for _, id := range ids {
		for _, n := range s.lanes[id].order {
			fmt.Fprintf(&b, "%s/%d batch %d\n%s", id.Sink, id.Lane, n, s.lanes[id].published[n])
		}
	}
	return b.String()
}
