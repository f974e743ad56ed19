package expr

import (
	"math"
	"math/bits"
)

// intLoop is an operation of 64-bit integers: loops that tell whether anything does not fit, and what does not.
type intLoop[T int64 | uint64] struct {
	pairs func(out, a, b []T) bool
	one   func(out, a []T, c T) bool
	bad   func(a, b T) bool
}

var intLoops = map[string]intLoop[int64]{
	"+": {addInts, addInt, func(a, b int64) bool { s := a + b; return (a^s)&(b^s) < 0 }},
	"-": {subInts, subInt, func(a, b int64) bool { s := a - b; return (a^b)&(a^s) < 0 }},
	"*": {mulInts, mulInt, func(a, b int64) bool { hi, lo := mul64(a, b); return hi != lo>>63 }},
	"/": {quotients[int64], quotient[int64], badDivision},
	"%": {remainders[int64], remainder[int64], func(a, b int64) bool { return b == 0 }},
}

var uintLoops = map[string]intLoop[uint64]{
	"+": {addUints, addUint, func(a, b uint64) bool { return a+b < a }},
	"-": {subUints, subUint, func(a, b uint64) bool { return b > a }},
	"*": {mulUints, mulUint, func(a, b uint64) bool { hi, _ := bits.Mul64(a, b); return hi != 0 }},
	"/": {quotients[uint64], quotient[uint64], func(a, b uint64) bool { return b == 0 }},
	"%": {remainders[uint64], remainder[uint64], func(a, b uint64) bool { return b == 0 }},
}

func badDivision(a, b int64) bool { return b == 0 || b == -1 && a == math.MinInt64 }

// mul64 is a product of 128 bits.
func mul64(a, b int64) (hi, lo int64) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	return int64(h) - a>>63&b - b>>63&a, int64(l)
}

func addInts(out, a, b []int64) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := int64(0)
	for i := range out {
		s := a[i] + b[i]
		over |= (a[i] ^ s) & (b[i] ^ s)
		out[i] = s
	}
	return over < 0
}

func addInt(out, a []int64, c int64) bool {
	a = a[:len(out)]
	over := int64(0)
	for i := range out {
		s := a[i] + c
		over |= (a[i] ^ s) & (c ^ s)
		out[i] = s
	}
	return over < 0
}

func subInts(out, a, b []int64) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := int64(0)
	for i := range out {
		s := a[i] - b[i]
		over |= (a[i] ^ b[i]) & (a[i] ^ s)
		out[i] = s
	}
	return over < 0
}

func subInt(out, a []int64, c int64) bool {
	a = a[:len(out)]
	over := int64(0)
	for i := range out {
		s := a[i] - c
		over |= (a[i] ^ c) & (a[i] ^ s)
		out[i] = s
	}
	return over < 0
}

func mulInts(out, a, b []int64) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := int64(0)
	for i := range out {
		hi, lo := mul64(a[i], b[i])
		over |= hi ^ lo>>63
		out[i] = lo
	}
	return over != 0
}

func mulInt(out, a []int64, c int64) bool {
	a = a[:len(out)]
	over := int64(0)
	for i := range out {
		hi, lo := mul64(a[i], c)
		over |= hi ^ lo>>63
		out[i] = lo
	}
	return over != 0
}

func addUints(out, a, b []uint64) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := uint64(0)
	for i := range out {
		s, carry := bits.Add64(a[i], b[i], 0)
		over |= carry
		out[i] = s
	}
	return over != 0
}

func addUint(out, a []uint64, c uint64) bool {
	a = a[:len(out)]
	over := uint64(0)
	for i := range out {
		s, carry := bits.Add64(a[i], c, 0)
		over |= carry
		out[i] = s
	}
	return over != 0
}

func subUints(out, a, b []uint64) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := uint64(0)
	for i := range out {
		s, borrow := bits.Sub64(a[i], b[i], 0)
		over |= borrow
		out[i] = s
	}
	return over != 0
}

func subUint(out, a []uint64, c uint64) bool {
	a = a[:len(out)]
	over := uint64(0)
	for i := range out {
		s, borrow := bits.Sub64(a[i], c, 0)
		over |= borrow
		out[i] = s
	}
	return over != 0
}

func mulUints(out, a, b []uint64) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := uint64(0)
	for i := range out {
		hi, lo := bits.Mul64(a[i], b[i])
		over |= hi
		out[i] = lo
	}
	return over != 0
}

func mulUint(out, a []uint64, c uint64) bool {
	a = a[:len(out)]
	over := uint64(0)
	for i := range out {
		hi, lo := bits.Mul64(a[i], c)
		over |= hi
		out[i] = lo
	}
	return over != 0
}

// quotients divides; Go's own quotient of the smallest integer by -1 wraps and does not panic.
func quotients[T int64 | uint64](out, a, b []T) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := false
	for i := range out {
		if d := b[i]; d+1 > 1 { // above 0
			out[i] = a[i] / d
			continue
		}
		over = true
		out[i] = 0
		if b[i] != 0 {
			out[i] = a[i] / b[i]
		}
	}
	return over
}

func quotient[T int64 | uint64](out, a []T, c T) bool {
	a = a[:len(out)]
	if c == 0 {
		clear(out)
		return true
	}
	for i := range out {
		out[i] = a[i] / c
	}
	return c == ^T(0)
}

func remainders[T int64 | uint64](out, a, b []T) bool {
	a, b = a[:len(out)], b[:len(out)]
	over := false
	for i := range out {
		if b[i] == 0 {
			out[i], over = 0, true
			continue
		}
		out[i] = a[i] % b[i]
	}
	return over
}

func remainder[T int64 | uint64](out, a []T, c T) bool {
	a = a[:len(out)]
	if c == 0 {
		clear(out)
		return true
	}
	for i := range out {
		out[i] = a[i] % c
	}
	return false
}

func floatPairs(op string, out, a, b []float64) {
	a, b = a[:len(out)], b[:len(out)]
	switch op {
	case "+":
		for i := range out {
			out[i] = a[i] + b[i]
		}
	case "-":
		for i := range out {
			out[i] = a[i] - b[i]
		}
	case "*":
		for i := range out {
			out[i] = a[i] * b[i]
		}
	case "/":
		for i := range out {
			out[i] = a[i] / b[i]
		}
	default:
		for i := range out {
			out[i] = math.Mod(a[i], b[i])
		}
	}
}

func floatOne(op string, out, a []float64, c float64) {
	a = a[:len(out)]
	switch op {
	case "+":
		for i := range out {
			out[i] = a[i] + c
		}
	case "-":
		for i := range out {
			out[i] = a[i] - c
		}
	case "*":
		for i := range out {
			out[i] = a[i] * c
		}
	case "/":
		for i := range out {
			out[i] = a[i] / c
		}
	default:
		for i := range out {
			out[i] = math.Mod(a[i], c)
		}
	}
}
