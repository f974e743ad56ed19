package sink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/slot"
)

// laneFiles writes the files and the manifest of one lane: it fences, rolls and merges. One goroutine at a time, but for
// stillOwner, which may run beside it.
type laneFiles struct {
	dir    string
	lane   int
	owner  Owner
	format fileFormat
	opts   filesOptions
	clock  clock.Clock
	log    *slog.Logger

	m       laneManifest
	opening int64        // our fence slot; 0 until taken over
	head    atomic.Int64 // m.head(), for stillOwner
}

// fenceTries bounds how many slots other writers may create while we try to take over.
const fenceTries = 100

// fence takes the lane over: it creates the next slot, so that everyone who does not know of it finds it taken (P4, I9).
func (w *laneFiles) fence() error {
	for range fenceTries {
		if last := w.m.last; last != nil && last.UUID == w.owner.UUID && last.Timeline == w.owner.Timeline && last.Epoch > w.owner.Epoch && !fault.Planted("I9-files") {
			return w.fenced(last)
		}
		w.opening = w.m.head() + 1
		err := w.put(&manifestSlot{Kind: slotFence})
		if !errors.Is(err, slot.ErrTaken) {
			return err
		}
		if w.m, err = readLane(w.dir, w.lane); err != nil {
			return err
		}
	}
	return fmt.Errorf("lane %d: %d attempts to take it over met other writers: stop the other job that writes to this directory", w.lane, fenceTries)
}

// fenced says who owns the lane now.
func (w *laneFiles) fenced(s *manifestSlot) error {
	return fmt.Errorf("lane %d: slot %d belongs to epoch %d, this writer has epoch %d: %w", w.lane, s.Slot, s.Epoch, w.owner.Epoch, ErrFenced)
}

// ours tells whether this opening of the lane wrote s: fence slots are unique, and each writer names its own.
func (w *laneFiles) ours(s *manifestSlot) bool {
	return s.UUID == w.owner.UUID && s.Epoch == w.owner.Epoch && s.Opening == w.opening
}

// put creates the next slot, or gives slot.ErrTaken.
func (w *laneFiles) put(s *manifestSlot) error {
	s.Lane, s.Slot, s.Opening = w.lane, w.m.head()+1, w.opening
	s.UUID, s.Timeline, s.Epoch = w.owner.UUID, w.owner.Timeline, w.owner.Epoch
	data, err := s.encode()
	if err != nil {
		return err
	}
	if err := slot.Create(filepath.Join(w.dir, manifestDir), slot.Name(slotPrefix(w.lane), s.Slot, slotSuffix), data); err != nil {
		return err
	}
	w.m.apply(s)
	w.head.Store(s.Slot)
	return nil
}

// commit is put by an owner: a slot that somebody else has taken means that we are fenced.
func (w *laneFiles) commit(s *manifestSlot) error {
	for {
		err := w.put(s)
		if !errors.Is(err, slot.ErrTaken) {
			return err
		}
		taken, err := readSlot(w.dir, w.lane, s.Slot)
		switch {
		case err != nil:
			return err
		case w.ours(taken): // an earlier try said that it went wrong, and had not
			w.m.apply(taken)
			w.head.Store(taken.Slot)
			return nil
		case fault.Planted("I9-files"):
			w.m.apply(taken)
		default:
			return w.fenced(taken)
		}
	}
}

// stillOwner is an error once somebody else has created a slot behind ours. What was durable in the staging journal before the
// check is seen by the new owner, who reads the journal after it created its slot (I9). Slots are removed from the lowest
// up, so that behind a slot of ours that is there, none of another owner is missing.
func (w *laneFiles) stillOwner() error {
	n := w.head.Load()
	for {
		s, err := readSlot(w.dir, w.lane, n+1)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := os.Stat(filepath.Join(w.dir, manifestDir, slot.Name(slotPrefix(w.lane), n, slotSuffix))); err != nil {
				return fmt.Errorf("lane %d: slot %d, written by this writer, is gone (%w): %w", w.lane, n, err, ErrFenced)
			}
			return nil
		case err != nil:
			return err
		case !w.ours(s):
			return w.fenced(s)
		}
		n++
	}
}

// roll makes one visible file of staged batches: the file, then the slot that names it.
func (w *laneFiles) roll(batches []*stagedBatch, next func() ([]byte, error)) error {
	first, last := batches[0], batches[len(batches)-1]
	e := fileEntry{First: first.number, Last: last.number}
	for _, b := range batches {
		e.Rows += b.rows
		e.Batches = append(e.Batches, BatchRows{b.number, b.rows})
	}
	write := func(out io.Writer) (err error) { e.Schema, err = w.format.write(out, next); return err }
	if err := w.writeFile(&e, write); err != nil {
		return err
	}
	fault.Crash("files-before-slot")
	if err := w.commit(&manifestSlot{Kind: slotData, Add: &e, Marker: newFileMarker(last.marker)}); err != nil {
		return err
	}
	fault.Crash("files-after-slot")
	return nil
}

// writeFile writes a file under the name of the slot that is to name it, whole and durable, and fills in its entry. The name
// is never used by another writer, since at most one of them gets that far with the same slot number.
func (w *laneFiles) writeFile(e *fileEntry, write func(io.Writer) error) error {
	e.Name = fmt.Sprintf("%s%012d-%012d-e%d-s%d%s", w.filePrefix(), e.First, e.Last, w.owner.Epoch, w.m.head()+1, w.format.ext())
	tmp := filepath.Join(w.dir, stagingDir, e.Name+".tmp")
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	sum := xxh3.New()
	buf := bufio.NewWriterSize(io.MultiWriter(f, sum), 256<<10)
	err = write(buf)
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	info, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close()); err != nil {
		_ = os.Remove(tmp) // it is worthless, and swept later if this does not work
		return err
	}
	e.Bytes, e.Sum = info.Size(), sumText(sum.Sum64())
	if err := os.Rename(tmp, filepath.Join(w.dir, e.Name)); err != nil {
		return err
	}
	return slot.SyncDir(w.dir)
}

// filePrefix begins the names of the lane's files.
func (w *laneFiles) filePrefix() string { return fmt.Sprintf("data-%03d-", w.lane) }

// sweep removes what former owners of the lane left without a slot. Only an owner may call it.
func (w *laneFiles) sweep() error {
	known := map[string]bool{}
	for _, e := range w.m.live {
		known[e.Name] = true
	}
	for _, r := range w.m.retired {
		known[r.Name] = true
	}
	if err := removeNamed(w.dir, func(name string) bool { return strings.HasPrefix(name, w.filePrefix()) && !known[name] }); err != nil {
		return err
	}
	staging := filepath.Join(w.dir, stagingDir)
	if err := removeNamed(staging, func(name string) bool {
		return strings.HasPrefix(name, w.filePrefix()) || strings.HasPrefix(name, slotPrefix(w.lane))
	}); err != nil {
		return err
	}
	if err := slot.Sweep(filepath.Join(w.dir, manifestDir), slotPrefix(w.lane)); err != nil {
		return err
	}
	return slot.SyncDir(staging)
}

// removeNamed removes the files of dir whose names are chosen.
func removeNamed(dir string, choose func(string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !choose(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
