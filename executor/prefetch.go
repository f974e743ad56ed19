package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// Settings of reading ahead.
const (
	defaultPrefetch = 64 << 20
	heldEvery       = time.Millisecond // between reports, at least, if Settings do not say
	readRetryFirst  = 100 * time.Millisecond
	readRetryMost   = 5 * time.Second
	readRetries     = 8 // failures in a row after which Held says so (about 20 s)
)

// namedShare is the part of its size that a deferred block counts with. It lies on disk and not in memory until a task reads it, and then only for as long as it is pushed. But batches are as
// large as what is held, and what a batch makes of its records, and what waits for its end, is in memory: so it is no smaller.
const namedShare = 3

// counted is what a block counts against the bound of read-ahead.
func counted(b *records.Block) int64 {
	if b.Deferred() {
		return b.Bytes() / namedShare
	}
	return b.Bytes()
}

// pool is the memory for read-ahead, shared evenly over the partitions that this executor owns (I8). A partition holds at most its share of
// it, records of batches in flight included, and of records that no batch has yet at most share/(depth+1), so that the next batches find
// room while these are computed. What a partition holds passes its bound by one block at most.
type pool struct {
	each  atomic.Int64 // bytes a partition
	ahead atomic.Int64 // of these, before any batch has them
	held  atomic.Int64 // bytes held over all partitions
	stats *Stats
}

// share divides total over n partitions; 0 is the default, below 0 nothing is read ahead.
func (p *pool) share(total int64, n, depth int) {
	if total == 0 {
		total = defaultPrefetch
	}
	p.each.Store(total / int64(max(n, 1)))
	p.ahead.Store(total / int64(max(n, 1)*(depth+1)))
}

// reader is an own source partition. Its goroutine reads ahead; slots take ranges; the core plans and drops.
type reader struct {
	id      checkpoint.SourcePartition
	node    *rdd.Node
	part    source.Partition
	pool    *pool
	dirty   chan<- struct{} // the core's: there is something to report
	mutable bool            // history may change (P18)
	started bool            // the core's
	cancel  context.CancelFunc
	room    chan struct{} // something was planned or dropped

	mu        sync.Mutex // guards what follows
	connector source.Connector
	blocks    []*records.Block // ascending, covering [lo, hi)
	lo, hi    int64
	planned   int64 // offsets below are in batches
	bytes     int64 // of blocks
	fresh     fresh
	end       int64
	complete  bool
	err       string
	changed   bool // since the last report
}

// fresh is what no batch has whole: blocks[from:], kept in step so that a great many small blocks cost no more than their number.
type fresh struct {
	from        int
	bytes, rows int64
}

func newReader(id checkpoint.SourcePartition, n *rdd.Node, a SourceAssign, p *pool, dirty chan<- struct{}) *reader {
	spec, _ := n.Leaf.(*source.Spec)
	return &reader{
		id: id, node: n, part: source.Partition{Key: a.Partition.Key, Meta: a.Partition.Meta, Start: a.Partition.Start, End: -1},
		pool: p, dirty: dirty, mutable: spec != nil && spec.Mutable, room: make(chan struct{}, 1),
		lo: a.From, hi: a.From, planned: a.From, end: -1,
	}
}

// startReader begins to read ahead.
func (e *core) startReader(ctx context.Context, r *reader) {
	if e.sources[r.id] != r || r.started {
		return
	}
	r.started = true
	r.mu.Lock()
	r.connector = e.connectors[r.id.Source]
	r.mu.Unlock()
	ctx, r.cancel = context.WithCancel(ctx)
	if e.set.PrefetchBytes < 0 {
		return
	}
	e.group.Go(func() error {
		r.run(ctx, e)
		return nil
	})
}

// open tells whether the partition can be read.
func (r *reader) open() bool { return r.started }

// stop ends reading ahead. Ranges that were taken stay valid.
func (r *reader) stop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pool.held.Add(-r.bytes)
	r.blocks, r.bytes, r.lo, r.fresh = nil, 0, r.hi, fresh{}
}

// reaches tells whether reading ahead from an offset is what the reader does; then offsets from there on are free to be planned.
func (r *reader) reaches(from int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from < r.lo || from > r.hi || r.err != "" {
		return false
	}
	r.planned, r.changed, r.fresh = from, true, fresh{}
	for _, b := range r.blocks {
		r.fresh.bytes += counted(b)
		r.fresh.rows += int64(b.Len())
	}
	r.skipPlanned()
	r.signal() // a new driver has to hear of what was read while there was none
	return true
}

// run reads ahead until ctx ends, the partition is complete, or it cannot be read.
func (r *reader) run(ctx context.Context, e *core) {
	var rd source.Reader
	defer func() {
		if rd != nil {
			_ = rd.Close()
		}
	}()
	failures, pause := 0, readRetryFirst
	for r.wait(ctx) {
		err := guarded(func() (err error) {
			if rd == nil {
				if rd, err = r.connector.Reader(ctx, r.part, r.position()); err != nil {
					return err
				}
				r.note(func() { r.end = rd.End() }) // the driver learns where the end is even if nothing comes
			}
			b, err := r.next(ctx, rd)
			if err == nil {
				r.add(b, rd.End())
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures, pause = 0, readRetryFirst
			continue
		case errors.Is(err, io.EOF):
			r.note(func() { r.complete, r.end = true, r.hi })
			return
		case errors.Is(err, source.ErrOffsetGone), errors.Is(err, source.ErrBeyondEnd), errors.Is(err, source.ErrFileChanged), errors.Is(err, source.ErrLasting):
			r.note(func() { r.err = r.told(err) })
			return
		}
		failures++
		e.log.Warn("source not read, trying again", "source", r.id.Source, "partition", r.id.Partition, "err", err)
		if failures == readRetries {
			r.note(func() { r.err = r.told(err) })
			return
		}
		if rd != nil {
			_ = rd.Close()
			rd = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-e.clock.After(pause):
		}
		pause = min(2*pause, readRetryMost)
	}
}

// next is the next block. What cannot change is read when it is wanted, if the source can: what can change is journalled.
func (r *reader) next(ctx context.Context, rd source.Reader) (*records.Block, error) {
	if d, ok := rd.(source.Deferring); ok && !r.mutable {
		return d.NextDeferred(ctx)
	}
	return rd.Next(ctx)
}

func (r *reader) told(err error) string {
	return fmt.Sprintf("source %s partition %d: %v", r.id.Source, r.id.Partition, err)
}

func (r *reader) position() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hi
}

// wait returns when there is room for another block; false when ctx ends.
func (r *reader) wait(ctx context.Context) bool {
	for !r.hasRoom() {
		select {
		case <-ctx.Done():
			return false
		case <-r.room:
		}
	}
	return ctx.Err() == nil
}

// hasRoom: the first block without a batch is always let in, so that a partition never starves.
func (r *reader) hasRoom() bool {
	if fault.Planted("I8-bound") {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ahead := r.fresh.bytes
	return ahead == 0 || ahead < r.pool.ahead.Load() && r.bytes < r.pool.each.Load()
}

// skipPlanned takes blocks that batches have whole out of what is fresh. The caller holds mu.
func (r *reader) skipPlanned() {
	for f := &r.fresh; f.from < len(r.blocks) && r.blocks[f.from].Next <= r.planned; f.from++ {
		f.bytes -= counted(r.blocks[f.from])
		f.rows -= int64(r.blocks[f.from].Len())
	}
}

// add takes a block that was read.
func (r *reader) add(b *records.Block, end int64) {
	r.mu.Lock()
	if b.Next > r.hi {
		r.blocks = append(r.blocks, b)
		r.bytes += counted(b)
		r.fresh.bytes += counted(b)
		r.fresh.rows += int64(b.Len())
		r.pool.held.Add(counted(b))
		r.hi = b.Next
		r.skipPlanned() // batches of a restart are launched before their data is read
	}
	r.end, r.changed = end, true
	r.mu.Unlock()
	r.pool.stats.count(func(s *Stats) { s.prefetch = max(s.prefetch, r.pool.held.Load()) })
	r.signal()
}

// note changes what is reported.
func (r *reader) note(f func()) {
	r.mu.Lock()
	f()
	r.changed = true
	r.mu.Unlock()
	r.signal()
}

func (r *reader) signal() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// plan says that offsets below until are in a batch.
func (r *reader) plan(until int64) {
	r.mu.Lock()
	r.planned = max(r.planned, until)
	r.skipPlanned()
	r.mu.Unlock()
	r.wakeUp()
}

// drop forgets blocks below until: their batch is committed.
func (r *reader) drop(until int64) {
	r.mu.Lock()
	r.planned = max(r.planned, until)
	r.skipPlanned()
	for len(r.blocks) > 0 && r.blocks[0].Next <= until {
		n := counted(r.blocks[0])
		r.bytes -= n
		r.pool.held.Add(-n)
		r.blocks[0].Free()
		r.blocks[0] = nil
		r.blocks = r.blocks[1:]
		r.fresh.from--
	}
	r.lo = max(r.lo, min(until, r.hi))
	r.mu.Unlock()
	r.wakeUp()
}

func (r *reader) wakeUp() {
	select {
	case r.room <- struct{}{}:
	default:
	}
}

// take is the records of [from, until), if they are held. The caller is a user of the blocks.
func (r *reader) take(from, until int64) ([]*records.Block, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from < r.lo || until > r.hi {
		return nil, false
	}
	var out []*records.Block
	first := sort.Search(len(r.blocks), func(i int) bool { return r.blocks[i].Next > from })
	for _, b := range r.blocks[first:] {
		if b.First >= until {
			break
		}
		b.Keep()
		out = append(out, slice(b, from, until))
	}
	return out, true
}

func slice(b *records.Block, from, until int64) *records.Block {
	if b.First >= from && b.Next <= until {
		return b
	}
	return b.Slice(from, until)
}

// again reads [from, until) from the source: after a takeover or restart, and for a replay.
func (r *reader) again(ctx context.Context, from, until int64) (out []*records.Block, err error) {
	r.mu.Lock()
	c := r.connector
	r.mu.Unlock()
	rd, err := c.Reader(ctx, r.part, from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	for at := from; at < until; {
		b, err := r.next(ctx, rd)
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the partition ends at %d: %w", at, source.ErrBeyondEnd)
		}
		if err != nil {
			return nil, err
		}
		if b.First < until {
			out = append(out, slice(b, from, until))
		}
		at = max(at, b.Next)
	}
	return out, nil
}

// reportHeld tells the driver how far data is held, at most as often as Settings.HeldMicros allows.
func (e *core) reportHeld() {
	now, every := e.clock.Now(), time.Duration(e.set.HeldMicros)*time.Microsecond
	if every == 0 {
		every = heldEvery
	}
	if wait := every - now.Sub(e.heldAt); wait > 0 {
		if e.heldWake == nil {
			e.heldWake = e.clock.After(wait)
		}
		return
	}
	m := &Held{}
	for _, r := range e.sources {
		if p, ok := r.report(); ok {
			m.Parts = append(m.Parts, p)
		}
	}
	if len(m.Parts) > 0 {
		e.heldAt = now
		e.say(m)
	}
}

// report is what is held, if that changed.
func (r *reader) report() (HeldPart, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.changed {
		return HeldPart{}, false
	}
	r.changed = false
	p := HeldPart{Source: r.id.Source, Partition: r.id.Partition, Until: r.hi, End: r.end, Complete: r.complete, Err: r.err, Bytes: r.fresh.bytes, Rows: r.fresh.rows}
	if f := r.fresh.from; f < len(r.blocks) && r.blocks[f].First < r.planned {
		p.Rows -= int64(r.blocks[f].Len() - r.blocks[f].Slice(r.planned, r.blocks[f].Next).Len())
	}
	return p, true
}
