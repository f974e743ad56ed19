package commitlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// blockBytes is about the size of a block that a Reader returns.
const blockBytes = 1 << 20

// Reader reads one partition in offset order, in any process. It sees only what is durable. One goroutine at a time.
type Reader struct {
	p    *partition
	dur  *durableFile
	end  int64 // last known durable end
	next int64 // offset of the next record to return

	file  *sharedFile // segment, nil before the first read
	seg   int64
	size  int64 // of a segment that is closed, 0 if it was not when it was looked at
	pos   int64
	frame int64  // offset at which the frame at pos begins
	large bool   // frames are large: look at their headers before reading
	small int    // so many blocks are read without a look at whether they can be deferred
	heads []head // of the last block

	sub *subscription
}

// Reader opens partition p at offset from, which must be in its bounds or at their end. ErrOffsetGone: retention removed it.
// ErrBeyondEnd: there is no such offset yet, or no more.
func (t *Topic) Reader(p int, from int64) (*Reader, error) {
	part, err := t.readable(p)
	if err != nil {
		return nil, err
	}
	b, err := part.bounds()
	if err != nil {
		return nil, err
	}
	if from < b.Start {
		return nil, offsetError(part, ErrOffsetGone, from, b)
	}
	if from > b.End && !fault.Planted("P11-beyond-end") {
		return nil, offsetError(part, ErrBeyondEnd, from, b)
	}
	dur, err := openDurable(part.dir, false)
	if err != nil {
		return nil, part.wrap(err)
	}
	return &Reader{p: part, dur: dur, next: from, end: b.End}, nil
}

// Offset is the offset that the next block begins at.
func (r *Reader) Offset() int64 { return r.next }

// End is the durable end as Next saw it last.
func (r *Reader) End() int64 { return r.end }

// Next waits for records and returns them: a block of about 1 MiB or less, or one record. Blocks cover the offsets without a hole.
// ErrOffsetGone: retention overtook the reader. ErrDamaged: the log cannot be read here; asking again gives the same. When ctx is done
// and nothing is there, its error.
func (r *Reader) Next(ctx context.Context) (*records.Block, error) { return r.await(ctx, nil) }

// await waits for poll: with told, blocks may be deferred.
func (r *Reader) await(ctx context.Context, told func(error) error) (*records.Block, error) {
	for {
		b, err := r.poll(told)
		if b != nil || err != nil {
			return b, err
		}
		if err := r.wait(ctx); err != nil {
			return nil, r.p.wrap(err)
		}
	}
}

// Poll is Next without waiting: nil if there is nothing new.
func (r *Reader) Poll() (*records.Block, error) { return r.poll(nil) }

func (r *Reader) poll(told func(error) error) (*records.Block, error) {
	if r.dur == nil {
		return nil, r.p.wrap(ErrClosed)
	}
	d, err := r.dur.read()
	if err != nil {
		return nil, r.p.damagedEnd(err)
	}
	if d.end < r.end {
		return nil, offsetError(r.p, ErrBeyondEnd, r.end, Bounds{End: d.end})
	}
	r.end = d.end
	for r.next < d.end {
		b, err := r.read(d, told)
		if err != nil {
			return nil, err
		}
		if b.Len() == 0 { // only gaps: they join the block that follows
			continue
		}
		if b.First > r.next && b.Offsets == nil { // the records stay where they are
			b.Offsets = make([]int64, b.Len())
			for i := range b.Offsets {
				b.Offsets[i] = b.First + int64(i)
			}
		}
		b.First, r.next = r.next, b.Next
		return b, nil
	}
	return nil, nil
}

// Close releases the reader's files.
func (r *Reader) Close() error {
	if r.dur == nil {
		return nil
	}
	err := r.dur.close()
	if r.file != nil {
		err = errors.Join(err, r.file.release())
	}
	if r.sub != nil {
		r.sub.close()
	}
	r.dur, r.file, r.sub = nil, nil, nil
	return err
}

// read is the next block of frames at the cursor; there is at least one frame, since r.next < d.end.
func (r *Reader) read(d durable, told func(error) error) (*records.Block, error) {
	limit, err := r.cursor(d)
	if err != nil {
		return nil, err
	}
	if told != nil {
		if b := r.deferFrames(limit, told); b != nil {
			return b, nil
		}
	}
	raw, heads, err := r.readFrames(limit)
	if err != nil {
		return nil, r.p.damaged(r.frame, r.seg, r.pos, err)
	}
	bb, buf, at := newBlock(raw, heads), raw.Data, int64(0)
	for i := range heads {
		h := &heads[i]
		err := error(nil)
		switch {
		case h.base != r.frame:
			err = fmt.Errorf("the frame begins at offset %d instead of %d", h.base, r.frame)
		case xxh3.Hash(buf[at+headBytes:at+h.total()]) != h.sum && !fault.Planted("P11-misread"):
			err = errPayload
		default:
			err = bb.add(h, at)
		}
		if err != nil {
			if at > 0 { // what is whole before comes first; the next call reports the damage
				return r.part(heads[:i], raw)
			}
			return nil, r.p.damaged(r.frame, r.seg, r.pos, err)
		}
		at += h.total()
		r.pos, r.frame = r.pos+h.total(), h.next()
	}
	b := bb.block
	if b.First < r.next {
		b = b.Slice(r.next, b.Next)
	}
	return b, nil
}

// part is the block of the frames before a damaged one.
func (r *Reader) part(heads []head, raw *records.Block) (*records.Block, error) {
	bb := newBlock(&records.Block{Data: raw.Data}, heads)
	at := int64(0)
	for i := range heads {
		if err := bb.add(&heads[i], at); err != nil {
			return nil, r.p.wrap(err)
		}
		at += heads[i].total()
	}
	return bb.block.Slice(max(r.next, bb.block.First), bb.block.Next), nil
}

// cursor makes sure that a frame begins at r.pos of the open segment, and says up to which byte it may be read.
func (r *Reader) cursor(d durable) (limit int64, err error) {
	if r.file == nil {
		if err := r.seek(d); err != nil {
			return 0, err
		}
	}
	for {
		if r.seg == d.seg {
			limit = d.pos
		} else if r.size == 0 {
			st, err := r.file.Stat()
			if err != nil {
				return 0, r.p.wrap(err)
			}
			limit, r.size = st.Size(), st.Size()
		} else {
			limit = r.size
		}
		if r.pos < limit {
			return limit, nil
		}
		if r.seg == d.seg {
			return 0, r.p.damaged(r.frame, r.seg, r.pos, fmt.Errorf("the segment ends at offset %d, the durable end is %d", r.frame, d.end))
		}
		if err := r.advance(d); err != nil {
			return 0, err
		}
	}
}

// advance goes on to the next segment.
func (r *Reader) advance(d durable) error {
	segs, err := r.p.segments()
	if err != nil {
		return err
	}
	for _, seg := range segs {
		if seg <= r.seg {
			continue
		}
		if seg > r.frame {
			return offsetError(r.p, ErrOffsetGone, r.frame, Bounds{Start: seg, End: d.end})
		}
		f, err := os.Open(segmentPath(r.p.dir, seg))
		if errors.Is(err, fs.ErrNotExist) {
			continue // retention removed it since it was listed
		}
		if err != nil {
			return r.p.wrap(err)
		}
		_ = r.file.release()
		r.file, r.seg, r.pos, r.size, r.frame = share(f), seg, 0, 0, seg
		return nil
	}
	return r.p.damaged(r.frame, r.seg, r.pos, errors.New("no segment follows"))
}

// seek opens the segment that holds r.next at the frame that does.
func (r *Reader) seek(d durable) error {
	for range 10 { // retention may remove the segment that we chose
		segs, err := r.p.segments()
		if err != nil {
			return err
		}
		seg := int64(-1)
		for _, s := range segs {
			if s <= r.next {
				seg = s
			}
		}
		if seg < 0 {
			b := Bounds{End: d.end}
			if len(segs) > 0 {
				b.Start = segs[0]
			}
			return offsetError(r.p, ErrOffsetGone, r.next, b)
		}
		f, limit, err := r.p.openSegment(seg, d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return r.p.wrap(err)
		}
		pos, frame := int64(0), seg
		if r.next > seg {
			if pos, frame, err = r.p.locate(f, seg, limit, r.next); err != nil {
				f.Close()
				return err
			}
		}
		r.file, r.seg, r.pos, r.frame, r.size = share(f), seg, pos, frame, 0
		return nil
	}
	return r.p.wrap(fmt.Errorf("offset %d: %w: segments vanish faster than they can be opened", r.next, ErrOffsetGone))
}

// readFrames reads whole frames at r.pos: as many as fit in a block, at least one. Only headers are checked.
func (r *Reader) readFrames(limit int64) (*records.Block, []head, error) {
	want := min(limit-r.pos, blockBytes)
	if r.large {
		n, err := r.extent(limit)
		if err != nil {
			return nil, nil, err
		}
		want = n
	}
	raw, err := r.readAt(want)
	if err != nil {
		return nil, nil, err
	}
	heads := r.heads[:0]
	at := int64(0)
	for at < want {
		h, err := parseHead(raw.Data[at:])
		if err == nil && at+h.total() > want {
			err = errShort
		}
		if err != nil && at > 0 {
			break // what is whole comes first: the next read tells whether this one is damaged or was only cut by our buffer
		}
		if err == errShort && h.size > 0 && h.total() <= limit-r.pos { // one frame of more than a block
			raw, err = r.readAt(h.total())
			return raw, []head{h}, err
		}
		if err != nil {
			return nil, nil, err
		}
		heads = append(heads, h)
		at += h.total()
	}
	r.large, r.heads = at/int64(len(heads)) > 64<<10, heads
	raw.Data = raw.Data[:at]
	return raw, heads, nil
}

// readAt is a block of n bytes of the segment at the cursor, without records.
func (r *Reader) readAt(n int64) (*records.Block, error) {
	b := records.New(int(n))
	return b, readFull(r.file, b.Data, r.pos)
}

// extent is how many bytes of whole frames make the next block.
func (r *Reader) extent(limit int64) (int64, error) {
	at := int64(0)
	var hb [headBytes]byte
	for r.pos+at+headBytes <= limit {
		if err := readFull(r.file, hb[:], r.pos+at); err != nil {
			return 0, err
		}
		h, err := parseHead(hb[:])
		if err == nil && r.pos+at+h.total() > limit {
			err = errShort
		}
		if err != nil {
			if at > 0 {
				return at, nil
			}
			return 0, err
		}
		if at > 0 && at+h.total() > blockBytes {
			return at, nil
		}
		at += h.total()
	}
	return at, nil
}
