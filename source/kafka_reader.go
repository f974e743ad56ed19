package source

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/kafkafetch"
	"github.com/millrace/millrace/internal/records"
)

// fetchAhead is how many bytes of blocks one reader keeps before its partition is left out of fetches.
const fetchAhead = 1 << 20

// noLeader is the leader of a partition that has to be looked for.
const noLeader = -1

// kafkaReader is one partition's read-ahead: blocks that a kafkaLeader has put in and Next takes out.
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
	wrote  int32 // epoch of the leader that wrote what was read last, -1 unknown
	end    int64
	err    error
	closed bool
	leader int32 // the broker to ask
	epoch  int32 // of the leader, -1 unknown
}

// wanted is what to ask a partition's leader for.
type wanted struct {
	r            *kafkaReader
	next         int64
	epoch, wrote int32
}

// wants tells what is to be fetched from a broker, and whether something would be if there was room.
func (r *kafkaReader) wants(leader int32) (w wanted, ok, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.err != nil || r.leader != leader {
		return w, false, false
	}
	return wanted{r, r.next, r.epoch, r.wrote}, r.bytes < fetchAhead, r.bytes >= fetchAhead
}

// refused is why a broker sent nothing.
func refused(w wanted, p *kmsg.FetchResponseTopicPartition) error {
	if d := p.DivergingEpoch; d.EndOffset >= 0 && d.EndOffset < w.next {
		return fmt.Errorf("offset %d: %w (a leader that lost records was elected, its records of that time end at %d); start with a new --checkpoint", w.next, ErrBeyondEnd, d.EndOffset)
	}
	return kerr.ErrorForCode(p.ErrorCode)
}

// take keeps what a broker answered. It is false if the partition's leader is to be looked for.
func (r *kafkaReader) take(w wanted, p *kmsg.FetchResponseTopicPartition, got kafkafetch.Decoded, failed error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.next != w.next || r.err != nil {
		free(got.Blocks)
		return true
	}
	if p.LastStableOffset >= 0 {
		r.end = p.LastStableOffset
	}
	for _, b := range got.Blocks {
		r.blocks = append(r.blocks, b)
		r.bytes += b.Bytes()
	}
	r.next = got.Next
	if got.Epoch >= 0 {
		r.wrote = got.Epoch
	}
	known := true
	switch {
	case failed == nil:
	case kerr.IsRetriable(failed):
		r.leader, known = noLeader, false
	default:
		r.err = failed
	}
	r.wake()
	return known
}

func free(blocks []*records.Block) {
	for _, b := range blocks {
		b.Free()
	}
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
		b, err := r.pop()
		if errors.Is(err, kerr.OffsetOutOfRange) {
			if err = r.outOfRange(ctx); err == nil {
				continue
			}
		} else if err != nil {
			err = r.c.explain(r.part, err)
		}
		if b != nil || err != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ready:
		}
	}
}

// pop is the first block, or why there is none and will be none; nil: not yet.
func (r *kafkaReader) pop() (*records.Block, error) {
	r.mu.Lock()
	if len(r.blocks) == 0 {
		defer r.mu.Unlock()
		return nil, r.err
	}
	b := r.blocks[0]
	r.blocks[0], r.blocks = nil, r.blocks[1:]
	full := r.bytes >= fetchAhead
	r.bytes -= b.Bytes()
	leader, room := r.leader, full && r.bytes < fetchAhead
	r.mu.Unlock()
	if room {
		r.f.wake(leader)
	}
	return b, nil
}

// outOfRange tells an offset that retention removed from one that never was. With Env.Reset the former goes on at the earliest
// offset: it returns nil and the partition is fetched on.
func (r *kafkaReader) outOfRange(ctx context.Context) error {
	first, end, err := r.c.bounds(ctx, r.part)
	if err != nil {
		return err
	}
	r.mu.Lock()
	next := r.next // nothing is fetched before err is nil again
	r.mu.Unlock()
	if next > end {
		return fmt.Errorf("kafka topic %s partition %d: offset %d: %w (it ends at %d): the topic was made anew or truncated; restore it, or start with a new --checkpoint", r.c.topic, r.part, next, ErrBeyondEnd, end)
	}
	if next < first && !r.c.env.Reset {
		return fmt.Errorf("kafka topic %s partition %d: offset %d: %w (the earliest is %d): retention removed records that were not read; start with --on-offset-gone reset to go on at %d", r.c.topic, r.part, next, ErrOffsetGone, first, first)
	}
	if next < first { // or it is a late answer to an earlier fetch
		r.c.env.Log.Warn("offsets skipped: retention removed them before they were read", "topic", r.c.topic, "partition", r.part, "from", next, "until", first, "records", first-next)
	}
	r.mu.Lock()
	r.err, r.next, r.wrote = nil, max(first, next), -1
	leader := r.leader
	r.mu.Unlock()
	r.f.wake(leader)
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
	free(r.blocks)
	r.closed, r.blocks = true, nil
	r.mu.Unlock()
	if already {
		return nil
	}
	if !r.shared {
		r.f.close()
		return nil
	}
	r.f.remove(r)
	r.c.mu.Lock()
	delete(r.c.readers, r.part)
	r.c.mu.Unlock()
	return nil
}
