package sink

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/internal/slot"
)

// baseEvery is after how many slots the lane's files are listed anew, so that older slots can go.
const baseEvery = 256

// maintain keeps the number of files and slots bounded: it merges small files, writes base slots, and removes what nobody
// needs any more. It runs behind rolling. Its only error is ErrFenced: without room for a merge, say, the lane goes on with the
// files that it has, and tries again behind the next roll.
func (w *laneFiles) maintain() error {
	w.removeRetired(w.clock.Now().UnixMicro())
	for {
		run := w.mergeable()
		if len(run) == 0 && w.m.head()-w.m.base < baseEvery {
			return nil
		}
		err := w.rebase(run)
		if errors.Is(err, ErrFenced) {
			return err
		}
		if err != nil {
			w.log.Warn("merging files put off", "dir", w.dir, "lane", w.lane, "error", err)
			return nil
		}
	}
}

// rebase lists the lane's files anew, with the newest ones, run, merged into one.
func (w *laneFiles) rebase(run []fileEntry) error {
	live, retired := slices.Clone(w.m.live), slices.Clone(w.m.retired)
	if len(run) > 0 {
		merged, err := w.merge(run)
		if err != nil {
			return err
		}
		at, until := len(live)-len(run), w.clock.Now().Add(w.opts.grace).UnixMicro()
		for _, e := range live[at:] {
			retired = append(retired, retiredFile{e.Name, until})
		}
		live = append(live[:at:at], merged)
	}
	before := w.m.base
	if err := w.commit(&manifestSlot{Kind: slotBase, Live: live, Retired: retired, Marker: w.m.marker}); err != nil {
		return err
	}
	return w.removeSlots(before)
}

// mergeable is the run of newest files of the same level, if it is long enough to merge. Files are merged with their equals
// only, so that a row is copied about log(files) times in all.
func (w *laneFiles) mergeable() []fileEntry {
	live := w.m.live
	if w.opts.merge <= 1 || len(live) == 0 {
		return nil
	}
	last, size := live[len(live)-1], int64(0)
	at := len(live)
	for at > 0 && live[at-1].Level == last.Level && live[at-1].Schema == last.Schema && size+live[at-1].Bytes <= w.opts.rollSize {
		at--
		size += live[at].Bytes
	}
	if len(live)-at < w.opts.merge {
		return nil
	}
	return live[at:]
}

// merge writes the rows of run into one file.
func (w *laneFiles) merge(run []fileEntry) (fileEntry, error) {
	first, last := run[0], run[len(run)-1]
	e := fileEntry{First: first.First, Last: last.Last, Level: last.Level + 1, Schema: last.Schema}
	paths := make([]string, len(run))
	for i, r := range run {
		e.Rows += r.Rows
		paths[i] = filepath.Join(w.dir, r.Name)
	}
	err := w.writeFile(&e, func(out io.Writer) error { return w.format.merge(out, paths) })
	return e, err
}

// removeRetired removes replaced files whose grace is over. What cannot be removed stays listed and is tried again.
func (w *laneFiles) removeRetired(now int64) {
	w.m.retired = slices.DeleteFunc(w.m.retired, func(r retiredFile) bool {
		if r.Until > now {
			return false
		}
		err := os.Remove(filepath.Join(w.dir, r.Name))
		return err == nil || errors.Is(err, fs.ErrNotExist)
	})
}

// removeSlots removes the slots below a base. The newest base but one is kept for readers that have just listed the directory.
// A writer that lost the lane long ago could take such a number again: no reader looks below a base, and the writer finds
// its staging journal gone.
func (w *laneFiles) removeSlots(before int64) error {
	dir := filepath.Join(w.dir, manifestDir)
	numbers, err := slot.List(dir, slotPrefix(w.lane), slotSuffix)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n >= before {
			break
		}
		if err := os.Remove(filepath.Join(dir, slot.Name(slotPrefix(w.lane), n, slotSuffix))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
