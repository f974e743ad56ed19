package kafkafetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/millrace/millrace/internal/records"
)

var (
	errLengths = errors.New("the lengths of its records do not add up")
	errOffsets = errors.New("the offsets of its records do not rise")
)

// fill makes the wanted batches, which are in b's Data, into b's records, up to offset next, and adds b to what is decoded. A block without records keeps no memory.
func (d *Decoder) fill(b *records.Block, next int64) error {
	from, err := d.out.Next, error(nil)
	b.First, b.Next = from, next
	n := 0
	for i := range d.batches {
		if c := &d.batches[i]; c.count < 0 || c.count > (c.hi-c.lo)/leastOfRecord {
			d.batches = d.batches[:i]
			err = fmt.Errorf("the record batch at offset %d says %d records in %d bytes", c.first, c.count, c.hi-c.lo)
			b.Next = max(from, c.first)
			break
		} else {
			n += c.count
		}
	}
	if n > 0 {
		b.Room(n, d.keyed(b))
		f := filler{b: b, room: n, next: from}
		for i := range d.batches {
			if ferr := f.batch(&d.batches[i]); ferr != nil {
				err = fmt.Errorf("the record batch at offset %d: %w", d.batches[i].first, ferr)
				break
			}
		}
		if !f.keyed {
			b.Keys = nil // that of a record before what was asked for
		}
		if err != nil {
			b.Next = f.next
		}
	}
	if d.batches = d.batches[:0]; b.Len() == 0 {
		empty := records.New(0)
		empty.First, empty.Next = b.First, b.Next
		b.Free()
		b = empty
	}
	if b.Next > from {
		d.out.Blocks, d.out.Next = append(d.out.Blocks, b), b.Next
	}
	return err
}

// keyed tells whether the first record has a key: mostly all do, or none.
func (d *Decoder) keyed(b *records.Block) bool {
	for i := range d.batches {
		if c := &d.batches[i]; c.count > 0 {
			r := reader{data: b.Data, at: c.lo, end: c.hi}
			r.varint()
			r.at++
			r.varlong()
			r.varint()
			return r.varint() >= 0
		}
	}
	return false
}

// filler appends records to a block.
type filler struct {
	b     *records.Block
	room  int   // records that there may be
	next  int64 // offset behind the last
	keyed bool  // some record has a key
}

// batch appends a batch's records from offset next on. With an error it appends those before the damage.
func (f *filler) batch(c *batch) error {
	b := f.b
	r := reader{data: b.Data, at: c.lo, end: c.hi}
	for range c.count {
		size := r.varint()
		if size < 0 || size > int64(c.hi-r.at) {
			return errLengths
		}
		end := r.at + int(size)
		r.at++ // attributes: none are defined
		delta := r.varlong()
		at := c.first + r.varint()
		key := r.span()
		value := r.span()
		headers := r.varint()
		if r.at < 0 || headers < 0 || headers > size || headers == 0 && r.at != end {
			return errLengths
		}
		var hs []records.Header
		if headers > 0 {
			if hs = r.headers(int(headers)); r.at != end {
				return errLengths
			}
		}
		if at < f.next {
			if at < b.First {
				continue // before what was asked for
			}
			return errOffsets
		}
		if at >= c.next {
			return errOffsets
		}
		if at != b.First+int64(len(b.Values)) && b.Offsets == nil {
			f.gap()
		}
		if b.Offsets != nil {
			b.Offsets = append(b.Offsets, at)
		}
		f.next = at + 1
		if c.fixed {
			delta = 0
		}
		b.Times = append(b.Times, (c.time+delta)*1000)
		f.keyed = f.keyed || key.Len != records.Null
		switch {
		case b.Keys != nil:
			b.Keys = append(b.Keys, key)
		case f.keyed:
			f.key(key)
		}
		b.Values = append(b.Values, value)
		switch {
		case b.Headers != nil:
			b.Headers = append(b.Headers, hs)
		case hs != nil:
			b.Headers = append(make([][]records.Header, len(b.Values)-1, f.room), hs)
		}
	}
	if r.at != c.hi {
		return errLengths
	}
	f.next = max(f.next, c.next)
	return nil
}

// gap begins to write offsets down.
func (f *filler) gap() {
	b := f.b
	b.Offsets = make([]int64, len(b.Values), f.room)
	for i := range b.Offsets {
		b.Offsets[i] = b.First + int64(i)
	}
}

// key begins to write keys down, with the record behind those that are there.
func (f *filler) key(k records.Span) {
	b := f.b
	b.Keys = make([]records.Span, len(b.Values), f.room)
	for i := range b.Keys {
		b.Keys[i] = records.Span{Len: records.Null}
	}
	b.Keys = append(b.Keys, k)
}

// reader reads a record. When something does not fit before end, at becomes negative and stays so. There are bytes behind end that may be read
// (records.Padding), or data ends there.
type reader struct {
	data []byte
	at   int
	end  int
}

// failed is far enough below zero to stay there, whatever is added for one record.
const failed = -1 << 62

// varint reads a zigzag number of 32 bits, as all are but times.
func (r *reader) varint() int64 {
	if uint(r.at) < uint(min(r.end, len(r.data))) {
		if c := r.data[r.at]; c < 0x80 {
			r.at++
			return int64(c>>1) ^ -int64(c&1)
		}
	}
	if v := r.uvarint(5); v <= math.MaxUint32 {
		return int64(v>>1) ^ -int64(v&1)
	}
	r.at = failed
	return 0
}

// varlong reads a zigzag number of 64 bits.
func (r *reader) varlong() int64 {
	v := r.uvarint(binary.MaxVarintLen64)
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) uvarint(most int) uint64 {
	v := uint64(0)
	for shift := 0; shift < 7*most && uint(r.at) < uint(min(r.end, len(r.data))); shift += 7 {
		c := r.data[r.at]
		r.at++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if shift == 63 && c > 1 {
				break
			}
			return v
		}
	}
	r.at = failed
	return 0
}

// span reads a length and skips so many bytes; below zero it is null.
func (r *reader) span() records.Span {
	n := r.varint()
	if n < 0 {
		return records.Span{Len: records.Null}
	}
	if n > int64(r.end-r.at) || r.at < 0 {
		r.at = failed
		return records.Span{}
	}
	s := records.Span{Off: uint32(r.at), Len: uint32(n)}
	r.at += int(n)
	return s
}

func (r *reader) headers(n int) []records.Header {
	hs := make([]records.Header, n)
	for i := range hs {
		hs[i] = records.Header{Name: r.span(), Value: r.span()}
		if r.at < 0 || hs[i].Name.Len == records.Null {
			r.at = failed
			return nil
		}
	}
	return hs
}
