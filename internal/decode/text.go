package decode

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// text is a piece of text that has at least records.Padding readable bytes behind its end.
type text struct {
	p unsafe.Pointer
	n int
}

// word is the 8 bytes from i on; i <= n. What lies behind n is anything.
func (s text) word(i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(s.p, i))[:])
}

// byte is byte i; i <= n. Byte n is anything.
func (s text) byte(i int) byte { return *(*byte)(unsafe.Add(s.p, i)) }

// at is byte i, or 0 at the end, which no grammar allows anywhere.
func (s text) at(i int) byte {
	if i >= s.n {
		return 0
	}
	return *(*byte)(unsafe.Add(s.p, i))
}

// str is the text [i, j) itself.
func (s text) str(i, j int) string { return unsafe.String((*byte)(unsafe.Add(s.p, i)), j-i) }

// slice is the text [i, j) itself.
func (s text) slice(i, j int) []byte { return unsafe.Slice((*byte)(unsafe.Add(s.p, i)), j-i) }

// Eight equal bytes, for working on 8 characters at once.
const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	quotes = '"' * ones
	slants = '\\' * ones
	spaces = ' ' * ones
)

// plain is the index of the first byte from i on that ends a run of plain characters: a quote, a backslash, a control character, or
// a byte that is not ASCII. It is n or more where there is none.
//
// A byte's high bit in (x^quotes)-ones is set where it was a quote: 0 minus 1 borrows. The borrow may mark the byte above too,
// which does no harm since the lowest mark counts.
func (s text) plain(i int) int {
	for i < s.n {
		x := s.word(i)
		if m := (((x ^ quotes) - ones) | ((x ^ slants) - ones) | (x - spaces) | x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	return s.n
}

// allPlain tells whether the n bytes from i on are plain characters. It looks at them all, without a branch in between.
func (s text) allPlain(i, n int) bool {
	var m uint64
	if n < 8 {
		low := uint64(1)<<(8*n) - 1
		m = unplain(s.word(i)&low | spaces&^low)
		return m&highs == 0
	}
	end := i + n - 8
	for ; i < end; i += 8 {
		m |= unplain(s.word(i))
	}
	return (m|unplain(s.word(end)))&highs == 0
}

// unplain has a high bit set where x has a character that is not plain, and maybe in bytes above one.
func unplain(x uint64) uint64 {
	return ((x ^ quotes) - ones) | ((x ^ slants) - ones) | (x - spaces) | x
}

// special is plain for text in UTF-8: bytes that are not ASCII are passed over.
func (s text) special(i int) int {
	for i < s.n {
		x := s.word(i)
		q, b := x^quotes, x^slants
		if m := ((q-ones)&^q | (b-ones)&^b | (x-spaces)&^x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	return s.n
}

// space is the index of the first byte from i on that is no white space.
func (s text) space(i int) int {
	for i < s.n {
		switch s.byte(i) {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// literal tells whether word w stands at i; w is at most 8 bytes.
func (s text) literal(i int, w string) bool {
	return i+len(w) <= s.n && s.str(i, i+len(w)) == w
}

// number is the index behind the number at i, or i where there is none, and whether it has neither fraction nor exponent.
func (s text) number(i int) (end int, whole bool) {
	start := i
	if s.at(i) == '-' {
		i++
	}
	switch c := s.at(i); {
	case c == '0':
		i++
	case '1' <= c && c <= '9':
		i = s.digits(i)
	default:
		return start, false
	}
	whole = true
	if s.at(i) == '.' {
		j := s.digits(i + 1)
		if j == i+1 {
			return start, false
		}
		i, whole = j, false
	}
	if c := s.at(i); c == 'e' || c == 'E' {
		j := i + 1
		if c := s.at(j); c == '+' || c == '-' {
			j++
		}
		k := s.digits(j)
		if k == j {
			return start, false
		}
		i, whole = k, false
	}
	return i, whole
}

// digits is the index of the first byte from i on that is no digit.
func (s text) digits(i int) int {
	for i < s.n && s.byte(i)-'0' <= 9 {
		i++
	}
	return i
}
