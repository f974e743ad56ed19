package row

import (
	"math"

	"github.com/millrace/millrace/internal/assert"
)

// Arena keeps byte strings by row in one piece of memory without pointers. The limit is 4 GiB.
type Arena struct {
	spans   []span
	data    []byte
	garbage int // bytes of data that no span covers
}

// span is a place in an arena.
type span struct{ off, len uint32 }

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
	s := a.spans[r]
	return a.data[s.off : s.off+s.len : s.off+s.len]
}

// Collect are the strings of rows one behind the other, and writes where they end. Places are read before strings, so that what the cache does not hold is waited
// for together.
func (a *Arena) Collect(rows []int32, ends []uint32) []byte {
	size := 0
	for i, r := range rows {
		size += int(a.spans[r].len)
		ends[i] = uint32(size)
	}
	assert.True(size <= math.MaxUint32, "strings of %d bytes pass the limit of 4 GiB of one set", size)
	out := make([]byte, size)
	lo := uint32(0)
	for i, r := range rows {
		s := a.spans[r]
		copy(out[lo:ends[i]], a.data[s.off:s.off+s.len])
		lo = ends[i]
	}
	return out
}

// Warm reads the beginnings of strings, at most 64, so that they are in the cache; ^0 is none.
func (a *Arena) Warm(rows []uint32) {
	var offs [64]uint32
	n := 0
	for _, r := range rows {
		if r != ^uint32(0) {
			offs[n] = a.spans[r].off
			n++
		}
	}
	var sum byte
	for _, off := range offs[:n] {
		if int(off) < len(a.data) {
			sum ^= a.data[off]
		}
	}
	Used(uint64(sum))
}

// Set stores b as row r. What fits into the row's old place is written there.
func (a *Arena) Set(r int32, b []byte) {
	s := &a.spans[r]
	if len(b) <= int(s.len) {
		copy(a.data[s.off:], b)
		a.garbage += int(s.len) - len(b)
		s.len = uint32(len(b))
		return
	}
	a.garbage += int(s.len)
	off := len(a.data)
	assert.True(off+len(b) <= math.MaxUint32, "a column of state passes the limit of 4 GiB in one partition; use more partitions")
	a.data = append(a.data, b...)
	*s = span{uint32(off), uint32(len(b))}
}

// Clear makes strings of rows empty.
func (a *Arena) Clear(rows []int32) {
	for _, r := range rows {
		a.garbage += int(a.spans[r].len)
		a.spans[r].len = 0
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
	for i := range a.spans {
		s := &a.spans[i]
		off := len(data)
		data = append(data, a.data[s.off:s.off+s.len]...)
		s.off = uint32(off)
	}
	a.data, a.garbage = data, 0
}

// Bytes is the memory held.
func (a *Arena) Bytes() int { return 8*cap(a.spans) + cap(a.data) }
