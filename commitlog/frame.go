package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/records"
)

// A frame, little-endian, padded with zeros to a multiple of 8 bytes:
//
//	 0 magic     4  "MRL1"
//	 4 headSum   4  low half of xxh3 of bytes 8..88
//	 8 base      8  offset of the first record
//	16 count     4  records
//	20 span      4  next - base: the frame covers offsets [base, base+span)
//	24 flags     4
//	28 marker    4  bytes of the marker
//	32 minTime   8  µs, of the records
//	40 maxTime   8
//	48 written   8  µs, when the frame was written: what retention by age counts from
//	56 durable   8  records below were fsynced before this frame was written
//	64 keys      4  bytes of keys
//	68 values    4  bytes of values
//	72 headers   4  bytes of headers
//	76 size      4  payload bytes, padding included
//	80 sum       8  xxh3 of the payload
//	88 payload: valueLens u32*count | keyLens u32*count? | times (u32 from minTime, or i64)*count? | offset-base u32*count?
//	            | headerEnds u32*count? | headers | marker | keys | values | zeros
const (
	frameMagic = "MRL1"
	headBytes  = 88
	// frameTarget is where a frame is full: payloads are at most this, or one record.
	frameTarget = 1<<20 - 4096
	maxFrame    = MaxRecord + 1<<20
)

const (
	flagKeys    = 1 << iota
	flagTimes32 // times differ: u32 from minTime
	flagTimes64 // times differ by more than that
	flagOffsets // offsets have gaps
	flagHeaders
	flagMore   // the commit goes on in the next frame
	knownFlags = flagMore<<1 - 1
)

// head is a frame's header.
type head struct {
	base             int64
	count, span      uint32
	flags, marker    uint32
	minTime, maxTime int64
	written, durable int64
	keys, values     uint32
	headers, size    uint32
	sum              uint64
}

func (h *head) next() int64  { return h.base + int64(h.span) }
func (h *head) total() int64 { return headBytes + int64(h.size) }
func (h *head) more() bool   { return h.flags&flagMore != 0 }

// columns is how many bytes stand before the headers' bytes.
func (h *head) columns() int64 {
	per := int64(4)
	for _, c := range [...]struct {
		flag  uint32
		bytes int64
	}{{flagKeys, 4}, {flagTimes32, 4}, {flagTimes64, 8}, {flagOffsets, 4}, {flagHeaders, 4}} {
		if h.flags&c.flag != 0 {
			per += c.bytes
		}
	}
	return per * int64(h.count)
}

func (h *head) put(b []byte) {
	le := binary.LittleEndian
	copy(b, frameMagic)
	le.PutUint64(b[8:], uint64(h.base))
	le.PutUint32(b[16:], h.count)
	le.PutUint32(b[20:], h.span)
	le.PutUint32(b[24:], h.flags)
	le.PutUint32(b[28:], h.marker)
	le.PutUint64(b[32:], uint64(h.minTime))
	le.PutUint64(b[40:], uint64(h.maxTime))
	le.PutUint64(b[48:], uint64(h.written))
	le.PutUint64(b[56:], uint64(h.durable))
	le.PutUint32(b[64:], h.keys)
	le.PutUint32(b[68:], h.values)
	le.PutUint32(b[72:], h.headers)
	le.PutUint32(b[76:], h.size)
	le.PutUint64(b[80:], h.sum)
	le.PutUint32(b[4:], uint32(xxh3.Hash(b[8:headBytes])))
}

var (
	errShort = errors.New("the file ends within the frame")
	errMagic = errors.New("no frame begins here")
)

// parseHead reads and checks the header at the start of b, which may be longer or shorter. Its lengths agree with each other.
func parseHead(b []byte) (h head, err error) {
	if len(b) < headBytes {
		return h, errShort
	}
	le := binary.LittleEndian
	if string(b[:4]) != frameMagic {
		return h, errMagic
	}
	if le.Uint32(b[4:]) != uint32(xxh3.Hash(b[8:headBytes])) {
		return h, errors.New("the frame's header does not match its checksum")
	}
	h = head{
		base: int64(le.Uint64(b[8:])), count: le.Uint32(b[16:]), span: le.Uint32(b[20:]),
		flags: le.Uint32(b[24:]), marker: le.Uint32(b[28:]),
		minTime: int64(le.Uint64(b[32:])), maxTime: int64(le.Uint64(b[40:])),
		written: int64(le.Uint64(b[48:])), durable: int64(le.Uint64(b[56:])),
		keys: le.Uint32(b[64:]), values: le.Uint32(b[68:]), headers: le.Uint32(b[72:]), size: le.Uint32(b[76:]),
		sum: le.Uint64(b[80:]),
	}
	if h.flags&^knownFlags != 0 {
		return h, fmt.Errorf("the frame has flags %#x, unknown to this version", h.flags&^knownFlags)
	}
	want := h.columns() + int64(h.headers) + int64(h.marker) + int64(h.keys) + int64(h.values)
	if h.base < 0 || h.count > h.span || int64(h.size) != want+pad8(want) || h.size > maxFrame {
		return h, errors.New("the frame's lengths contradict each other")
	}
	return h, nil
}

func pad8(n int64) int64 { return -n & 7 }

// part is what goes into one frame: records [lo, hi) of a batch.
type part struct {
	batch          *Batch
	lo, hi         int
	keyOff, valOff int // where the bytes of record lo begin
	keyLen, valLen int
}

// cutParts splits a batch into frames of about frameTarget bytes. It appends to dst.
func cutParts(dst []part, b *Batch) []part {
	p := part{batch: b}
	size := 0
	for i, v := range b.valueLens {
		one := 16
		k, val := 0, 0
		if v != records.Null {
			val = int(v)
		}
		if len(b.keyLens) > 0 && b.keyLens[i] != records.Null {
			k = int(b.keyLens[i])
		}
		one += k + val
		if len(b.headerEnds) > 0 {
			one += 4 + int(b.headerEnds[i]) - int(headerEnd(b, i))
		}
		if size > 0 && size+one > frameTarget {
			dst = append(dst, p)
			p = part{batch: b, lo: i, hi: i, keyOff: p.keyOff + p.keyLen, valOff: p.valOff + p.valLen}
			size = 0
		}
		p.hi, p.keyLen, p.valLen = i+1, p.keyLen+k, p.valLen+val
		size += one
	}
	return append(dst, p)
}

// headerEnd is where the headers of record i begin.
func headerEnd(b *Batch, i int) uint32 {
	if i == 0 {
		return 0
	}
	return b.headerEnds[i-1]
}

// frameInfo is what a frame says besides its records.
type frameInfo struct {
	base, written, durable int64
	more                   bool
	marker                 []byte
	span                   uint32  // 0: as many as there are records
	offsets                []int64 // nil: base, base+1, …
}

// appendFrame encodes part p behind dst.
func appendFrame(dst []byte, p part, info frameInfo) []byte {
	b, n := p.batch, p.hi-p.lo
	h := head{base: info.base, count: uint32(n), span: info.span, written: info.written, durable: info.durable,
		marker: uint32(len(info.marker)), keys: uint32(p.keyLen), values: uint32(p.valLen)}
	if h.span == 0 {
		h.span = h.count
	}
	if info.more {
		h.flags |= flagMore
	}
	if p.keyLen > 0 || anyKey(b, p.lo, p.hi) {
		h.flags |= flagKeys
	}
	h.timeRange(b.times[p.lo:p.hi])
	if info.offsets != nil {
		h.flags |= flagOffsets
	}
	var headers []byte
	if len(b.headerEnds) > 0 && n > 0 {
		headers = b.headers[headerEnd(b, p.lo):b.headerEnds[p.hi-1]]
	}
	if len(headers) > 0 {
		h.flags |= flagHeaders
		h.headers = uint32(len(headers))
	}
	size := h.columns() + int64(h.headers) + int64(h.marker) + int64(h.keys) + int64(h.values)
	size += pad8(size)
	assert.True(size <= maxFrame, "frame of %d bytes", size)
	h.size = uint32(size)

	start := len(dst)
	dst = append(dst, make([]byte, headBytes)...)
	dst = appendColumns(dst, &h, p, info)
	dst = append(dst, headers...)
	dst = append(dst, info.marker...)
	dst = append(dst, b.keys[p.keyOff:p.keyOff+p.keyLen]...)
	dst = append(dst, b.values[p.valOff:p.valOff+p.valLen]...)
	for len(dst) < start+int(h.total()) {
		dst = append(dst, 0)
	}
	h.sum = xxh3.Hash(dst[start+headBytes:])
	h.put(dst[start:])
	return dst
}

func anyKey(b *Batch, lo, hi int) bool {
	if len(b.keyLens) == 0 {
		return false
	}
	for _, k := range b.keyLens[lo:hi] {
		if k != records.Null {
			return true
		}
	}
	return false
}

func (h *head) timeRange(times []int64) {
	if len(times) == 0 {
		return
	}
	lo, hi := times[0], times[0]
	for _, t := range times {
		lo, hi = min(lo, t), max(hi, t)
	}
	h.minTime, h.maxTime = lo, hi
	switch d := uint64(hi) - uint64(lo); {
	case d == 0:
	case d <= 1<<32-1:
		h.flags |= flagTimes32
	default:
		h.flags |= flagTimes64
	}
}

func appendColumns(dst []byte, h *head, p part, info frameInfo) []byte {
	le, b := binary.LittleEndian, p.batch
	dst = appendUint32s(dst, b.valueLens[p.lo:p.hi])
	if h.flags&flagKeys != 0 {
		dst = appendUint32s(dst, b.keyLens[p.lo:p.hi])
	}
	switch {
	case h.flags&flagTimes32 != 0:
		for _, t := range b.times[p.lo:p.hi] {
			dst = le.AppendUint32(dst, uint32(t-h.minTime))
		}
	case h.flags&flagTimes64 != 0:
		for _, t := range b.times[p.lo:p.hi] {
			dst = le.AppendUint64(dst, uint64(t))
		}
	}
	for _, o := range info.offsets {
		dst = le.AppendUint32(dst, uint32(o-info.base))
	}
	if h.flags&flagHeaders != 0 {
		first := headerEnd(b, p.lo)
		for _, e := range b.headerEnds[p.lo:p.hi] {
			dst = le.AppendUint32(dst, e-first)
		}
	}
	return dst
}

func appendUint32s(dst []byte, src []uint32) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	return dst
}
