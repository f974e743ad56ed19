package row

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/millrace/millrace/internal/assert"
)

// Arena keeps byte strings by row in one piece of memory without pointers. The limit is 4 GiB. Strings of up to seven bytes stand where others have their place:
// reading and comparing them touches no other memory (decision 0038).
type Arena struct {
	spans   []span
	data    []byte
	garbage int // bytes of data that no span covers
}

// span is a place in an arena, offset and length, or a string of up to seven bytes. Zero is the empty string.
//
//	place   offset 32 bits │ length 31 │ 0
//	string  its bytes and zeros 56 bits │ length 7 │ 1
type span uint64

const (
	shortLength = 7
	isShort     = 1 << 63
)

// ShortWord is what Words has for a string of up to seven bytes; false for longer ones.
func ShortWord(b []byte) (uint64, bool) {
	n := len(b)
	switch {
	case n > shortLength:
		return 0, false
	case cap(b) > shortLength:
		w := binary.LittleEndian.Uint64(b[:8]) // what is behind the string is cut off
		return w&(1<<(8*n)-1) | uint64(n)<<56 | isShort, true
	}
	w := uint64(n)<<56 | isShort
	for i, c := range b {
		w |= uint64(c) << (8 * i)
	}
	return w, true
}

func (s span) short() bool { return s&isShort != 0 }

func (s span) len() int {
	if s.short() {
		return int(s >> 56 & 0x7f)
	}
	return int(s >> 32)
}

// off is where the string of a span that is not short begins.
func (s span) off() int { return int(uint32(s)) }

// Words are the spans of all rows: two strings of up to seven bytes are equal if their words are, and no longer one has the word of one. They are valid until the next Grow.
func (a *Arena) Words() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.SliceData(a.spans)), len(a.spans))
}

// minCompact is the arena size below which garbage does not matter.
const minCompact = 64 << 10

// Grow adds empty strings until there are n.
func (a *Arena) Grow(n int) {
	if n > len(a.spans) {
		a.spans = grow(a.spans, n)
	}
}

// Get is the string of row r. It is valid until the next Set or Compact.
func (a *Arena) Get(r int32) []byte {
	s := &a.spans[r]
	n := s.len()
	if s.short() {
		return unsafe.Slice((*byte)(unsafe.Pointer(s)), n) // numbers are little-endian here
	}
	off := s.off()
	return a.data[off : off+n : off+n]
}

// Len is the length of row r's string.
func (a *Arena) Len(r int32) int { return a.spans[r].len() }

// Collect are the strings of rows one behind the other, and writes where they end. Places are read before strings, so that what the cache does not hold is waited
// for together.
func (a *Arena) Collect(rows []int32, ends []uint32) []byte {
	size := 0
	for i, r := range rows {
		size += a.spans[r].len()
		ends[i] = uint32(size)
	}
	assert.True(size <= math.MaxUint32, "strings of %d bytes pass the limit of 4 GiB of one set", size)
	out := make([]byte, size)
	lo := uint32(0)
	for i, r := range rows {
		copy(out[lo:ends[i]], a.Get(r))
		lo = ends[i]
	}
	return out
}

// Warm reads the beginnings of strings, at most 64, so that they are in the cache; ^0 is none.
func (a *Arena) Warm(rows []uint32) {
	var offs [64]int
	n := 0
	var sum uint64
	for _, r := range rows {
		if r == ^uint32(0) {
			continue
		}
		s := a.spans[r]
		sum ^= uint64(s)
		if !s.short() {
			offs[n] = s.off()
			n++
		}
	}
	for _, off := range offs[:n] {
		if off < len(a.data) {
			sum ^= uint64(a.data[off])
		}
	}
	Used(sum)
}

// Set stores b as row r. What fits into the row's old place is written there.
func (a *Arena) Set(r int32, b []byte) {
	s := &a.spans[r]
	old := 0 // bytes that the row has in data
	if !s.short() {
		old = s.len()
	}
	if w, ok := ShortWord(b); ok {
		a.garbage += old
		*s = span(w)
		return
	}
	if len(b) <= old {
		copy(a.data[s.off():], b)
		a.garbage += old - len(b)
		*s = placed(s.off(), len(b))
		return
	}
	a.garbage += old
	off := len(a.data)
	assert.True(off+len(b) <= math.MaxUint32 && len(b) <= math.MaxInt32, "a column of state passes the limit of 4 GiB in one partition; use more partitions")
	a.data = append(a.data, b...)
	*s = placed(off, len(b))
}

func placed(off, n int) span { return span(n)<<32 | span(uint32(off)) }

// Clear makes strings of rows empty.
func (a *Arena) Clear(rows []int32) {
	for _, r := range rows {
		if s := a.spans[r]; !s.short() {
			a.garbage += s.len()
		}
		a.spans[r] = 0
	}
	a.Compact()
}

// Compact moves the strings together when more than half of the arena is garbage, and enough of it to pay for the walk
// over all rows: the cost is in proportion to the bytes that were set since the last time.
func (a *Arena) Compact() {
	if len(a.data) < minCompact || a.garbage <= max(len(a.data)/2, 4*len(a.spans)) {
		return
	}
	live := len(a.data) - a.garbage
	data := make([]byte, 0, live+live/4)
	for i, s := range a.spans {
		if s.short() || s.len() == 0 {
			continue
		}
		off := len(data)
		data = append(data, a.data[s.off():s.off()+s.len()]...)
		a.spans[i] = placed(off, s.len())
	}
	a.data, a.garbage = data, 0
}

// Bytes is the memory held.
func (a *Arena) Bytes() int { return 8*cap(a.spans) + cap(a.data) }
