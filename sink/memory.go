package sink

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
)

// memoryOutput is a sink of one lane that keeps staged rows in memory and hands them to deliver when the batch is published: console,
// callbacks, dead letters on standard error. It has no marker, so a batch may be delivered again after a restart (P12).
type memoryOutput struct {
	deliver func(ctx context.Context, b Batch, rows []arrow.Record) error
	limit   int64 // rows of a batch; 0: none
	close   func() error
}

func (o *memoryOutput) Lanes(context.Context, int) (int, error) { return 1, nil }

func (o *memoryOutput) Route(_ int, _ int64, _ arrow.Record, _ int, lane []int32) { clear(lane) }

func (o *memoryOutput) Lane(context.Context, int, int, Owner) (Lane, error) {
	return &memoryLane{out: o, staged: map[int64][]arrow.Record{}}, nil
}

func (o *memoryOutput) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// memoryLane holds at most as many batches as the driver stages ahead (Config.Depth), each within limit.
type memoryLane struct {
	out    *memoryOutput
	mu     sync.Mutex // guards staged and last
	staged map[int64][]arrow.Record
	last   int64
}

func (l *memoryLane) Marker() (Marker, bool) { return Marker{}, false }

func (l *memoryLane) Stage(_ context.Context, b Batch, rows []arrow.Record) error {
	var n int64
	for _, rec := range rows {
		n += rec.NumRows()
	}
	if l.out.limit > 0 && n > l.out.limit {
		return fmt.Errorf("batch %d has %d rows for a callback that takes at most %d: aggregate them first, make batches smaller (--max-rate), or raise CallbackRows", b.Number, n, l.out.limit)
	}
	if fault.Planted("P12-early") {
		return l.out.deliver(context.Background(), b, rows)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.discard(b.Number - 1)
	l.staged[b.Number] = rows
	return nil
}

func (l *memoryLane) Publish(ctx context.Context, b Batch) error {
	l.mu.Lock()
	rows, ok := l.staged[b.Number]
	done := b.Number <= l.last
	l.mu.Unlock()
	if done {
		return nil
	}
	if !ok {
		return fmt.Errorf("batch %d was not staged", b.Number)
	}
	if err := l.out.deliver(ctx, b, rows); err != nil {
		return err // still staged: a retry delivers it again
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.staged, b.Number)
	l.last = b.Number
	return nil
}

func (l *memoryLane) Discard(after int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.discard(after)
	return nil
}

func (l *memoryLane) discard(after int64) {
	for n := range l.staged {
		if n > after {
			delete(l.staged, n)
		}
	}
}

func (l *memoryLane) Flush(context.Context) error { return nil }

func (l *memoryLane) Close() error { return nil }
