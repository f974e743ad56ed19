package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/internal/fault"
)

// Recovery says what a writer found behind the durable end when it opened the partition.
type Recovery struct {
	CutBytes  int64  // of a torn tail: a commit that was never acknowledged
	File      string // the segment that was cut
	KeptBytes int64  // of whole commits that were written but not yet shown to readers
}

// openTail brings a partition to a state in which it can be appended to. The lease is locked.
func openTail(p *partition) (*tail, Recovery, error) {
	if err := absorbInUse(p); err != nil {
		return nil, Recovery{}, p.wrap(err)
	}
	segs, err := p.segments()
	if err != nil {
		return nil, Recovery{}, err
	}
	if len(segs) == 0 {
		return nil, Recovery{}, p.wrap(fmt.Errorf("%w: no segment in %s", ErrDamaged, p.dir))
	}
	dur, err := openDurable(p.dir, true)
	if err != nil {
		return nil, Recovery{}, p.wrap(err)
	}
	dur.file = p.log.opt.wrapped(dur.file.(diskFile).File)
	t := &tail{p: p, dur: dur}
	rec, err := t.recover(segs)
	if err != nil {
		if t.file != nil {
			t.file.Close()
		}
		dur.close()
		return nil, rec, err
	}
	return t, rec, nil
}

func (t *tail) recover(segs []int64) (Recovery, error) {
	d, err := t.dur.read()
	if err != nil { // both slots torn, by a crash of the machine: the last segment is checked from its start
		last := segs[len(segs)-1]
		d = durable{end: last, seg: last, mark: -1}
	}
	t.dur.last = d
	t.base, t.pos, t.next, t.mark = d.seg, d.pos, d.end, d.mark
	var rec Recovery
	found := false
	for i, base := range segs {
		if base < d.seg {
			continue
		}
		if !found && base != d.seg {
			break
		}
		if found && base != t.next {
			return rec, t.p.damaged(t.next, base, 0, fmt.Errorf("the segment begins at offset %d", base))
		}
		if err := t.openSegment(base, !found); err != nil {
			return rec, err
		}
		found = true
		if err := t.keepWhole(&rec, i == len(segs)-1); err != nil {
			return rec, err
		}
	}
	if !found {
		return rec, t.p.damaged(d.end, d.seg, 0, errors.New("the segment with the durable end is missing"))
	}
	return rec, t.settle()
}

// openSegment makes base the active segment; of the first one, everything before t.pos is durable.
func (t *tail) openSegment(base int64, first bool) error {
	f, err := os.OpenFile(segmentPath(t.p.dir, base), os.O_RDWR, 0o644)
	if err != nil {
		return t.p.wrap(err)
	}
	if t.file != nil {
		t.file.Close()
	}
	t.file, t.base = t.p.log.opt.wrapped(f), base
	if !first {
		t.pos, t.mark = 0, -1
	}
	var hb [headBytes]byte
	t.first = 0
	if _, err := f.ReadAt(hb[:], 0); err == nil {
		if h, err := parseHead(hb[:]); err == nil {
			t.first = h.written
		}
	}
	return nil
}

// keepWhole walks over what lies behind t.pos, keeps whole commits, and cuts the rest.
func (t *tail) keepWhole(rec *Recovery, last bool) error {
	size, err := fileSize(t.p, t.base)
	if err != nil {
		return err
	}
	if size < t.pos && fault.Planted("P11-cut-durable") {
		t.pos = size
	}
	if size < t.pos {
		return t.p.damaged(t.next, t.base, size, fmt.Errorf("the file ends here; readers have seen it up to byte %d", t.pos))
	}
	from := t.pos
	reason := t.scan(size)
	rec.KeptBytes += t.pos - from
	if t.pos == size {
		return nil
	}
	if err := t.tornOnly(size, last, reason); err != nil {
		return err
	}
	rec.CutBytes, rec.File = size-t.pos, segmentPath(t.p.dir, t.base)
	t.p.log.opt.Log.Warn("torn tail cut", "topic", t.p.topic, "partition", t.p.num, "file", rec.File, "bytes", rec.CutBytes, "end", t.next, "reason", reason)
	if err := t.file.Truncate(t.pos); err != nil {
		return t.p.wrap(err)
	}
	return nil
}

func fileSize(p *partition, base int64) (int64, error) {
	st, err := os.Stat(segmentPath(p.dir, base))
	if err != nil {
		return 0, p.wrap(err)
	}
	return st.Size(), nil
}

// scan moves pos, next and mark behind the last whole commit, and returns why it stopped.
func (t *tail) scan(size int64) error {
	pos, next, mark := t.pos, t.next, t.mark
	for pos < size {
		b, err := readFrame(t.file, pos, size)
		if err != nil {
			return err
		}
		h, err := parseFrame(b)
		if fault.Planted("P11-torn") && errors.Is(err, errPayload) {
			err = nil
		}
		if err != nil {
			return err
		}
		if h.base != next {
			return fmt.Errorf("the frame begins at offset %d instead of %d", h.base, next)
		}
		if h.marker > 0 {
			mark = pos
		}
		pos, next = pos+h.total(), h.next()
		if !h.more() {
			t.pos, t.next, t.mark = pos, next, mark
		}
	}
	return errors.New("the commit is not whole")
}

// tornOnly is an error if what would be cut was durable once: a later frame says that it was written after an fsync of what is damaged here.
func (t *tail) tornOnly(size int64, last bool, reason error) error {
	if !last {
		return t.p.damaged(t.next, t.base, t.pos, reason)
	}
	const window = 4 << 20
	buf := make([]byte, window+headBytes)
	for at := t.pos; at < size; at += window {
		n, err := t.file.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return t.p.wrap(err)
		}
		b := buf[:n]
		for i := 0; ; i++ {
			j := bytes.Index(b[i:], []byte(frameMagic))
			if j < 0 {
				break
			}
			i += j
			if h, err := parseHead(b[i:]); err == nil && h.durable > t.next {
				return t.p.damaged(t.next, t.base, t.pos, reason)
			}
		}
	}
	return nil
}

// settle makes what was kept durable, and then shows it.
func (t *tail) settle() error {
	d := durable{end: t.next, seg: t.base, pos: t.pos, mark: t.mark}
	if err := t.file.Sync(); err != nil {
		return t.p.wrap(err)
	}
	if err := errors.Join(t.dur.publish(d), t.dur.sync()); err != nil {
		return t.p.wrap(err)
	}
	t.p.log.hub.notify(t.p.dir)
	return nil
}
