package commitlog

import (
	"encoding/binary"
	"errors"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/records"
)

var errPayload = errors.New("the frame's records do not match their checksum")

// parseFrame checks the whole frame at the start of b.
func parseFrame(b []byte) (head, error) {
	h, err := parseHead(b)
	if err != nil {
		return h, err
	}
	if int64(len(b)) < h.total() {
		return h, errShort
	}
	if xxh3.Hash(b[headBytes:h.total()]) != h.sum {
		return h, errPayload
	}
	return h, nil
}

// markerOf is the marker of a checked frame; it aliases b.
func markerOf(h *head, b []byte) []byte {
	at := headBytes + h.columns() + int64(h.headers)
	return b[at : at+int64(h.marker)]
}

// blockBuilder gathers checked frames that lie in one buffer into a block.
type blockBuilder struct {
	block   *records.Block
	offsets bool // some frame has gaps
}

// newBlock is a builder for frames that lie in b's Data; b has no records yet.
func newBlock(b *records.Block, heads []head) *blockBuilder {
	n, keys, offsets, headers := 0, false, false, false
	for i := range heads {
		h := &heads[i]
		n += int(h.count)
		keys = keys || h.flags&flagKeys != 0
		headers = headers || h.flags&flagHeaders != 0
		offsets = offsets || h.flags&flagOffsets != 0 || h.count != h.span
	}
	b.First, b.Next = heads[0].base, heads[len(heads)-1].next()
	b.Room(n, keys)
	if headers {
		b.Headers = make([][]records.Header, 0, n)
	}
	if offsets {
		b.Offsets = make([]int64, 0, n)
	}
	return &blockBuilder{block: b, offsets: offsets}
}

// add appends the records of the frame at byte at of the block's data. The frame's checksum has been verified; lengths are checked all
// the same, because a checksum proves nothing about who wrote the bytes.
func (bb *blockBuilder) add(h *head, at int64) error {
	b, n := bb.block, int(h.count)
	col := b.Data[at+headBytes:]
	next := func(width int) []byte {
		c := col[:n*width]
		col = col[n*width:]
		return c
	}
	valueLens := next(4)
	text := at + headBytes + h.columns() + int64(h.headers) + int64(h.marker) // keys, then values
	var err error
	if h.flags&flagKeys != 0 {
		if b.Keys, err = appendSpans(b.Keys, next(4), text, int64(h.keys)); err != nil {
			return err
		}
	} else if b.Keys != nil {
		for range n {
			b.Keys = append(b.Keys, records.Span{Len: records.Null})
		}
	}
	if b.Values, err = appendSpans(b.Values, valueLens, text+int64(h.keys), int64(h.values)); err != nil {
		return err
	}
	b.Times = appendTimes(b.Times, h, next)
	if err := bb.addOffsets(h, next); err != nil {
		return err
	}
	if h.flags&flagHeaders != 0 {
		ends := next(4)
		return bb.addHeaders(h, ends, at+headBytes+h.columns())
	}
	if b.Headers != nil {
		b.Headers = append(b.Headers, make([][]records.Header, n)...)
	}
	return nil
}

var errColumns = errors.New("the frame's lengths do not add up")

// appendSpans turns a column of lengths into spans, of bytes that begin at off and are size altogether.
func appendSpans(dst []records.Span, lens []byte, off, size int64) ([]records.Span, error) {
	end := off + size
	n := len(lens) / 4
	at := len(dst)
	dst = dst[:at+n]
	out := dst[at:]
	for i := range out {
		l := binary.LittleEndian.Uint32(lens[i*4:])
		out[i] = records.Span{Off: uint32(off), Len: l}
		if l == records.Null {
			continue
		}
		if off += int64(l); off > end {
			return dst, errColumns
		}
	}
	if off != end {
		return dst, errColumns
	}
	return dst, nil
}

func appendTimes(dst []int64, h *head, next func(int) []byte) []int64 {
	n := int(h.count)
	at := len(dst)
	dst = dst[:at+n]
	out := dst[at:]
	switch {
	case h.flags&flagTimes32 != 0:
		col := next(4)
		for i := range out {
			out[i] = h.minTime + int64(binary.LittleEndian.Uint32(col[i*4:]))
		}
	case h.flags&flagTimes64 != 0:
		col := next(8)
		for i := range out {
			out[i] = int64(binary.LittleEndian.Uint64(col[i*8:]))
		}
	default:
		for i := range out {
			out[i] = h.minTime
		}
	}
	return dst
}

func (bb *blockBuilder) addOffsets(h *head, next func(int) []byte) error {
	b := bb.block
	if h.flags&flagOffsets == 0 {
		if h.count != h.span && h.count != 0 {
			return errColumns
		}
		if bb.offsets {
			for i := range int64(h.count) {
				b.Offsets = append(b.Offsets, h.base+i)
			}
		}
		return nil
	}
	col := next(4)
	last := int64(-1)
	for i := range int(h.count) {
		d := int64(binary.LittleEndian.Uint32(col[i*4:]))
		if d <= last || d >= int64(h.span) {
			return errors.New("the frame's offsets are not in order")
		}
		last = d
		b.Offsets = append(b.Offsets, h.base+d)
	}
	return nil
}

var errHeaders = errors.New("the frame's record headers cannot be read")

// addHeaders reads the headers of each record, which begin at byte off of the block's data.
func (bb *blockBuilder) addHeaders(h *head, ends []byte, off int64) error {
	b := bb.block
	from := uint32(0)
	for i := range int(h.count) {
		to := binary.LittleEndian.Uint32(ends[i*4:])
		if to < from || to > h.headers {
			return errHeaders
		}
		list, ok := parseHeaders(b.Data[off+int64(from):off+int64(to)], uint32(off)+from)
		if !ok {
			return errHeaders
		}
		b.Headers = append(b.Headers, list)
		from = to
	}
	return nil
}

func parseHeaders(raw []byte, off uint32) ([]records.Header, bool) {
	if len(raw) == 0 {
		return nil, true
	}
	pos := 0
	span := func() (records.Span, bool) {
		n, w := binary.Uvarint(raw[pos:])
		if w <= 0 || n > uint64(len(raw)-pos-w) {
			return records.Span{}, false
		}
		s := records.Span{Off: off + uint32(pos+w), Len: uint32(n)}
		pos += w + int(n)
		return s, true
	}
	count, w := binary.Uvarint(raw)
	if w <= 0 || count > uint64(len(raw)) {
		return nil, false
	}
	pos = w
	list := make([]records.Header, count)
	for i := range list {
		name, ok := span()
		value, ok2 := span()
		if !ok || !ok2 {
			return nil, false
		}
		list[i] = records.Header{Name: name, Value: value}
	}
	return list, pos == len(raw)
}
