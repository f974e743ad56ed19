package commitlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/records"
)

// Compaction says what Compact did.
type Compaction struct {
	Segments    int   // that were read
	Removed     int64 // records that a later one of the same key supersedes, and tombstones that have had their time
	Kept        int64
	BytesBefore int64
	BytesAfter  int64
}

// Compact closes the active segment and rewrites the closed ones so that of each key only the last record is left. Offsets stay as they
// are; gaps are left where records were. Records without a key stay. A tombstone stays for Settings.TombstoneAge, so that readers
// see it, and the partition's last record stays always. It needs about 50 bytes of memory for each key.
//
// Readers may go on meanwhile; a crash leaves each segment as it was or rewritten.
func (w *Writer) Compact(ctx context.Context) (Compaction, error) {
	if err := w.lease.lock(); err != nil {
		return Compaction{}, err
	}
	var err error
	if w.tail.next > w.tail.base {
		err = w.tail.roll()
	}
	active := w.tail.base
	w.lease.unlock()
	if err != nil {
		return Compaction{}, w.p.wrap(err)
	}
	return w.compactBelow(ctx, active)
}

// compactBelow compacts the segments before active. One at a time.
func (w *Writer) compactBelow(ctx context.Context, active int64) (Compaction, error) {
	select {
	case w.compacting <- struct{}{}:
		defer func() { <-w.compacting }()
	case <-ctx.Done():
		return Compaction{}, w.p.wrap(ctx.Err())
	}
	c := compactor{w: w, last: map[xxh3.Uint128]int64{}, end: active - 1, now: w.p.log.opt.Clock.Now().UnixMicro()}
	segs, err := w.p.segments()
	if err != nil {
		return c.done, err
	}
	for len(segs) > 0 && segs[len(segs)-1] >= active {
		segs = segs[:len(segs)-1]
	}
	for _, seg := range segs {
		if err := c.each(ctx, seg, c.note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c.done, err
		}
	}
	for _, seg := range segs {
		if err := c.rewrite(ctx, seg); err != nil && !errors.Is(err, fs.ErrNotExist) { // retention may have been there before us
			return c.done, err
		}
	}
	w.p.log.opt.Log.Info("partition compacted", "topic", w.p.topic, "partition", w.p.num, "removed", c.done.Removed, "kept", c.done.Kept,
		"bytes", c.done.BytesAfter)
	return c.done, nil
}

// compactor compacts the closed segments of one partition.
type compactor struct {
	w    *Writer
	last map[xxh3.Uint128]int64 // by hash of the key: offset of its last record
	end  int64                  // offset of the last record in the closed segments
	now  int64
	done Compaction
}

// each calls f with every frame of a closed segment, decoded.
func (c *compactor) each(ctx context.Context, seg int64, f func(h *head, b *records.Block) error) error {
	p := c.w.p
	file, err := os.Open(segmentPath(p.dir, seg))
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return p.wrap(err)
	}
	next := seg
	for pos := int64(0); pos < st.Size(); {
		if err := ctx.Err(); err != nil {
			return p.wrap(err)
		}
		raw, err := readFrame(file, pos, st.Size())
		if err != nil {
			return p.damaged(next, seg, pos, err)
		}
		h, err := parseFrame(raw)
		if err == nil && h.base != next {
			err = fmt.Errorf("the frame begins at offset %d instead of %d", h.base, next)
		}
		if err != nil {
			return p.damaged(next, seg, pos, err)
		}
		bb := newBlock(&records.Block{Data: raw}, []head{h})
		if err := bb.add(&h, 0); err != nil {
			return p.damaged(next, seg, pos, err)
		}
		if err := f(&h, bb.block); err != nil {
			return err
		}
		pos, next = pos+h.total(), h.next()
	}
	return nil
}

// note remembers the last offset of each key.
func (c *compactor) note(_ *head, b *records.Block) error {
	for i := range b.Len() {
		if key := b.Key(i); key != nil {
			c.last[xxh3.Hash128(key)] = b.Offset(i)
		}
	}
	return nil
}

// keep tells whether record i of a frame stays.
func (c *compactor) keep(h *head, b *records.Block, i int) bool {
	key, offset := b.Key(i), b.Offset(i)
	if key == nil || offset == c.end {
		return true
	}
	if c.last[xxh3.Hash128(key)] != offset {
		return false
	}
	return b.Value(i) != nil || c.now-h.written <= c.w.settings.TombstoneAge.Microseconds()
}

// rewrite replaces a segment by one with the records that stay.
func (c *compactor) rewrite(ctx context.Context, seg int64) error {
	p := c.w.p
	path := segmentPath(p.dir, seg)
	before, err := fileSize(p, seg)
	if err != nil {
		return err
	}
	tmp := path + ".compact"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return p.wrap(err)
	}
	defer os.Remove(tmp)
	out := compacted{w: f, base: seg, next: seg}
	removed, kept := int64(0), int64(0)
	err = c.each(ctx, seg, func(h *head, b *records.Block) error {
		if err := out.begin(h); err != nil {
			return p.wrap(err)
		}
		for i := range b.Len() {
			if !c.keep(h, b, i) {
				removed++
				continue
			}
			kept++
			if err := out.add(b, i); err != nil {
				return p.wrap(err)
			}
		}
		out.next = h.next()
		return nil
	})
	if err == nil {
		err = p.wrap(out.flush())
	}
	if err == nil && removed > 0 {
		err = p.wrap(f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	c.done.Segments++
	c.done.BytesBefore += before
	c.done.Kept += kept
	if removed == 0 {
		c.done.BytesAfter += before
		return nil
	}
	c.done.Removed += removed
	c.done.BytesAfter += out.bytes
	return c.replace(tmp, path, seg)
}

// replace puts the rewritten segment in place, unless retention has removed it or the partition is not ours any more.
func (c *compactor) replace(tmp, path string, seg int64) error {
	p := c.w.p
	if err := c.w.lease.lock(); err != nil {
		return err
	}
	defer c.w.lease.unlock()
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(tmp, path), syncDir(p.dir)); err != nil {
		return p.wrap(err)
	}
	p.forget(seg)
	return nil
}

// compacted writes the frames of a rewritten segment. They cover the same offsets as before.
type compacted struct {
	w          io.Writer
	batch      Batch
	offsets    []int64
	base, next int64 // offsets that the frame being gathered covers
	written    int64
	buf        []byte
	headers    []Header
	bytes      int64
}

// begin makes room for the records of frame h.
func (o *compacted) begin(h *head) error {
	if o.next > o.base && (o.batch.Bytes()+int(h.size) > frameTarget || h.next()-o.base > 1<<31) {
		if err := o.flush(); err != nil {
			return err
		}
	}
	o.written = max(o.written, h.written)
	return nil
}

func (o *compacted) add(b *records.Block, i int) error {
	o.offsets = append(o.offsets, b.Offset(i))
	if b.Headers == nil || len(b.Headers[i]) == 0 {
		return o.batch.Add(b.Key(i), b.Value(i), b.Times[i])
	}
	o.headers = o.headers[:0]
	for _, h := range b.Headers[i] {
		name, value := b.Data[h.Name.Off:h.Name.Off+h.Name.Len], b.Data[h.Value.Off:h.Value.Off+h.Value.Len]
		o.headers = append(o.headers, Header{Name: string(name), Value: value})
	}
	return o.batch.AddHeaders(b.Key(i), b.Value(i), b.Times[i], o.headers)
}

func (o *compacted) flush() error {
	if o.next == o.base {
		return nil
	}
	n := o.batch.Len()
	info := frameInfo{base: o.base, written: o.written, durable: o.base, span: uint32(o.next - o.base)}
	if int64(n) < o.next-o.base && n > 0 {
		info.offsets = o.offsets
	}
	o.buf = appendFrame(o.buf[:0], part{batch: &o.batch, hi: n, keyLen: len(o.batch.keys), valLen: len(o.batch.values)}, info)
	_, err := o.w.Write(o.buf)
	o.bytes += int64(len(o.buf))
	o.batch.Reset()
	o.offsets, o.base, o.written = o.offsets[:0], o.next, 0
	return err
}

// clean compacts in the background when at least as much is new in the closed segments as was compacted before.
func (w *Writer) clean(ctx context.Context) {
	defer close(w.cleaned)
	for {
		select {
		case <-ctx.Done():
			return
		case active := <-w.rolled:
			if err := w.compactDirty(ctx, active); err != nil && ctx.Err() == nil {
				w.p.log.opt.Log.Warn("partition not compacted", "topic", w.p.topic, "partition", w.p.num, "error", err)
			}
		}
	}
}

func (w *Writer) compactDirty(ctx context.Context, active int64) error {
	segs, err := w.p.segments()
	if err != nil {
		return err
	}
	var clean, dirty int64
	for _, seg := range segs {
		if seg >= active {
			break
		}
		size, err := fileSize(w.p, seg)
		if err != nil {
			return err
		}
		if seg < w.cleanUntil {
			clean += size
		} else {
			dirty += size
		}
	}
	if dirty < clean {
		return nil
	}
	_, err = w.compactBelow(ctx, active)
	if err == nil {
		w.cleanUntil = active
	}
	return err
}
