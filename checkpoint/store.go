package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
)

// Options say how a store is opened.
type Options struct {
	Log      *slog.Logger // nil: nothing is logged
	Clock    clock.Clock  // nil: the system's; only stamps segments, for show
	Job      string       // job name, kept for show and checked on reopening; "" is not checked
	Volatile bool         // no fsync anywhere: a temporary directory of a job without --checkpoint
	Random   io.Reader    // of UUIDs; nil: crypto/rand

	openFile func(path string, reserve int64) (logFile, error) // tests; nil: openLogFile
	roll     int64                                             // tests; 0: segmentBytes
}

// ErrFenced is returned once another driver with a higher epoch has taken the checkpoint over (P4, I9).
var ErrFenced = errors.New("another driver has taken over this checkpoint")

// ErrDamaged is in the chain of every error about bytes that do not match their checksum or cannot be read back.
var ErrDamaged = errors.New("damaged")

// Recovered is what a checkpoint knew when it was opened.
type Recovered struct {
	Fresh      bool   // the directory was new
	UUID       string // P5
	Timeline   int64
	Epoch      int64                    // ours: higher than any before
	Committed  int64                    // last committed batch, 0 for none
	Planned    []Plan                   // planned and not committed, ascending, without gaps
	Last       *Plan                    // the last plan of all, nil for none
	Positions  map[string]map[int]int64 // source -> partition -> next offset behind the last plan
	Partitions []Partition              // every partition ever planned, by (source, number)
	Targets    []Range                  // of the first record (P32)
	Operators  []Operator
	Deltas     []DeltaRef // of committed batches, from Horizon's base on, ascending by (batch, file)
	Durable    int64      // state files up to this batch are fsynced; later ones may be torn or missing
	Finished   bool
	TornBytes  int64     // cut from the end of the batch log
	Totals     []Total   // of accumulators, by name, up to batch Committed
	Reached    []Reached // of event-time inputs, by name, up to batch Committed
}

// Store is an open checkpoint: one driver's. Append is called by one goroutine; other methods may be called concurrently with it.
//
// The first failed write or sync closes the log for good: what the disk holds is then unknown, and only opening again tells.
type Store struct {
	dir   string
	o     Options
	epoch int64
	state *StateDir
	index *index

	// writing orders the log's frames. It is held across the write and its fdatasync: that is what it is for.
	writing sync.Mutex
	file    logFile
	at      place // where the next frame goes
	head    int64 // length of the segment's header
	buf     []byte
	broken  error // why the log takes no more

	// putting lets either a value be put or values be removed: one that comes back must not be removed behind its putting. It is held across their I/O.
	putting sync.Mutex

	mu      sync.Mutex // guards what follows
	ledger  *ledger
	old     []segment // before the current one
	current segment
	synced  int64            // state files up to this batch are fsynced; ledger.durable follows with the next frame
	fresh   map[[32]byte]int // values put by this driver, how often: kept though no plan names them yet
}

// Append writes one frame, the commits and then the plan (either may be absent), and returns when it is durable: one fdatasync. ErrFenced: see there.
// A plan for a batch that is planned but not committed takes the place of that plan and of all later ones (P1). Commits come in order, each with its
// plan's hash (I4).
func (s *Store) Append(plan *Plan, commits []Commit) error {
	if plan == nil && len(commits) == 0 {
		return nil
	}
	return s.write(&entry{Plan: plan, Commits: commits})
}

// write appends e to the log and returns when it is durable and cannot have been missed by a later driver.
func (s *Store) write(e *entry) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if err := s.check(e); err != nil {
		return fmt.Errorf("checkpoint %s: %w", s.dir, err)
	}
	at, err := s.put(e)
	if err != nil {
		s.broken = explain(s.dir, err)
		return s.broken
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.apply(e, at)
	s.current.note(e)
	s.current.bytes = s.at.off
	return nil
}

// check lets the ledger judge e, and lets e carry what else is to be recorded.
func (s *Store) check(e *entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.synced > s.ledger.durable {
		e.Durable = s.synced
	}
	return s.ledger.check(e)
}

// put makes e's frame durable, in a new segment if this one is full. The caller holds writing.
func (s *Store) put(e *entry) (place, error) {
	payload, err := encoding.Marshal(e)
	if err != nil {
		return place{}, fmt.Errorf("encode batch log entry: %w", err)
	}
	if len(payload) > maxPayload {
		return place{}, fmt.Errorf("batch log entry has %d bytes, the limit is %d", len(payload), maxPayload)
	}
	// A long header, of a job with very many partitions, is not written again for each few frames.
	if s.at.off > s.head && s.at.off-s.head+frameOverhead+int64(len(payload)) > max(s.o.roll, s.head/4) {
		if err := s.rollOver(); err != nil {
			return place{}, err
		}
	}
	if fault.Planted("slow-batch-log") { // no fault by itself: it makes I1-publish show
		<-s.o.Clock.After(40 * time.Millisecond)
	}
	at := s.at
	s.buf = appendFrame(s.buf[:0], at, payload)
	if _, err := s.file.WriteAt(s.buf, at.off); err != nil {
		return place{}, err
	}
	fault.Crash("log-before-sync")
	if !s.o.Volatile && !fault.Planted("P3-nosync") {
		if err := s.file.Sync(); err != nil {
			return place{}, err
		}
	}
	fault.Crash("log-after-sync")
	s.at.off += int64(len(s.buf))
	return at, s.fenced()
}

// Plans reads plan records [from, until] back, for lineage. Plans from Horizon on are there.
func (s *Store) Plans(from, until int64) ([]Plan, error) {
	var list []Plan
	for b := from; b <= until; b++ {
		p, err := s.planOf(b)
		if err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", s.dir, err)
		}
		list = append(list, *p)
	}
	return list, nil
}

func (s *Store) planOf(b int64) (*Plan, error) {
	s.mu.Lock()
	l := s.ledger
	if b == l.committed && l.last != nil {
		defer s.mu.Unlock()
		return l.last, nil
	}
	if b > l.committed && b <= l.lastPlanned() {
		defer s.mu.Unlock()
		p := l.planned[b-l.committed-1]
		return &p, nil
	}
	at, ok := l.places[b]
	s.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("there is no plan of batch %d: it was pruned or never written", b)
	}
	return readPlan(s.dir, b, at)
}

// Commit is what was recorded when batch b was committed, but for its deltas. ok is false if the log does not reach back to it.
func (s *Store) Commit(b int64) (c Commit, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := slices.BinarySearchFunc(s.ledger.stats, b, func(c Commit, b int64) int { return cmp.Compare(c.Batch, b) })
	if ok {
		c = s.ledger.stats[i]
	}
	return c, ok
}

// Deltas are the refs to committed state that restoring may need, from Horizon on, ascending by (batch, file). They lack what
// SetOperators dropped.
func (s *Store) Deltas() []DeltaRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.refs()
}

// Operators are what SetOperators recorded, by name.
func (s *Store) Operators() []Operator {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger.operators)
}

// Replace puts refs, which lineage computed again because files were torn or missing, in the place of the refs of all committed batches above
// after. It returns when that is durable.
func (s *Store) Replace(after int64, refs []DeltaRef) error {
	return s.write(&entry{Replaced: &replaced{After: after, Deltas: refs}})
}

// NewTimeline begins a new timeline (P5, --sink-adopt) and returns its number, durably.
func (s *Store) NewTimeline() (int64, error) {
	s.mu.Lock()
	next := s.ledger.timeline + 1
	s.mu.Unlock()
	return next, s.write(&entry{Timeline: next})
}

// Finish marks the job finished (P30): a restart refuses.
func (s *Store) Finish() error { return s.write(&entry{Finished: true}) }

// Close writes the index and releases the checkpoint. Nothing that was acknowledged depends on it.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.file == nil {
		return nil
	}
	s.mu.Lock()
	synced, recorded := s.synced, s.ledger.durable
	s.mu.Unlock()
	var errs []error
	if s.broken == nil && synced > recorded {
		e := &entry{Durable: synced}
		if at, err := s.put(e); err == nil {
			s.mu.Lock()
			s.ledger.apply(e, at)
			s.mu.Unlock()
		} else if !errors.Is(err, ErrFenced) {
			errs = append(errs, err)
		}
	}
	if s.broken == nil {
		errs = append(errs, s.writeIndex())
	}
	errs = append(errs, s.index.close(), s.file.Close())
	if s.broken == nil {
		errs = append(errs, cut(s.path(logDir, segmentName(s.at.segment)), s.at.off))
	}
	s.file = nil
	s.broken = fmt.Errorf("checkpoint %s is closed", s.dir)
	return explain(s.dir, errors.Join(errs...))
}

// path is a name within the checkpoint.
func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}
