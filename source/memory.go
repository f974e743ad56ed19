package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
)

// Memory is a bounded source of fixed rows, for tests: batch i goes to partition i modulo Partitions, and offsets are row
// numbers in their partition. One block holds at most one batch. Rows must not change once given.
// Every process that runs the job builds the same rows, so Memory works with every master. Options: Partitions.
func Memory[T any](batches ...[]T) Source[T] { return MemoryOf(batches) }

// MemoryOf is Memory with options.
func MemoryOf[T any](batches [][]T, opts ...Option) Source[T] {
	o, err := collect("memory", opts, "Partitions")
	if err != nil {
		o.partitions = 1
	}
	f := NewFeed[T](o.partitions)
	for i, b := range batches {
		f.Push(i%o.partitions, b...)
	}
	f.End()
	s := f.Source("memory")
	s.spec.Err, s.spec.Local = err, false
	return s
}

// Feed is a source that a test pushes rows into while the job runs. It lives in one process. It is safe for concurrent use.
type Feed[T any] struct {
	mu    sync.Mutex // guards what follows
	parts []feedPart[T]
	ended bool
	moved chan struct{} // closed and replaced whenever something changes
}

// feedPart is one partition: its rows and where pushed batches end.
type feedPart[T any] struct {
	rows []T
	ends []int64
}

// NewFeed is an empty feed with that many partitions.
func NewFeed[T any](partitions int) *Feed[T] {
	return &Feed[T]{parts: make([]feedPart[T], max(partitions, 1)), moved: make(chan struct{})}
}

// Push appends rows to a partition, to be read at once. The rows must not change afterwards.
func (f *Feed[T]) Push(partition int, rows ...T) {
	if len(rows) == 0 {
		return
	}
	f.change(func() {
		p := &f.parts[partition]
		p.rows = append(p.rows, rows...)
		p.ends = append(p.ends, int64(len(p.rows)))
	})
}

// End says that no more rows come: readers reach io.EOF.
func (f *Feed[T]) End() { f.change(func() { f.ended = true }) }

func (f *Feed[T]) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.moved)
	f.moved = make(chan struct{})
}

// Source is the feed as a source of that name.
func (f *Feed[T]) Source(name string) Source[T] {
	return Of[T](&Spec{
		Name: name, Kind: "memory", Text: "memory", Local: true,
		Decoder: func() rdd.Decoder { return feedDecoder[T]{f} },
		Open: func(context.Context, Env) (Connector, error) {
			return feedConnector[T]{f}, nil
		},
	})
}

// feedConnector reads a feed.
type feedConnector[T any] struct{ f *Feed[T] }

// Partitions implements Connector.
func (c feedConnector[T]) Partitions(context.Context) ([]Partition, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	var out []Partition
	for i, p := range c.f.parts {
		out = append(out, Partition{Key: strconv.Itoa(i), End: int64(len(p.rows)), Complete: c.f.ended})
	}
	return out, nil
}

// Reader implements Connector.
func (c feedConnector[T]) Reader(_ context.Context, p Partition, from int64) (Reader, error) {
	i, err := strconv.Atoi(p.Key)
	if err != nil || i < 0 || i >= len(c.f.parts) {
		return nil, fmt.Errorf("memory source has %d partitions, none is %q", len(c.f.parts), p.Key)
	}
	return &feedReader[T]{c.f, i, from}, nil
}

// Close implements Connector.
func (c feedConnector[T]) Close() error { return nil }

// feedReader reads one partition of a feed. The key of a record names its partition, for the decoder, and its value is the row as CBOR.
type feedReader[T any] struct {
	f    *Feed[T]
	part int
	next int64
}

// Next implements Reader.
func (r *feedReader[T]) Next(ctx context.Context) (*records.Block, error) {
	for {
		rows, moved, err := r.batch()
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			return r.block(rows)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-moved:
		}
	}
}

// batch is what is left of the pushed batch that holds the next row; where there is none, a channel that is closed when that changes.
func (r *feedReader[T]) batch() ([]T, chan struct{}, error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	p := &r.f.parts[r.part]
	for _, end := range p.ends {
		if end > r.next {
			return p.rows[r.next:min(end, r.next+feedBlockRows)], nil, nil
		}
	}
	switch {
	case r.next > int64(len(p.rows)):
		return nil, nil, fmt.Errorf("memory source partition %d offset %d: end is %d: %w", r.part, r.next, len(p.rows), ErrBeyondEnd)
	case r.f.ended:
		return nil, nil, io.EOF
	}
	return nil, r.f.moved, nil
}

// feedBlockRows is how many rows a block holds at most.
const feedBlockRows = 4096

func (r *feedReader[T]) block(rows []T) (*records.Block, error) {
	b := &records.Block{First: r.next, Next: r.next + int64(len(rows))}
	b.Data = strconv.AppendInt(nil, int64(r.part), 10)
	key := records.Span{Len: uint32(len(b.Data))}
	for i := range rows {
		v, err := cbor.Marshal(&rows[i])
		if err != nil {
			return nil, fmt.Errorf("memory source partition %d offset %d: %w", r.part, r.next+int64(i), err)
		}
		b.Keys = append(b.Keys, key)
		b.Values = append(b.Values, records.Span{Off: uint32(len(b.Data)), Len: uint32(len(v))})
		b.Data = append(b.Data, v...)
	}
	b.Data = pad(b.Data)
	r.next = b.Next
	return b, nil
}

// End implements Reader.
func (r *feedReader[T]) End() int64 {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return int64(len(r.f.parts[r.part].rows))
}

// Close implements Reader.
func (r *feedReader[T]) Close() error { return nil }

// feedDecoder gives the rows themselves: what a round trip through bytes would change stays as the test wrote it.
type feedDecoder[T any] struct{ f *Feed[T] }

// Decode implements rdd.Decoder.
func (d feedDecoder[T]) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	if lo == hi {
		return rdd.Chunk{Vals: []T(nil)}, nil, nil
	}
	part, err := strconv.Atoi(string(b.Key(lo)))
	if err != nil {
		panic(errors.New("block of another source"))
	}
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	first := b.Offset(lo)
	return rdd.Chunk{N: hi - lo, Vals: d.f.parts[part].rows[first : first+int64(hi-lo) : first+int64(hi-lo)]}, nil, nil
}

// pad gives data the readable bytes behind its end that scanners want.
func pad(data []byte) []byte {
	if cap(data)-len(data) >= records.Padding {
		return data
	}
	return append(data, make([]byte, records.Padding)...)[:len(data)]
}
