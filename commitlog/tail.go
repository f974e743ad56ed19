package commitlog

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
)

// segmentFile is the active segment as the writer uses it; tests put a failing disk in its place.
type segmentFile interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return syncData(f.File) }

// tail is the writing end of a partition: the active segment and the durable end. One goroutine uses it, under the lease.
//
//	0            dur.last.pos          pos
//	|  durable    |  written, not synced |
type tail struct {
	p     *partition
	dur   *durableFile
	file  segmentFile
	base  int64 // of the active segment
	pos   int64 // where the next frame goes
	next  int64 // the next record's offset
	mark  int64 // byte of the last frame with a marker in this segment, -1: none
	first int64 // when the segment's first frame was written, µs; 0: it is empty

	member    *member // what makes the segment durable
	failures  int64   // of its syncs, before what is loose was written
	announced bool    // the journal expects a commit of ours

	buf   []byte
	loose []byte // what is written and not synced, for the journal
	bulky bool   // that is more than the journal takes
	fail  error  // the file could not be brought back to its durable length: nothing more can be written
}

// run is one commit: its frames count as a whole.
type run struct {
	batch  *Batch
	marker []byte
	done   chan error // nil for appended records, which wait for the next group
	safe   bool       // durable already, though a later run of its group may fail
}

// writeRun writes the frames of r behind the others. They are not durable yet. It returns the offset of the first record.
func (t *tail) writeRun(r run, now int64, parts []part) (first int64, err error) {
	parts = cutParts(parts[:0], r.batch)
	first = t.next
	if t.pos == t.dur.last.pos {
		t.failures = t.member.failures.Load()
	}
	if t.pos == 0 {
		t.first = now
	}
	for i, p := range parts {
		info := frameInfo{base: t.next, written: now, durable: t.dur.last.end, more: i < len(parts)-1}
		if !info.more {
			info.marker = r.marker
		}
		t.buf = appendFrame(t.buf[:0], p, info)
		if _, err := t.file.WriteAt(t.buf, t.pos); err != nil {
			return 0, fmt.Errorf("write %d bytes at byte %d of %s: %w", len(t.buf), t.pos, segmentPath(t.p.dir, t.base), err)
		}
		if info.marker != nil {
			t.mark = t.pos
		}
		t.keep(t.buf)
		t.pos += int64(len(t.buf))
		t.next += int64(p.hi - p.lo)
		fault.Crash("log-frame")
	}
	if cap(t.buf) > 4<<20 { // one huge record should not cost memory for ever
		t.buf = nil
	}
	return first, nil
}

// keep keeps a frame that was written for the journal.
func (t *tail) keep(frame []byte) {
	if t.bulky = t.bulky || len(t.loose)+len(frame) > t.member.j.limit; t.bulky {
		return
	}
	t.loose = append(t.loose, frame...)
}

// sync makes what was written durable.
func (t *tail) sync() error {
	data := t.loose
	if t.bulky {
		data = nil
	}
	err := t.member.commit(t.dur.last.pos, data, t.failures, &t.announced)
	t.loose, t.bulky = t.loose[:0], false
	return err
}

// commit makes what was written durable and then visible, in this order (P11).
func (t *tail) commit() error {
	if t.pos == t.dur.last.pos {
		return nil
	}
	d := durable{end: t.next, seg: t.base, pos: t.pos, mark: t.mark}
	if fault.Planted("P11-visible-before-fsync") {
		if err := t.dur.publish(d); err != nil {
			return err
		}
	}
	fault.Crash("log-before-fsync")
	if err := t.sync(); err != nil {
		return fmt.Errorf("fsync %s: %w", segmentPath(t.p.dir, t.base), err)
	}
	fault.Crash("log-before-durable-end")
	if err := t.dur.publish(d); err != nil {
		t.member.refuse(t.dur.last.pos)
		return fmt.Errorf("durable end: %w", err)
	}
	t.p.log.hub.notify(t.p.dir)
	return nil
}

// rollback forgets what is not durable, after a failed write or fsync. The partition stays writable unless even that fails.
func (t *tail) rollback() {
	d := t.dur.last
	assert.True(d.seg == t.base, "rollback: segment %d is active, %d is durable", t.base, d.seg)
	t.pos, t.next, t.mark = d.pos, d.end, d.mark
	t.loose, t.bulky = t.loose[:0], !fault.Planted("P11-journal-uncut") // that the rest was cut off is not in the journal: the next commit syncs the segment
	if err := t.file.Truncate(d.pos); err != nil {
		t.fail = fmt.Errorf("cut %s back to byte %d: %w; open the writer again", segmentPath(t.p.dir, t.base), d.pos, err)
	}
}

// full tells whether a run of about size bytes should begin a new segment.
func (t *tail) full(size, now int64, s *Settings) bool {
	if t.next == t.base { // a new one would have the same name
		return false
	}
	return t.pos+size > s.SegmentBytes || now-t.first > s.SegmentAge.Microseconds()
}

// roll closes the active segment and begins the next. Everything written must be committed. The last marker is carried out of the old
// segment first, since that one may now be compacted or removed.
func (t *tail) roll() error {
	assert.True(t.pos == t.dur.last.pos, "roll: %d bytes are not durable", t.pos-t.dur.last.pos)
	if t.mark >= 0 && !fault.Planted("P11-marker-lost") {
		m, err := t.marker()
		if err != nil {
			return err
		}
		if err := writeMarker(t.p.dir, m); err != nil {
			return fmt.Errorf("last marker: %w", err)
		}
	}
	if err := t.member.sync(); err != nil { // the journal is for active segments only
		return fmt.Errorf("fsync %s: %w", segmentPath(t.p.dir, t.base), err)
	}
	fault.Crash("log-roll")
	f, err := createSegment(t.p, t.next)
	if err != nil {
		return err
	}
	fault.Crash("log-rolled")
	if err := t.dur.publish(durable{end: t.next, seg: t.next, mark: -1}); err != nil {
		f.Close()
		return fmt.Errorf("durable end: %w", err)
	}
	t.member.moved(f, t.next)
	err = t.file.Close()
	t.file, t.base, t.pos, t.mark, t.first = f, t.next, 0, -1, 0
	if fault.Planted("P11-rolled-unsynced") {
		return err
	}
	return errors.Join(err, t.dur.sync()) // an older durable end is in a segment that may now be compacted or removed
}

func createSegment(p *partition, base int64) (segmentFile, error) {
	f, err := os.OpenFile(segmentPath(p.dir, base), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(0), syncDir(p.dir)); err != nil {
		f.Close()
		return nil, err
	}
	return p.log.opt.wrapped(f), nil
}

// wrapped is f as the writer uses it.
func (o *Options) wrapped(f *os.File) segmentFile {
	if o.wrap != nil {
		return o.wrap(diskFile{f})
	}
	return diskFile{f}
}

// marker is the last marker: of the active segment, or the one kept outside of the segments. nil: there is none.
func (t *tail) marker() ([]byte, error) {
	if t.mark < 0 {
		return readMarker(t.p.dir)
	}
	b, err := readFrame(t.file, t.mark, t.pos)
	if err != nil {
		return nil, t.p.damaged(t.base, t.base, t.mark, err)
	}
	h, err := parseFrame(b)
	if err != nil {
		return nil, t.p.damaged(t.base, t.base, t.mark, err)
	}
	return append([]byte(nil), markerOf(&h, b)...), nil
}

// readFrame reads the frame at pos, which ends before limit. Only the header is checked.
func readFrame(f io.ReaderAt, pos, limit int64) ([]byte, error) {
	var hb [headBytes]byte
	if limit-pos < headBytes {
		return nil, errShort
	}
	if err := readFull(f, hb[:], pos); err != nil {
		return nil, err
	}
	h, err := parseHead(hb[:])
	if err != nil {
		return nil, err
	}
	if pos+h.total() > limit {
		return nil, errShort
	}
	b := make([]byte, h.total(), h.total()+64)
	if err := readFull(f, b, pos); err != nil {
		return nil, err
	}
	return b, nil
}

// readFull fills b from byte pos of f on.
func readFull(f io.ReaderAt, b []byte, pos int64) error {
	_, err := f.ReadAt(b, pos)
	if err == io.EOF {
		return errShort
	}
	return err
}

func (t *tail) close() error { return errors.Join(t.member.leave(), t.dur.sync(), t.dur.close()) }
