package decimal

import (
	"math/bits"
	"strconv"
)

// Append appends n as text: all its digits, as many behind the point as scale says.
func Append(b []byte, n Num, scale int) []byte {
	m, neg := split(n)
	if neg {
		b = append(b, '-')
	}
	var digits [2 * MaxDigits]byte
	at := len(digits)
	for m != (magnitude{}) || len(digits)-at <= scale {
		var d uint64
		m, d = m.over(10)
		at--
		digits[at] = byte('0' + d)
	}
	point := len(digits) - scale
	b = append(b, digits[at:point]...)
	if scale > 0 {
		b = append(b, '.')
		b = append(b, digits[point:]...)
	}
	return b
}

// Text is n as text.
func Text(n Num, scale int) string { return string(Append(nil, n, scale)) }

// Parse reads a decimal number, with an exponent or without, and brings it to a scale; false if the text is none or has too many digits before
// the point.
func Parse(s string, scale int) (Num, bool) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	var m magnitude
	seen, point := 0, -1 // digits; those behind the point
	dropped := 0         // digits that m has no room for
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && point < 0 {
			point = 0
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen++
		if point >= 0 {
			point++
		}
		if dropped > 0 || !m.less(powers[MaxDigits-1]) {
			if dropped == 0 && point < 0 && c == '0' && m == (magnitude{}) {
				continue
			}
			dropped++
			if dropped == 1 { // one digit more than a Num may have, for rounding
				m = m.append(c)
			}
			continue
		}
		m = m.append(c)
	}
	exponent, ok := parseExponent(s[i:])
	if seen == 0 || !ok {
		return Num{}, false
	}
	have := max(point, 0) - exponent - max(dropped-1, 0) // m's scale
	return place(m, neg, have, scale)
}

func (m magnitude) append(digit byte) magnitude {
	over, lo := bits.Mul64(m.lo, 10)
	lo, carry := bits.Add64(lo, uint64(digit-'0'), 0)
	return magnitude{m.hi*10 + over + carry, lo}
}

// place brings a number of up to 39 digits to a scale.
func place(m magnitude, neg bool, have, scale int) (Num, bool) {
	switch drop := have - scale; {
	case m == magnitude{}:
		return Num{}, true
	case drop > MaxDigits+1:
		return Num{}, true
	case drop > 0:
		m = shorten(m, drop)
	case drop < -MaxDigits:
		return Num{}, false
	default:
		var ok bool
		if m, ok = m.times(powers[-drop]); !ok {
			return Num{}, false
		}
	}
	return signed(m, neg)
}

// parseExponent reads "e12"; nothing is zero.
func parseExponent(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	n, err := strconv.Atoi(s[1:])
	return n, err == nil && n > -1000 && n < 1000
}
