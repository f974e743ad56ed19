package commitlog

import (
	"context"
	"errors"
	"time"
)

// run is the committer, the one goroutine that touches the partition's files: it waits for records, lets others join for the sync interval, and
// writes them all with one fsync. When ctx is done it writes what is left and ends.
func (w *Writer) run(ctx context.Context) {
	defer close(w.gone)
	c := w.p.log.opt.Clock
	var due <-chan time.Time // of the group that is open
	clean := c.After(retentionEvery)
	w.retain()
	for {
		select {
		case <-ctx.Done():
			w.flush()
			w.drop()
			return
		case <-w.kick:
			due = w.flush()
		case <-due:
			w.tail.member.j.gather(w)
			due = w.flush()
		case <-w.wake:
			if due == nil {
				due = c.After(w.p.log.opt.SyncInterval)
			}
		case <-clean:
			w.retain()
			clean = c.After(retentionEvery)
		}
	}
}

// flush writes the group that is pending. The result is when to try again what could not be written, nil if nothing is left.
func (w *Writer) flush() <-chan time.Time {
	w.mu.Lock()
	group, waiters, bytes := w.pending, w.waiters, w.bytes
	w.pending, w.waiters, w.bytes = nil, nil, 0
	if len(group) > 0 {
		w.announce()
	}
	w.tail.announced, w.announced = w.announced, false
	w.mu.Unlock()

	err := w.write(group)
	w.tail.member.j.arrived(&w.tail.announced) // unless it has long been said

	w.mu.Lock()
	w.failed = nil
	var again <-chan time.Time
	w.counted(group, err == nil)
	if err != nil {
		again = w.keep(group, bytes, err)
	}
	close(w.room)
	w.room = make(chan struct{})
	w.mu.Unlock()
	for _, r := range group {
		if r.done == nil {
			continue
		}
		if r.safe {
			r.done <- nil
		} else {
			r.done <- err
		}
	}
	for _, c := range waiters {
		c <- err
	}
	return again
}

// write brings a group to disk and shows it to readers: all of it, or nothing.
func (w *Writer) write(group []run) error {
	if len(group) == 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.fenced
	}
	if err := w.lease.lock(); err != nil {
		return err
	}
	defer w.lease.unlock()
	t := w.tail
	if t.fail != nil {
		return w.p.wrap(t.fail)
	}
	err := w.writeRuns(group)
	if err == nil {
		err = t.commit()
	}
	if err != nil {
		t.rollback()
		return w.p.wrap(err)
	}
	return nil
}

func (w *Writer) writeRuns(group []run) error {
	t := w.tail
	now := w.p.log.opt.Clock.Now().UnixMicro()
	var parts []part
	for i, r := range group {
		if t.full(int64(r.batch.Bytes()), now, &w.settings) {
			// The runs before become visible now. If a later one fails, they must not be tried again.
			if err := t.commit(); err != nil {
				return err
			}
			for j := range group[:i] {
				group[j].safe = true
			}
			if err := t.roll(); err != nil {
				return err
			}
			w.removeOld()
			w.tellCleaner()
		}
		if _, err := t.writeRun(r, now, parts); err != nil {
			return err
		}
	}
	return nil
}

// keep puts the appended records of a failed group back in front; commits are given back to their callers. mu is held.
func (w *Writer) keep(group []run, bytes int, err error) <-chan time.Time {
	if errors.Is(err, ErrFenced) {
		w.fenced = err
		w.pending, w.bytes = w.answer(w.pending, err), 0
		return nil
	}
	w.failed = err
	var kept []run
	for _, r := range group {
		switch {
		case r.safe:
		case r.done == nil:
			kept = append(kept, r)
		default:
			w.next -= int64(r.batch.Len())
		}
	}
	w.pending = append(kept, w.pending...)
	if len(kept) > 0 {
		w.bytes += bytes
		return w.p.log.opt.Clock.After(max(w.p.log.opt.SyncInterval, 100*time.Millisecond))
	}
	return nil
}

// answer fails the commits among runs and drops the rest.
func (w *Writer) answer(runs []run, err error) []run {
	for _, r := range runs {
		if r.done != nil {
			r.done <- err
		}
	}
	return nil
}

// drop answers all who came while the committer was ending. mu is not held.
func (w *Writer) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tail.member.j.arrived(&w.announced)
	err := w.failed
	if err == nil {
		err = w.p.wrap(ErrClosed)
	}
	w.pending, w.bytes = w.answer(w.pending, err), 0
	for _, c := range w.waiters {
		c <- err
	}
	w.waiters = nil
	close(w.room)
	w.room = make(chan struct{})
}

// counted notes what is durable of a group, and keeps a batch's memory for the next. mu is held.
func (w *Writer) counted(group []run, all bool) {
	if len(group) > 0 && all {
		w.counts.Syncs++
	}
	for _, r := range group {
		if !all && !r.safe {
			continue
		}
		w.counts.Records += int64(r.batch.Len())
		w.counts.Bytes += int64(r.batch.Bytes())
		if r.done == nil && len(w.spare) < maxSpare && r.batch.Bytes() < 2<<20 {
			r.batch.Reset()
			w.spare = append(w.spare, r.batch)
		}
	}
}

// retain removes what is too old, now and then.
func (w *Writer) retain() {
	if w.lease.lock() != nil {
		return // the next append finds out
	}
	defer w.lease.unlock()
	w.removeOld()
}

// tellCleaner says that a segment was closed. A cleaner that is busy looks at all of them when it is done.
func (w *Writer) tellCleaner() {
	if !w.settings.Compact {
		return
	}
	select {
	case <-w.rolled:
	default:
	}
	w.rolled <- w.tail.base
}
