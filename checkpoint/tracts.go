package checkpoint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/batch"
)

// Small deltas of one executor lie one behind the other in a *tract*, a file for the batches [FIRST, FIRST + tractSpan): making, syncing and removing a file for each of two hundred
// batches a second is more work than what is in them, and its traces in the file system's journal have to be written with every fdatasync of others (decision 0042).
//
//	000000000431-e7_2-e7-a0.tract   MRSTATE1 section section │ MRSTATE1 section │ …   a DeltaRef names file, At and Bytes
//
// The name alone says when a tract may go, whoever wrote it and whether it is alive: once the last batch of its span is behind the horizon. By then nobody appends to it: what is written is of batches that are
// not committed, or, in lineage, not behind the horizon.
const (
	tractSuffix = ".tract"
	tractSpan   = 256
	tractBytes  = 16 << 20  // then another one begins
	tractMost   = 512 << 10 // a delta that is larger in memory has a file of its own
)

// tract is the one that a StateDir appends to, or was.
type tract struct {
	writer string // executor and epoch
	first  int64
	open   func() (*os.File, error) // makes the file, once

	// Guarded by StateDir.mu.
	end   int64 // behind the last place that was given out
	users int   // that write at the moment
	left  bool  // nothing is added: the last user closes the file
}

// small tells whether sections are few enough for a tract.
func (d *StateDir) small(sections []SectionData) bool {
	n := int64(0)
	for _, s := range sections {
		if s.Rec != nil {
			n += batch.Bytes(s.Rec)
		}
	}
	return n <= d.most
}

// append writes a small delta behind those before it. Deltas that are written at the same time have places of their own.
func (d *StateDir) append(ref *DeltaRef, executor string, epoch int64, sections []SectionData) error {
	buf, out := d.buffers.Get().(*bytes.Buffer), d.buffers.Get().(*bytes.Buffer)
	defer d.buffers.Put(buf)
	defer d.buffers.Put(out)
	out.Reset()
	if err := fill(out, buf, ref, sections); err != nil {
		return err
	}
	t, at := d.place(ref.Batch, executor, epoch, ref.Bytes)
	f, err := t.open()
	if err == nil {
		_, err = f.WriteAt(out.Bytes(), at)
	}
	d.leave(t, err != nil)
	if err != nil {
		return err // what of it was written is nobody's
	}
	ref.File, ref.At = filepath.Base(f.Name()), at
	for i := range ref.Sections {
		ref.Sections[i].Off += at
	}
	return nil
}

// place finds room for n bytes. leave has to follow.
func (d *StateDir) place(b int64, executor string, epoch, n int64) (*tract, int64) {
	writer := fmt.Sprintf("%s-e%d", plain(executor), epoch)
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tract
	if t == nil || t.writer != writer || b < t.first || b >= t.first+tractSpan || t.end+n > tractBytes && t.end > 0 {
		d.endTract()
		stem := fileStem(b, executor, epoch, 0)
		t = &tract{writer: writer, first: b, open: sync.OnceValues(func() (*os.File, error) { return d.create(stem, tractSuffix) })}
		d.tract = t
	}
	at := t.end
	t.end += n
	t.users++
	return t, at
}

// endTract has the next delta begin another one. The caller holds mu.
func (d *StateDir) endTract() {
	if t := d.tract; t != nil {
		d.tract, t.left = nil, true
		t.closeUnused()
	}
}

// leave says that a delta is written. Behind one that could not be, nothing is added.
func (d *StateDir) leave(t *tract, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.users--
	if failed && d.tract == t {
		d.endTract()
		return
	}
	t.closeUnused()
}

// closeUnused closes the file of a tract that was left by all.
func (t *tract) closeUnused() {
	if !t.left || t.users > 0 {
		return
	}
	if f, err := t.open(); err == nil {
		_ = f.Close() // what is in it is judged by its checksums, and synced by another
	}
}

// lastOf is the last batch that a state file's name allows it to be needed for.
func lastOf(name string) (int64, bool) {
	b, ok := batchOf(name)
	if strings.HasSuffix(name, tractSuffix) {
		b += tractSpan - 1
	}
	return b, ok
}
