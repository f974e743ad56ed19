package sink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/slot"
)

// stagePiece is about how many bytes of a batch are encoded before they go into the journal.
const stagePiece = 1 << 20

// fileLane is a lane of a file sink. One goroutine, run, owns all of its state; methods hand it closures. While a file
// is being rolled, a second goroutine works on w and on the journal that is not current; run waits for it before it ends.
//
//	Stage ──► journal a ──Publish: fdatasync──► pending ──64 MB or 1 s──► file + slot
//	          journal b ◄── takes over while a is rolled
type fileLane struct {
	w      *laneFiles
	stager stager
	found  *Marker // when the lane was opened

	inbox chan func()
	quit  chan struct{}
	once  sync.Once
	g     errgroup.Group

	// Owned by run.
	foreign      bool // the output belongs to another checkpoint; taken over at the first Stage, which the driver allows after --sink-adopt only
	journals     [2]*journal
	current      int
	gen          uint64
	staged       []*stagedBatch // ascending; not published
	last         *Marker        // the last published batch
	pending      []*stagedBatch // published, in the current journal, in no file yet
	pendingBytes int64
	timer        <-chan time.Time // rolls what is pending
	due          bool             // the timer has fired
	rolling      []*stagedBatch   // given to the roller; nil while none runs and none has failed
	rolled       chan error       // the roller's answer; nil while none runs
	fail         error            // for good
}

func newFileLane(w *laneFiles, s stager, foreign bool, found *Marker) *fileLane {
	l := &fileLane{w: w, stager: s, foreign: foreign, found: found, last: found, inbox: make(chan func()), quit: make(chan struct{})}
	l.g.Go(l.run)
	return l
}

func (l *fileLane) run() error {
	for {
		select {
		case f := <-l.inbox:
			f()
		case <-l.timer:
			l.timer, l.due = nil, true
			l.rollIfDue()
		case err := <-l.rolled:
			l.finishRoll(err)
			l.rollIfDue()
		case <-l.quit:
			return l.end()
		}
	}
}

// do runs f in the lane's goroutine.
func (l *fileLane) do(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	reply := make(chan error, 1)
	select {
	case l.inbox <- func() { reply <- placeError(l.w.dir, f()) }:
		return <-reply
	case <-l.quit:
		return errLaneClosed
	}
}

func (l *fileLane) Marker() (Marker, bool) {
	if l.found == nil {
		return Marker{}, false
	}
	return *l.found, true
}

func (l *fileLane) Stage(ctx context.Context, b Batch, rows []arrow.Record) error {
	return l.do(ctx, func() error {
		if err := l.ready(); err != nil {
			return err
		}
		if l.published(b.Number) {
			return nil // I5
		}
		l.discard(b.Number - 1)
		s := &stagedBatch{number: b.Number}
		if err := l.stage(s, b, rows); err != nil {
			return fmt.Errorf("stage batch %d: %w", b.Number, err)
		}
		l.staged = append(l.staged, s)
		fault.Crash("files-staged")
		if fault.Planted("P8-early") {
			return l.publish(b)
		}
		return nil
	})
}

// published tells whether batch n counts already (I5).
func (l *fileLane) published(n int64) bool {
	return l.last != nil && n <= l.last.Batch && !fault.Planted("I5-files")
}

// ready is an error if the lane cannot go on; a roll that failed for want of room is tried again.
func (l *fileLane) ready() error {
	if l.fail != nil {
		return l.fail
	}
	if l.foreign {
		if err := l.adopt(); err != nil {
			return err
		}
	}
	if l.rolling != nil && l.rolled == nil {
		l.startRoller()
		return l.waitRoll()
	}
	return nil
}

// adopt takes over an output of another checkpoint.
func (l *fileLane) adopt() error {
	if err := l.w.takeOver(); err != nil {
		return err
	}
	now, err := l.w.markerInFiles()
	if err != nil {
		return err
	}
	if now != nil && (l.found == nil || now.Batch != l.found.Batch || now.UUID != l.found.UUID) {
		return fmt.Errorf("lane %d: another job (checkpoint %s) still writes here: stop it first", l.w.lane, now.UUID)
	}
	l.foreign = false
	return nil
}

// stage appends the rows to the journal.
func (l *fileLane) stage(s *stagedBatch, b Batch, rows []arrow.Record) error {
	for _, rec := range rows {
		s.rows += rec.NumRows()
	}
	if s.rows == 0 {
		return nil // empty batches write nothing
	}
	if err := l.openJournals(); err != nil {
		return err
	}
	j := l.journals[l.current]
	start := j.end
	err := l.append(j, s, b, rows)
	if err != nil {
		j.cut(start)
	}
	return err
}

func (l *fileLane) append(j *journal, s *stagedBatch, b Batch, rows []arrow.Record) error {
	piece := frame{kind: kindData, flags: flagFirst, attempt: uint16(min(max(b.Attempt, 0), math.MaxUint16)), batch: b.Number}
	flush := func() error {
		payload, err := l.stager.take()
		if err != nil || piece.rows == 0 {
			return err
		}
		at, err := j.append(piece, payload)
		s.extents = append(s.extents, at)
		piece.flags, piece.rows = 0, 0
		return err
	}
	for _, rec := range rows {
		for lo := int64(0); lo < rec.NumRows(); lo += stageRows {
			part := rec.NewSlice(lo, min(lo+stageRows, rec.NumRows()))
			if err := l.stager.add(part); err != nil {
				_, _ = l.stager.take() // leaves nothing behind for the next attempt
				return err
			}
			piece.rows += uint32(part.NumRows())
			if l.stager.size() >= stagePiece {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// stageRows is how many rows are encoded at a time.
const stageRows = 8192

// openJournals makes the two journals, when the lane gets its first rows. An owner that comes after the check finds them and
// unlinks them: from then on nothing that we write can be seen by anybody (I9).
func (l *fileLane) openJournals() error {
	if l.journals[0] != nil {
		return nil
	}
	staging := filepath.Join(l.w.dir, stagingDir)
	var made [2]*journal
	var err error
	for i := range made {
		if made[i], err = createJournal(filepath.Join(staging, journalName(l.w.lane, l.w.owner.Epoch, l.w.opening, i))); err != nil {
			break
		}
	}
	if err == nil {
		err = slot.SyncDir(staging)
	}
	if err == nil && !fault.Planted("I9-files") {
		err = l.w.stillOwner()
	}
	if err == nil {
		l.gen++
		err = made[l.current].restart(l.gen)
	}
	if err != nil {
		for _, j := range made {
			if j != nil {
				err = errors.Join(err, j.close(), os.Remove(j.f.Name()))
			}
		}
		return err
	}
	l.journals = made
	return nil
}

func (l *fileLane) Publish(ctx context.Context, b Batch) error {
	return l.do(ctx, func() error {
		if err := l.ready(); err != nil {
			return err
		}
		if err := l.publish(b); err != nil {
			return fmt.Errorf("publish batch %d: %w", b.Number, err)
		}
		return nil
	})
}

func (l *fileLane) publish(b Batch) error {
	if l.published(b.Number) {
		return nil // I5
	}
	if len(l.staged) == 0 || l.staged[0].number != b.Number {
		return fmt.Errorf("lane %d: batch %d is not the next that was staged", l.w.lane, b.Number) // I4
	}
	s := l.staged[0]
	if s.rows == 0 {
		l.staged = l.staged[1:]
		return nil
	}
	s.marker = Marker{l.w.owner.UUID, l.w.owner.Timeline, b.Number, b.PlanHash}
	if err := l.makeDurable(s); err != nil {
		return err
	}
	l.staged = l.staged[1:]
	l.last = &s.marker
	if len(l.pending) == 0 {
		l.timer, l.due = l.w.clock.After(l.w.opts.rollEvery), false
	}
	l.pending = append(l.pending, s)
	l.pendingBytes += s.bytes()
	if l.rolled != nil && l.pendingBytes > 2*l.w.opts.rollSize { // I8: the journal's limit; wait for room
		if err := l.waitRoll(); err != nil {
			return err
		}
	}
	l.rollIfDue()
	return nil
}

// makeDurable makes s count as published: one fdatasync, and then a look whether anybody has taken the lane over meanwhile.
func (l *fileLane) makeDurable(s *stagedBatch) error {
	j := l.journals[l.current]
	if fault.Planted("P7-marker") {
		if err := writeMarkerApart(l.w, s.marker); err != nil {
			return err
		}
	}
	if err := j.publish(s); err != nil {
		err = fmt.Errorf("staging journal: %w", err)
		if errors.Is(err, errSync) {
			l.fail = err // whoever opens the lane next reads what is there, and knows
		}
		return err
	}
	if fault.Planted("I9-files") {
		return nil
	}
	err := l.w.stillOwner()
	if err == nil && unlinked(j.f) {
		err = fmt.Errorf("lane %d: its staging journal was removed: %w", l.w.lane, ErrFenced)
	}
	if errors.Is(err, ErrFenced) {
		l.fail = err
	}
	return err
}

// unlinked tells whether f has no name any more.
func unlinked(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

func (l *fileLane) Discard(after int64) error {
	return l.do(context.Background(), func() error {
		l.discard(after)
		return nil
	})
}

// discard forgets staged batches above after. Their frames stay in the journal, unpublished, until it is rolled.
func (l *fileLane) discard(after int64) {
	l.staged = slices.DeleteFunc(l.staged, func(s *stagedBatch) bool { return s.number > after })
}

func (l *fileLane) Flush(ctx context.Context) error {
	return l.do(ctx, func() error {
		if l.foreign {
			return nil // nothing of ours was published
		}
		if err := l.ready(); err != nil {
			return err
		}
		if err := l.waitRoll(); err != nil {
			return err
		}
		l.due = true
		l.rollIfDue()
		return l.waitRoll()
	})
}

// Close stops the lane. What was published and is in no file yet stays in the staging journal for the next owner.
func (l *fileLane) Close() error {
	l.once.Do(func() { close(l.quit) })
	return l.g.Wait()
}

// end waits for the roller and leaves no empty journals behind.
func (l *fileLane) end() error {
	err := l.waitRoll()
	clean := len(l.pending) == 0 && l.rolling == nil && l.fail == nil
	for _, j := range l.journals {
		if j == nil {
			continue
		}
		err = errors.Join(err, j.close())
		if clean {
			_ = os.Remove(j.f.Name()) // the next owner removes what stays
		}
	}
	return placeError(l.w.dir, err)
}
