package source

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/records"
)

// fetchAhead is how many bytes of blocks one reader keeps before the client stops fetching its partition.
const fetchAhead = 2 << 20

// kafkaFetcher is one client and the goroutine that polls it, which close waits for.
type kafkaFetcher struct {
	cl   *kgo.Client
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex // guards readers
	readers map[int32]*kafkaReader
}

func (c *kafkaConnector) newFetcher() (*kafkaFetcher, error) {
	opts, err := c.clientOptions()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka %s: %w", c.brokers(), err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &kafkaFetcher{cl: cl, stop: stop, done: make(chan struct{}), readers: map[int32]*kafkaReader{}}
	go f.poll(ctx)
	return f, nil
}

func (f *kafkaFetcher) close() {
	f.stop()
	<-f.done
	f.cl.Close()
}

func (f *kafkaFetcher) reader(c *kafkaConnector, part int32, from int64, shared bool) *kafkaReader {
	r := &kafkaReader{c: c, f: f, part: part, shared: shared, next: from, end: -1, ready: make(chan struct{}, 1)}
	f.mu.Lock()
	f.readers[part] = r
	f.mu.Unlock()
	f.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.topic: {part: kgo.NewOffset().At(from)}})
	return r
}

// poll hands fetched records to the readers until the fetcher is closed.
func (f *kafkaFetcher) poll(ctx context.Context) {
	defer close(f.done)
	for {
		fetches := f.cl.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		fetches.EachPartition(func(t kgo.FetchTopicPartition) {
			f.mu.Lock()
			r := f.readers[t.Partition]
			f.mu.Unlock()
			if r != nil {
				r.take(&t.FetchPartition)
			}
		})
	}
}

// kafkaReader is one partition's read-ahead: blocks that poll has put in and Next takes out.
type kafkaReader struct {
	c      *kafkaConnector
	f      *kafkaFetcher
	part   int32
	shared bool
	ready  chan struct{} // has an element when Next should look again

	mu     sync.Mutex // guards what follows
	blocks []*records.Block
	bytes  int64
	next   int64 // offset behind the last block
	end    int64
	err    error
	paused bool
	closed bool
}

// take makes blocks of what was fetched and pauses the partition when enough is held.
func (r *kafkaReader) take(p *kgo.FetchPartition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if p.LastStableOffset >= 0 {
		r.end = p.LastStableOffset
	}
	for recs := p.Records; len(recs) > 0; {
		b, n := kafkaBlock(recs, r.next)
		recs = recs[n:]
		r.next = b.Next
		r.blocks = append(r.blocks, b)
		r.bytes += b.Bytes()
	}
	if p.Err != nil && r.err == nil && !kerr.IsRetriable(p.Err) {
		r.err = p.Err
	}
	if r.bytes > fetchAhead && !r.paused {
		r.paused = true
		r.f.cl.PauseFetchPartitions(map[string][]int32{r.c.topic: {r.part}})
	}
	r.wake()
}

func (r *kafkaReader) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Next is the next block; see Reader.
func (r *kafkaReader) Next(ctx context.Context) (*records.Block, error) {
	for {
		if b, err := r.pop(ctx); b != nil || err != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ready:
		}
	}
}

func (r *kafkaReader) pop(ctx context.Context) (*records.Block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.blocks) > 0 {
		b := r.blocks[0]
		r.blocks = r.blocks[1:]
		r.bytes -= b.Bytes()
		if r.paused && r.bytes < fetchAhead/2 {
			r.paused = false
			r.f.cl.ResumeFetchPartitions(map[string][]int32{r.c.topic: {r.part}})
		}
		return b, nil
	}
	if r.err == nil {
		return nil, nil
	}
	if errors.Is(r.err, kerr.OffsetOutOfRange) {
		return nil, r.outOfRange(ctx)
	}
	return nil, r.c.explain(r.part, r.err)
}

// outOfRange tells an offset that retention removed from one that never was. With Env.Reset the former goes on at the earliest
// offset: it returns nil and the client fetches on. r.mu is held.
func (r *kafkaReader) outOfRange(ctx context.Context) error {
	first, end, err := r.c.bounds(ctx, r.part)
	if err != nil {
		return err
	}
	if r.next > end {
		return fmt.Errorf("kafka topic %s partition %d: offset %d: %w (it ends at %d): the topic was made anew or truncated; restore it, or start with a new --checkpoint", r.c.topic, r.part, r.next, ErrBeyondEnd, end)
	}
	if r.next < first && !r.c.env.Reset {
		return fmt.Errorf("kafka topic %s partition %d: offset %d: %w (the earliest is %d): retention removed records that were not read; start with --on-offset-gone reset to go on at %d", r.c.topic, r.part, r.next, ErrOffsetGone, first, first)
	}
	if r.next < first { // or it is a late answer to an earlier fetch
		r.c.env.Log.Warn("offsets skipped: retention removed them before they were read", "topic", r.c.topic, "partition", r.part, "from", r.next, "until", first, "records", first-r.next)
	}
	r.err, r.next = nil, max(first, r.next)
	r.f.cl.RemoveConsumePartitions(map[string][]int32{r.c.topic: {r.part}}) // it has given the partition up
	r.f.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.c.topic: {r.part: kgo.NewOffset().At(r.next)}})
	return nil
}

// End is the last stable offset that a fetch showed.
func (r *kafkaReader) End() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end
}

// Close stops fetching the partition.
func (r *kafkaReader) Close() error {
	r.mu.Lock()
	already := r.closed
	r.closed, r.blocks = true, nil
	r.mu.Unlock()
	if already {
		return nil
	}
	if !r.shared {
		r.f.close()
		return nil
	}
	r.f.mu.Lock()
	delete(r.f.readers, r.part)
	r.f.mu.Unlock()
	r.f.cl.RemoveConsumePartitions(map[string][]int32{r.c.topic: {r.part}})
	r.f.cl.ResumeFetchPartitions(map[string][]int32{r.c.topic: {r.part}})
	r.c.mu.Lock()
	delete(r.c.readers, r.part)
	r.c.mu.Unlock()
	return nil
}
