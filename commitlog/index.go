package commitlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/millrace/millrace/internal/records"
)

// indexEvery is how many bytes of a segment one entry of its index covers, about.
const indexEvery = 256 << 10

// segmentIndex is a sparse index of one segment, built in memory from frame headers as far as a seek needed it.
type segmentIndex struct {
	info    fs.FileInfo // of the file it was built from: compaction replaces files
	entries []indexEntry
	pos     int64 // headers before are in the index
	next    int64 // offset behind them
}

type indexEntry struct {
	base, pos int64 // of the first frame
	maxTime   int64 // of the entry's records
}

// walk calls f with each frame's header in bytes [pos, limit) of a segment, until f says stop. The first frame must begin at offset base.
func (p *partition) walk(file io.ReaderAt, seg, pos, limit, base int64, f func(h *head, pos int64) (stop bool)) error {
	buf := make([]byte, 64<<10)
	var have int64 // buf holds bytes [from, from+have)
	from, ahead := pos, int64(len(buf))
	for pos < limit {
		if pos+headBytes > from+have {
			want := min(ahead, limit-pos)
			if err := readFull(file, buf[:want], pos); err != nil {
				return p.damaged(base, seg, pos, err)
			}
			from, have = pos, want
		}
		h, err := parseHead(buf[pos-from : have])
		if err == nil && h.base != base {
			err = fmt.Errorf("the frame begins at offset %d instead of %d", h.base, base)
		}
		if err == nil && pos+h.total() > limit {
			err = errShort
		}
		if err != nil {
			return p.damaged(base, seg, pos, err)
		}
		if f(&h, pos) {
			return nil
		}
		pos, base = pos+h.total(), h.next()
		if ahead = int64(len(buf)); h.total() > ahead/4 { // the next one is likely to be as large: nothing but its header is of use
			ahead = headBytes
		}
	}
	return nil
}

// indexOf is the index of a segment up to byte limit. p.mu is held.
func (p *partition) indexOf(file *os.File, seg, limit int64) (*segmentIndex, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, p.wrap(err)
	}
	x := p.index[seg]
	if x == nil || !os.SameFile(x.info, info) {
		x = &segmentIndex{info: info, next: seg}
		p.index[seg] = x
	}
	err = p.walk(file, seg, x.pos, limit, x.next, func(h *head, pos int64) bool {
		if n := len(x.entries); n == 0 || pos-x.entries[n-1].pos >= indexEvery {
			x.entries = append(x.entries, indexEntry{base: h.base, pos: pos, maxTime: math.MinInt64})
		}
		if e := &x.entries[len(x.entries)-1]; h.count > 0 {
			e.maxTime = max(e.maxTime, h.maxTime)
		}
		x.pos, x.next = pos+h.total(), h.next()
		return false
	})
	return x, err
}

// locate is the byte of the frame that holds offset, and the frame's base.
func (p *partition) locate(file *os.File, seg, limit, offset int64) (pos, base int64, err error) {
	p.mu.Lock()
	x, err := p.indexOf(file, seg, limit)
	pos, base = 0, seg
	if x != nil {
		for _, e := range x.entries {
			if e.base > offset {
				break
			}
			pos, base = e.pos, e.base
		}
	}
	indexed := int64(0)
	if x != nil {
		indexed = x.next
	}
	p.mu.Unlock()
	if err != nil && offset >= indexed { // damage behind what is sought is for whoever gets there
		return 0, 0, err
	}
	at, atBase := pos, base
	err = p.walk(file, seg, pos, limit, base, func(h *head, pos int64) bool {
		at, atBase = pos, h.base
		if h.next() > offset {
			return true
		}
		at, atBase = pos+h.total(), h.next()
		return false
	})
	return at, atBase, err
}

// openSegment opens a segment for reading. limit is the number of bytes that may be read of it.
func (p *partition) openSegment(seg int64, d durable) (f *os.File, limit int64, err error) {
	f, err = os.Open(segmentPath(p.dir, seg))
	if err != nil {
		return nil, 0, err
	}
	limit = d.pos
	if seg != d.seg {
		st, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, 0, p.wrap(err)
		}
		limit = st.Size()
	}
	return f, limit, nil
}

// OffsetAt is the offset of the first record of partition p whose time is micros (µs since 1970 UTC) or later; the end if there is none.
// Times need not ascend with offsets.
func (t *Topic) OffsetAt(p int, micros int64) (int64, error) {
	part, err := t.readable(p)
	if err != nil {
		return 0, err
	}
	segs, err := part.segments()
	if err != nil {
		return 0, err
	}
	d, err := part.durableEnd()
	if err != nil {
		return 0, err
	}
	for _, seg := range segs {
		if seg > d.seg {
			break
		}
		offset, err := part.timeInSegment(seg, d, micros)
		if errors.Is(err, fs.ErrNotExist) { // retention was quicker
			continue
		}
		if err != nil || offset >= 0 {
			return offset, err
		}
	}
	return d.end, nil
}

// timeInSegment is OffsetAt within one segment, -1 if it has no such record.
func (p *partition) timeInSegment(seg int64, d durable, micros int64) (int64, error) {
	file, limit, err := p.openSegment(seg, d)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	p.mu.Lock()
	x, err := p.indexOf(file, seg, limit)
	if err != nil {
		p.mu.Unlock()
		return 0, err
	}
	pos, base := int64(-1), int64(0)
	for _, e := range x.entries {
		if e.maxTime >= micros {
			pos, base = e.pos, e.base
			break
		}
	}
	p.mu.Unlock()
	if pos < 0 {
		return -1, nil
	}
	at, atBase := int64(-1), int64(0)
	err = p.walk(file, seg, pos, limit, base, func(h *head, pos int64) bool {
		if h.count > 0 && h.maxTime >= micros {
			at, atBase = pos, h.base
		}
		return at >= 0
	})
	if err != nil || at < 0 {
		return -1, err
	}
	return p.timeInFrame(file, seg, at, atBase, limit, micros)
}

func (p *partition) timeInFrame(file io.ReaderAt, seg, pos, base, limit, micros int64) (int64, error) {
	raw, err := readFrame(file, pos, limit)
	if err != nil {
		return 0, p.damaged(base, seg, pos, err)
	}
	h, err := parseFrame(raw)
	if err != nil {
		return 0, p.damaged(base, seg, pos, err)
	}
	bb := newBlock(&records.Block{Data: raw}, []head{h})
	if err := bb.add(&h, 0); err != nil {
		return 0, p.damaged(base, seg, pos, err)
	}
	for i, t := range bb.block.Times {
		if t >= micros {
			return bb.block.Offset(i), nil
		}
	}
	return 0, p.damaged(base, seg, pos, errors.New("no record has the frame's latest time"))
}
