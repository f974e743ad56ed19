package checkpoint

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/slot"
)

// keptEpochs is how many epoch slots Prune leaves, for people to read.
const keptEpochs = 16

// Sync fsyncs the state files of committed batches up to b and moves Durable; the driver calls it in the background, then Prune.
func (s *Store) Sync(b int64) error {
	s.mu.Lock()
	b = min(b, s.ledger.committed)
	done := s.synced
	refs := slices.Clone(s.ledger.deltas)
	s.mu.Unlock()
	if b <= done {
		return nil
	}
	if !s.o.Volatile {
		if err := s.state.sync(refs, done, b); err != nil {
			return explain(s.dir, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = max(s.synced, b)
	return nil
}

// Durable is the last batch up to which state files are fsynced.
func (s *Store) Durable() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced
}

// Horizon is the oldest batch that a restore could still need: state can be rebuilt from Horizon's files on, and plans after it are kept. A key group that
// was never dumped in full holds it back at its first delta, and batches behind the last state file (--checkpoint-every) hold it back at their first.
func (s *Store) Horizon() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.horizon(s.synced)
}

// Prune removes what is behind both Horizon and keep, the oldest batch that the driver still needs for windows (Horizon itself where there are none):
// state files, log segments, journals. Journals go as soon as their batch's state is durable (P18). It returns when nothing it relied on can
// be forgotten in a crash.
func (s *Store) Prune(keep int64) error {
	if err := s.record(); err != nil {
		return err
	}
	s.mu.Lock()
	h := min(s.ledger.horizon(s.ledger.durable), keep)
	if fault.Planted("P15-prune") {
		h = s.ledger.durable + 1
	}
	journals := min(s.ledger.floor(s.ledger.durable)+1, keep)
	if fault.Planted("P18-journal") {
		journals = keep
	}
	s.mu.Unlock()
	s.o.Log.Debug("checkpoint pruned", "batch", h)
	err := errors.Join(
		s.pruneLog(h),
		pruneFiles(s.path(stateDir), h),
		pruneFiles(s.path(journalDir), journals),
		s.pruneValues(h),
		s.pruneEpochs(),
	)
	if err == nil {
		err = s.writeIndex()
	}
	return explain(s.dir, err)
}

// record makes Durable durable itself: a restart that believed in an older one would look for files that Prune removed.
func (s *Store) record() error {
	s.mu.Lock()
	behind := s.synced > s.ledger.durable
	s.mu.Unlock()
	if !behind {
		return nil
	}
	return s.write(&entry{}) // write adds it
}

// pruneLog removes the segments before the current one that speak of batches below h only. They go oldest first, so that the log never has a gap.
func (s *Store) pruneLog(h int64) error {
	s.mu.Lock()
	var gone []segment
	for len(s.old) > 0 && s.old[0].last < h {
		gone = append(gone, s.old[0])
		s.old = s.old[1:]
	}
	for b, at := range s.ledger.places {
		if len(gone) > 0 && at.segment <= gone[len(gone)-1].number {
			delete(s.ledger.places, b)
			delete(s.ledger.named, b)
		}
	}
	s.ledger.forget(h)
	s.mu.Unlock()
	for _, g := range gone {
		if err := remove(s.path(logDir, segmentName(g.number))); err != nil {
			return err
		}
	}
	return nil
}

// pruneFiles removes files of batches below h, losing attempts among them.
func pruneFiles(dir string, h int64) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if b, ok := lastOf(e.Name()); ok && b < h {
			if err := remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneValues removes shared values that neither this driver nor a plan of a batch from h on names.
func (s *Store) pruneValues(h int64) error {
	s.putting.Lock()
	defer s.putting.Unlock()
	s.mu.Lock()
	used := s.ledger.valuesNamed(h)
	for hash := range s.fresh {
		used[hex.EncodeToString(hash[:])] = true
	}
	var gone []string
	for hash := range s.ledger.values {
		if name := hex.EncodeToString(hash[:]); !used[name] {
			gone = append(gone, name)
			delete(s.ledger.values, hash)
		}
	}
	s.mu.Unlock()
	for _, name := range gone {
		if err := remove(s.path(valueDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// valuesNamed are the hashes, in hexadecimal, that plans of batches from h on name. Older plans are only still there because their segment is.
func (l *ledger) valuesNamed(h int64) map[string]bool {
	used := map[string]bool{}
	add := func(hashes [][]byte) {
		for _, h := range hashes {
			used[hex.EncodeToString(h)] = true
		}
	}
	for b, hashes := range l.named {
		if b >= h {
			add(hashes)
		}
	}
	for _, p := range l.planned {
		add(p.valuesNamed())
	}
	if l.last != nil {
		add(l.last.valuesNamed())
	}
	return used
}

// pruneEpochs leaves the newest slots.
func (s *Store) pruneEpochs() error {
	dir := s.path(epochDir)
	taken, err := slot.List(dir, epochPrefix, "")
	if err != nil {
		return err
	}
	for _, n := range taken {
		if n > s.epoch-keptEpochs {
			break
		}
		if err := remove(filepath.Join(dir, epochName(n))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove epoch slot %d: %w", n, err)
		}
	}
	return nil
}
