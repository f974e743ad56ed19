package decode

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/millrace/millrace/internal/records"
)

// marked is a stretch of a block's data with a bit for each byte that is no plain character: a quote, a backslash, a control character, or a byte that is
// not ASCII. The bits are made for many records at once; the end of a text is then found without looking at its bytes.
type marked struct {
	data     unsafe.Pointer
	from, to int    // of data
	bits     []byte // bit i is byte from+i; 8 bytes more than needed
	words    []uint64
}

// markedBytes is how much is marked at once: what stays in the processor's first cache with its bits.
const markedBytes = 16 << 10

// cover marks the text of a record, and some behind it, and is where the record begins among the bits.
func (m *marked) cover(data []byte, sp records.Span) int {
	p, from, to := unsafe.Pointer(unsafe.SliceData(data)), int(sp.Off), int(sp.Off)+int(sp.Len)
	if p != m.data || from < m.from || to > m.to {
		m.data, m.from = p, from
		m.to = max(to, min(from+markedBytes, len(data)))
		n := (m.to - from + 63) &^ 63 // there is padding behind data
		if n/64+1 > len(m.words) {
			m.words = make([]uint64, n/64+1)
			m.bits = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m.words))), len(m.words)*8)
		}
		marks(unsafe.Add(p, from), max(n, 64), m.words)
	}
	return from - m.from
}

// next is the first marked byte from bit i on, as a distance from it; 64 and more: there is none within 57 bytes.
func (m *marked) next(i int) int {
	return bits.TrailingZeros64(binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(m.bits)), i>>3))[:]) >> (i & 7))
}

// find is next without a limit but n.
func (m *marked) find(i, n int) int {
	for at := 0; at < n; at += 56 {
		if d := m.next(i + at); d < 56 {
			return at + d
		}
	}
	return n
}

// marksPlain is marks eight bytes at a time.
func marksPlain(p unsafe.Pointer, n int, out []uint64) {
	s := text{p, n}
	for k := range out[:n/64] {
		w := uint64(0)
		for b := range 8 {
			x := s.word(k*64 + b*8)
			q, l := x^quotes, x^slants
			m := ((q-ones)&^q | (l-ones)&^l | (x-spaces)&^x | x) & highs
			for ; m != 0; m &= m - 1 {
				at := bits.TrailingZeros64(m) >> 3
				if c := s.byte(k*64 + b*8 + at); c == '"' || c == '\\' || c < ' ' || c >= 0x80 { // a borrow marks bytes above a real one too
					w |= 1 << (b*8 + at)
				}
			}
		}
		out[k] = w
	}
}
