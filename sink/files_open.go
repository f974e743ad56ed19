package sink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fault"
)

// takeOver makes w the owner of its lane and brings all that was published into files. When it returns, no earlier
// owner can publish (I9), the marker is w.m.marker, and the staging journals of earlier owners are gone.
//
// The order matters: the fence first, so that whatever an earlier owner publishes is either in its journal now or
// refused to it; the journals are removed before anyone decides by the marker, so that nobody ever sees a later one in them.
func (w *laneFiles) takeOver() error {
	if err := w.fence(); err != nil {
		return err
	}
	found, err := openJournals(w.dir, w.lane)
	defer func() {
		for _, j := range found {
			j.f.Close()
		}
	}()
	if err != nil {
		return err
	}
	for _, j := range found {
		if j.torn > 0 {
			w.log.Warn("staging tail cut", "file", j.f.Name(), "bytes", j.torn)
		}
		if err := w.rollFound(j); err != nil {
			return err
		}
	}
	if err := w.sweep(); err != nil {
		return err
	}
	return w.maintain()
}

// rollFound rolls what a journal holds beyond the manifest.
func (w *laneFiles) rollFound(j foundJournal) error {
	batches := j.published
	if w.m.marker != nil && !fault.Planted("I5-files") {
		batches = slices.DeleteFunc(batches, func(b *stagedBatch) bool { return b.number <= w.m.marker.Batch })
	}
	if len(batches) == 0 {
		return nil
	}
	return w.roll(batches, payloads(j.f, batches))
}

// foundJournal is a journal that an earlier owner left.
type foundJournal struct {
	f       *os.File
	opening int64
	scanned
}

// journalName is the name of a lane's journal: epoch and fence slot make it unique, two are used in turn.
func journalName(lane int, epoch, opening int64, turn int) string {
	return fmt.Sprintf("%se%d-s%d-%c.journal", slotPrefix(lane), epoch, opening, 'a'+turn)
}

// openJournals reads all journals of a lane, in the order in which they were written.
func openJournals(dir string, lane int) ([]foundJournal, error) {
	staging := filepath.Join(dir, stagingDir)
	entries, err := os.ReadDir(staging)
	if err != nil {
		return nil, err
	}
	var found []foundJournal
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), slotPrefix(lane))
		var epoch, opening int64
		var turn rune
		if _, err := fmt.Sscanf(name, "e%d-s%d-%c.journal", &epoch, &opening, &turn); err != nil || !ok {
			continue
		}
		f, err := os.Open(filepath.Join(staging, e.Name()))
		if err != nil {
			return found, err
		}
		j := foundJournal{f: f, opening: opening}
		found = append(found, j)
		info, err := f.Stat()
		if err != nil {
			return found, err
		}
		found[len(found)-1].scanned = scanJournal(f, info.Size())
	}
	slices.SortFunc(found, func(a, b foundJournal) int {
		if a.opening != b.opening {
			return int(a.opening - b.opening)
		}
		return int(int64(a.gen) - int64(b.gen))
	})
	return found, nil
}

// payloads yields the staged bytes of batches one by one, then nil. A payload is valid until the next call.
func payloads(f *os.File, batches []*stagedBatch) func() ([]byte, error) {
	var buf []byte
	batch, piece := 0, 0
	return func() ([]byte, error) {
		for batch < len(batches) && piece == len(batches[batch].extents) {
			batch, piece = batch+1, 0
		}
		if batch == len(batches) {
			return nil, nil
		}
		e := batches[batch].extents[piece]
		piece++
		buf = slices.Grow(buf[:0], int(e.len))[:e.len]
		_, err := f.ReadAt(buf, e.off)
		return buf, err
	}
}

// peekMarker is the last published batch of a lane that belongs to another checkpoint, without touching it (P7).
func (w *laneFiles) peekMarker() (*Marker, error) {
	last, err := w.markerInFiles()
	if err != nil {
		return nil, err
	}
	found, err := openJournals(w.dir, w.lane)
	for _, j := range found {
		if n := len(j.published); n > 0 && (last == nil || j.published[n-1].number > last.Batch) {
			last = &j.published[n-1].marker
		}
		err = errors.Join(err, j.f.Close())
	}
	return last, err
}

func (w *laneFiles) markerInFiles() (*Marker, error) {
	if fault.Planted("P7-marker") {
		return readMarkerApart(w)
	}
	if w.m.marker == nil {
		return nil, nil
	}
	m, err := w.m.marker.marker()
	return &m, err
}
