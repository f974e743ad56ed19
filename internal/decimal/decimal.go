package decimal

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// Num is an unscaled decimal.
type Num = decimal128.Num

// MaxDigits is the largest precision, and the largest scale.
const MaxDigits = 38

// magnitude is a number without its sign.
type magnitude struct{ hi, lo uint64 }

// powers are those of ten that a Num holds.
var powers = func() (p [MaxDigits + 1]magnitude) {
	p[0] = magnitude{0, 1}
	for i := 1; i < len(p); i++ {
		hi, lo := bits.Mul64(p[i-1].lo, 10)
		p[i] = magnitude{p[i-1].hi*10 + hi, lo}
	}
	return p
}()

func split(n Num) (m magnitude, negative bool) {
	m = magnitude{uint64(n.HighBits()), n.LowBits()}
	if n.HighBits() >= 0 {
		return m, false
	}
	lo, borrow := bits.Sub64(0, m.lo, 0)
	hi, _ := bits.Sub64(0, m.hi, borrow)
	return magnitude{hi, lo}, true
}

// signed is the number of m with a sign; false if it has more than 38 digits.
func signed(m magnitude, negative bool) (Num, bool) {
	if !m.less(powers[MaxDigits]) {
		return Num{}, false
	}
	if negative {
		lo, borrow := bits.Sub64(0, m.lo, 0)
		hi, _ := bits.Sub64(0, m.hi, borrow)
		m = magnitude{hi, lo}
	}
	return decimal128.New(int64(m.hi), m.lo), true
}

func (m magnitude) less(o magnitude) bool { return m.hi < o.hi || m.hi == o.hi && m.lo < o.lo }

// times is m*o; false if it needs more than 128 bits.
func (m magnitude) times(o magnitude) (magnitude, bool) {
	if m.hi != 0 && o.hi != 0 {
		return magnitude{}, false
	}
	hi, lo := bits.Mul64(m.lo, o.lo)
	over, cross := bits.Mul64(m.hi|o.hi, pick(m.hi != 0, o.lo, m.lo))
	hi, carry := bits.Add64(hi, cross, 0)
	return magnitude{hi, lo}, over == 0 && carry == 0
}

func pick(first bool, a, b uint64) uint64 {
	if first {
		return a
	}
	return b
}

// over is m divided by d, and the remainder.
func (m magnitude) over(d uint64) (magnitude, uint64) {
	hi, rest := m.hi/d, m.hi%d
	lo, rest := bits.Div64(rest, m.lo, d)
	return magnitude{hi, lo}, rest
}

// Fits tells whether n has at most so many digits.
func Fits(n Num, digits int) bool {
	m, _ := split(n)
	return m.less(powers[digits])
}

// Add is a + b, of one scale.
func Add(a, b Num) (Num, bool) {
	s := a.Add(b)
	if a.HighBits() < 0 == (b.HighBits() < 0) && s.HighBits() < 0 != (a.HighBits() < 0) {
		return Num{}, false
	}
	return s, Fits(s, MaxDigits)
}

// Sub is a - b, of one scale.
func Sub(a, b Num) (Num, bool) { return Add(a, b.Negate()) }

// Mul is a * b; its scale is the sum of theirs.
func Mul(a, b Num) (Num, bool) {
	x, xneg := split(a)
	y, yneg := split(b)
	m, ok := x.times(y)
	if !ok {
		return Num{}, false
	}
	return signed(m, xneg != yneg)
}

// Rescale is n, of scale from, at another scale.
func Rescale(n Num, from, to int) (Num, bool) {
	m, neg := split(n)
	switch drop := from - to; {
	case drop == 0:
		return n, true
	case drop > MaxDigits:
		return Num{}, true
	case drop > 0:
		m = shorten(m, drop)
	case -drop > MaxDigits:
		return Num{}, m == magnitude{}
	default:
		var ok bool
		if m, ok = m.times(powers[-drop]); !ok {
			return Num{}, false
		}
	}
	return signed(m, neg)
}

// shorten takes off digits, of which the first decides how the rest is rounded.
func shorten(m magnitude, digits int) magnitude {
	m = truncate(m, digits-1)
	lo, carry := bits.Add64(m.lo, 5, 0)
	m, _ = magnitude{m.hi + carry, lo}.over(10)
	return m
}

func truncate(m magnitude, digits int) magnitude {
	for digits > 0 {
		step := min(digits, 19)
		m, _ = m.over(powers[step].lo)
		digits -= step
	}
	return m
}

// Truncate is the whole number before the point.
func Truncate(n Num, scale int) Num {
	m, neg := split(n)
	n, _ = signed(truncate(m, scale), neg)
	return n
}

// Floor is the largest whole number that is not above n.
func Floor(n Num, scale int) (Num, bool) {
	t := Truncate(n, scale)
	if n.Sign() < 0 && Cmp(t, 0, n, scale) != 0 {
		return Sub(t, decimal128.FromI64(1))
	}
	return t, true
}

// Quo is a / b at the given scale; false for a division by zero too.
func Quo(a Num, scaleA int, b Num, scaleB int, scale int) (Num, bool) {
	x, xneg := split(a)
	y, yneg := split(b)
	if y == (magnitude{}) {
		return Num{}, false
	}
	up := scale - scaleA + scaleB
	if up >= 0 && up <= MaxDigits && y.hi == 0 {
		if m, ok := x.times(powers[up]); ok {
			q, rest := m.over(y.lo)
			if rest >= y.lo-rest {
				lo, carry := bits.Add64(q.lo, 1, 0)
				q = magnitude{q.hi + carry, lo}
			}
			return signed(q, xneg != yneg)
		}
	}
	return bigQuo(a, b, up)
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// bigQuo is a*10^up / b, rounded.
func bigQuo(a, b Num, up int) (Num, bool) {
	x, y := a.BigInt(), b.BigInt()
	if up >= 0 {
		x.Mul(x, power(up))
	} else {
		y.Mul(y, power(-up))
	}
	q, rest := new(big.Int).QuoRem(x, y, new(big.Int))
	if rest.Abs(rest).Lsh(rest, 1).CmpAbs(y) >= 0 {
		q.Add(q, big.NewInt(int64(x.Sign()*y.Sign())))
	}
	return fromBig(q)
}

func fromBig(n *big.Int) (Num, bool) {
	if n.BitLen() > 127 {
		return Num{}, false
	}
	d := decimal128.FromBigInt(n)
	return d, Fits(d, MaxDigits)
}

// Rem is the remainder of a / b, of one scale, with the sign of a; false for a division by zero.
func Rem(a, b Num) (Num, bool) {
	x, xneg := split(a)
	y, _ := split(b)
	switch {
	case y == magnitude{}:
		return Num{}, false
	case y.hi == 0:
		_, rest := x.over(y.lo)
		return signed(magnitude{0, rest}, xneg)
	}
	return fromBig(new(big.Int).Rem(a.BigInt(), b.BigInt()))
}

// Cmp compares decimals of any scales, exactly.
func Cmp(a Num, scaleA int, b Num, scaleB int) int {
	if scaleA == scaleB {
		return a.Cmp(b)
	}
	if scaleA > scaleB {
		return -Cmp(b, scaleB, a, scaleA)
	}
	x, neg := split(a)
	x, ok := x.times(powers[scaleB-scaleA])
	if !ok || x.hi>>63 != 0 { // more than any Num: the sign decides
		if neg {
			return -1
		}
		return 1
	}
	up := decimal128.New(int64(x.hi), x.lo)
	if neg {
		up = up.Negate()
	}
	return up.Cmp(b)
}

// Float is the nearest float64.
func Float(n Num, scale int) float64 {
	m, neg := split(n)
	if m.hi == 0 && m.lo < 1<<53 && scale < len(exact) {
		f := float64(m.lo) / exact[scale]
		if neg {
			f = -f
		}
		return f
	}
	var buf [64]byte
	f, _ := strconv.ParseFloat(string(Append(buf[:0], n, scale)), 64)
	return f
}

// exact are the powers of ten that a float64 holds exactly.
var exact = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// FromFloat is the decimal of the shortest text that means f; false for infinities, NaN and what has too many digits.
func FromFloat(f float64, scale int) (Num, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Num{}, false
	}
	var buf [32]byte
	return Parse(string(strconv.AppendFloat(buf[:0], f, 'e', -1, 64)), scale)
}
