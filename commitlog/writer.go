package commitlog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/assert"
)

// Writer appends to one partition. It is the only one that does, in all processes of the machine, until it is closed or (Topic.Own)
// fenced. It is safe for concurrent use.
//
// Add and Append hand records over and return; they become durable, and visible to readers, together with others within
// Options.SyncInterval. Sync waits for that. Commit writes a batch as a whole and waits. A failed write or fsync (a full disk) changes
// nothing on disk: appended records stay in memory and are tried again, a commit is given back with the error.
type Writer struct {
	p        *partition
	settings Settings
	lease    *lease
	tail     *tail // the committer's
	rec      Recovery

	wake, kick chan struct{}      // records came; do not wait for the interval
	rolled     chan int64         // to the cleaner: the base of a segment that was begun
	compacting chan struct{}      // holds a token while a compaction runs
	cleanUntil int64              // the cleaner's: segments before were compacted
	stop       context.CancelFunc // ends committer and cleaner
	gone       chan struct{}      // closed when the committer has ended
	cleaned    chan struct{}      // closed when the cleaner has

	mu      sync.Mutex // guards all below
	pending []run      // in order; the last may take more appended records
	spare   []*Batch   // empty batches whose memory can be used again, at most maxSpare
	bytes   int        // of appended records in pending
	next    int64      // offset that the next record will have
	waiters []chan error
	room    chan struct{} // closed and renewed when pending has shrunk
	failed  error         // of the last group, nil after a good one
	fenced  error         // for ever
	closed  bool
	counts  Counts

	announced bool // the journal expects a commit of what is pending
}

// Counts are what a Writer did.
type Counts struct{ Records, Bytes, Syncs int64 }

// Writer opens partition p for appending. ErrLocked: another process writes it; the message has its pid. It recovers the partition
// first (see Recovered). ErrDamaged: what readers have seen cannot be found any more; nothing was changed.
func (t *Topic) Writer(p int) (*Writer, error) { return t.open(p, nil) }

// Own is Writer for a job's sink: it takes the partition over from an earlier owner of the same job, even from one that still lives,
// whose next append is refused with ErrFenced (I9). ErrFenced: the partition belongs to a higher epoch.
func (t *Topic) Own(p int, o Owner) (*Writer, error) { return t.open(p, &o) }

func (t *Topic) open(p int, o *Owner) (*Writer, error) {
	part, err := t.log.partition(t.name, p)
	if err != nil {
		return nil, err
	}
	if err := absorb(filepath.Dir(part.dir), &t.log.opt); err != nil {
		return nil, part.wrap(err)
	}
	l, err := acquire(part, o)
	if err != nil {
		return nil, err
	}
	tail, rec, err := openTail(part)
	l.unlock()
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	w := &Writer{p: part, settings: t.settings, lease: l, tail: tail, rec: rec, next: tail.next, room: make(chan struct{}),
		wake: make(chan struct{}, 1), kick: make(chan struct{}, 1), gone: make(chan struct{}), cleaned: make(chan struct{}),
		rolled: make(chan int64, 1), compacting: make(chan struct{}, 1)}
	tail.member = t.log.journal(t.name).join(w)
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go w.run(ctx) // both end with Close, which waits for them
	go w.clean(ctx)
	return w, nil
}

// Recovered says what was found and cut when the writer was opened.
func (w *Writer) Recovered() Recovery { return w.rec }

// Add appends one record; see Batch.Add. It blocks while Options.MaxPending bytes wait for the disk, and returns the disk's error if they
// wait because it fails.
func (w *Writer) Add(key, value []byte, micros int64) error {
	size := len(key) + len(value)
	if size > MaxRecord {
		return tooLong(size)
	}
	if err := w.reserve(size); err != nil {
		return err
	}
	w.taking(size).add(key, value, micros)
	w.next++
	w.mu.Unlock()
	return nil
}

// Append appends the records of b, which stays the caller's, and returns the offset that the first will have. It blocks as Add does.
func (w *Writer) Append(b *Batch) (first int64, err error) {
	if err := w.reserve(b.Bytes()); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	first = w.next
	if err := w.taking(b.Bytes()).Append(b); err != nil {
		return 0, err
	}
	w.next += int64(b.Len())
	return first, nil
}

// reserve waits until size more bytes may be pending, and returns with mu held if there is no error.
func (w *Writer) reserve(size int) error {
	w.mu.Lock()
	for {
		err := w.refusal()
		if err == nil && w.bytes > 0 && w.bytes+size > w.p.log.opt.MaxPending {
			err = w.failed
			if err == nil {
				room := w.room
				w.mu.Unlock()
				signal(w.kick)
				<-room
				w.mu.Lock()
				continue
			}
		}
		if err != nil {
			w.mu.Unlock()
			return err
		}
		return nil
	}
}

func (w *Writer) refusal() error {
	if w.closed {
		return w.p.wrap(ErrClosed)
	}
	return w.fenced
}

// taking is the batch that takes appended records, of about size bytes.
func (w *Writer) taking(size int) *Batch {
	if w.bytes == 0 {
		signal(w.wake)
	}
	w.bytes += size + 12
	if n := len(w.pending); n > 0 && w.pending[n-1].done == nil && w.pending[n-1].batch.Bytes()+size <= frameTarget {
		return w.pending[n-1].batch
	}
	if w.bytes > groupBytes {
		signal(w.kick)
	}
	b := new(Batch)
	if n := len(w.spare); n > 0 {
		b, w.spare = w.spare[n-1], w.spare[:n-1]
	} else if n := len(w.pending); n > 0 { // many records: this one will be as full as the last
		b.grow(w.pending[n-1].batch)
	}
	w.pending = append(w.pending, run{batch: b})
	return b
}

const (
	// groupBytes is how much is pending before it is written without waiting for the sync interval.
	groupBytes = 4 << 20
	maxSpare   = 16
)

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Sync waits until everything that was added before is durable. An error says why it is not; the records are still pending.
func (w *Writer) Sync(ctx context.Context) error {
	w.mu.Lock()
	if err := w.refusal(); err != nil {
		w.mu.Unlock()
		return err
	}
	c := make(chan error, 1)
	w.waiters = append(w.waiters, c)
	w.mu.Unlock()
	signal(w.kick)
	return w.await(ctx, c)
}

// Commit appends the records of b (which may be none) as a whole, with a marker if that is not nil, and waits until they are durable and
// visible. It returns the first record's offset. With an error nothing of b is in the log. b must not change until Commit has
// returned; cancelling ctx does not stop a commit that has begun.
func (w *Writer) Commit(ctx context.Context, b *Batch, marker []byte) (first int64, err error) {
	if len(marker) > MaxMarker || marker != nil && len(marker) == 0 {
		return 0, w.p.wrap(fmt.Errorf("marker of %d bytes: use 1 to %d", len(marker), MaxMarker))
	}
	if err := ctx.Err(); err != nil {
		return 0, w.p.wrap(err)
	}
	r := run{batch: b, marker: marker, done: make(chan error, 1)}
	w.mu.Lock()
	if err := w.refusal(); err != nil {
		w.mu.Unlock()
		return 0, err
	}
	first = w.next
	w.next += int64(b.Len())
	w.pending = append(w.pending, r)
	w.announce()
	w.mu.Unlock()
	signal(w.kick)
	return first, <-r.done // the committer answers each run, also when it ends
}

// announce tells the journal that a commit is under way, for which others wait a moment. mu is held.
func (w *Writer) announce() {
	if !w.announced {
		w.announced = true
		w.tail.member.j.coming.Add(1)
	}
}

// hurry has appended records that are pending written now.
func (w *Writer) hurry() {
	w.mu.Lock()
	pending := w.bytes > 0
	w.mu.Unlock()
	if pending {
		signal(w.kick)
	}
}

func (w *Writer) await(ctx context.Context, c chan error) error {
	select {
	case err := <-c:
		return err
	case <-ctx.Done():
		return w.p.wrap(ctx.Err())
	}
}

// Marker is the last marker that was committed to the partition, found when the writer was opened or given since. nil: none.
func (w *Writer) Marker() ([]byte, error) {
	if err := w.lease.lock(); err != nil {
		return nil, err
	}
	defer w.lease.unlock()
	m, err := w.tail.marker()
	return m, w.p.wrap(err)
}

// Next is the offset that the next record will have.
func (w *Writer) Next() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// Counts are what the writer did up to now.
func (w *Writer) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// Close writes what is pending, makes it durable and gives the partition up. The error says if that failed: then the records are lost.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.mu.Unlock()
	w.stop()
	<-w.gone
	<-w.cleaned
	w.mu.Lock()
	err := w.failed
	if w.fenced != nil {
		err = nil // its owner knows from the append that was refused
	}
	assert.True(len(w.waiters) == 0, "a closed writer leaves %d waiters", len(w.waiters))
	w.mu.Unlock()
	return errors.Join(err, w.tail.close(), w.p.log.leave(w.p.topic, w.tail.member.j), w.lease.close())
}

// retentionEvery is how often an open writer looks for segments that are too old.
const retentionEvery = time.Minute
