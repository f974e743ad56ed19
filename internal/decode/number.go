package decode

import (
	"math"
	"math/bits"
	"strconv"
)

// few reads an integer of up to 18 digits, without sign and leading zero, at i, and is the index behind it, or i where there is none like that.
func (s text) few(i int) (v int64, end int) {
	if s.at(i)-'1' > 8 {
		return 0, i
	}
	for j := i; ; {
		x := s.word(j)
		n := min(digitsOf(x), s.n-j)
		if n < 8 {
			if n > 0 { // what is left moves up behind zeros
				v = v*powers[n] + fromEight(x<<(64-8*n)|(0x30*ones)>>(8*n))
			}
			return v, j + n
		}
		v = v*1e8 + fromEight(x)
		if j += 8; j-i == 16 {
			return s.last(v, i, j)
		}
	}
}

// last is few for what may stand behind 16 digits.
func (s text) last(v int64, i, j int) (int64, int) {
	for ; j < s.n && s.byte(j)-'0' <= 9; j++ {
		if j-i == 18 {
			return 0, i
		}
		v = v*10 + int64(s.byte(j)-'0')
	}
	return v, j
}

var powers = [8]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000}

// digitsOf is how many bytes of x, from the lowest, are digits. With '0' taken away a digit is at most 9; what a carry does lies above the lowest byte that is none.
func digitsOf(x uint64) int {
	x ^= 0x30 * ones
	return bits.TrailingZeros64(((x+0x76*ones)|x)&highs) >> 3
}

// fromEight is the number that eight digits, the first in the lowest byte, stand for: neighbours are put together, then pairs, then fours.
func fromEight(x uint64) int64 {
	x -= 0x30 * ones
	x = x*10 + x>>8
	const pairs = 0x000000ff000000ff
	return int64((x&pairs*(100+1_000_000<<32) + x>>16&pairs*(1+10_000<<32)) >> 32)
}

// uint reads digits [i, j) of s; ok is false where they are none or do not fit 64 bits.
func (s text) uint(i, j int) (v uint64, ok bool) {
	if i == j || j-i > 20 {
		return 0, false
	}
	last := j
	if j-i == 20 { // 19 digits always fit, the 20th may not
		last--
	}
	for ; i < last; i++ {
		c := uint64(s.byte(i) - '0')
		if c > 9 {
			return 0, false
		}
		v = v*10 + c
	}
	if last < j {
		hi, lo := bits.Mul64(v, 10)
		c := uint64(s.byte(last) - '0')
		sum, carry := bits.Add64(lo, c, 0)
		return sum, c <= 9 && hi == 0 && carry == 0
	}
	return v, true
}

// int reads an integer with an optional minus sign that fits bits.
func (s text) int(i, j int, size uint8) (v int64, ok bool) {
	neg := i < j && s.byte(i) == '-'
	if neg {
		i++
	}
	u, ok := s.uint(i, j)
	limit := uint64(1) << (size - 1) // |smallest|
	if neg {
		return -int64(u), ok && u <= limit
	}
	return int64(u), ok && u < limit
}

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float reads the number [i, j), whose grammar was checked. Up to 15 digits without an exponent are exact integers divided by an exact power of ten,
// so one rounding gives the nearest float64; everything else is strconv's.
func (s text) float(i, j int, size uint8) (float64, bool) {
	if size == 64 && j-i <= 16 {
		if v, ok := s.shortFloat(i, j); ok {
			return v, true
		}
	}
	v, err := strconv.ParseFloat(s.str(i, j), int(size))
	return v, err == nil
}

func (s text) shortFloat(i, j int) (float64, bool) {
	neg := s.byte(i) == '-'
	if neg {
		i++
	}
	var m uint64
	point := j - 1 // digits behind the point: j-1-point
	for k := i; k < j; k++ {
		c := s.byte(k)
		switch {
		case c-'0' <= 9:
			m = m*10 + uint64(c-'0')
		case c == '.':
			point = k
		default:
			return 0, false
		}
	}
	if j-i > 16 || m >= 1<<53 {
		return 0, false
	}
	v := float64(m) / pow10[j-1-point]
	if neg {
		v = math.Copysign(v, -1)
	}
	return v, true
}
