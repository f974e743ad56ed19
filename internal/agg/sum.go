package agg

import (
	"math/big"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

// Sums are kept in more bits than any number of rows can fill: 192 for integers and decimals. So it does not matter where a shuffle cuts them, and whether a sum
// fits is asked at the end. As partial state they are three integers.
var wideFields = []arrow.Field{{Name: "n", Type: int64Type}, {Name: "lo", Type: uint64Type}, {Name: "mid", Type: uint64Type}, {Name: "hi", Type: int64Type}}

var floatFields = []arrow.Field{{Name: "n", Type: int64Type}, {Name: "sum", Type: floatType}}

func sumOf(_ expr.Agg, args []arrow.DataType) (kind, error) {
	of, err := number(args[0])
	if err != nil {
		return kind{}, err
	}
	k := kind{retracts: true, partial: wideFields, result: arrow.Field{Type: int64Type, Nullable: true}}
	switch of {
	case col.Float:
		k.partial, k.result.Type = floatFields, floatType
		k.new = func() state { return &floatSum{finish: func(s floatTotal) float64 { return s.sum }} }
		return k, nil
	case col.Uint:
		k.result.Type = uint64Type
	case col.Decimal:
		k.result.Type = &arrow.Decimal128Type{Precision: 38, Scale: args[0].(*arrow.Decimal128Type).Scale}
	}
	out := k.result.Type
	k.new = func() state { return &wideSum{of: of, finish: func(s []wide) *col.Vec { return sums(out, s) }} }
	return k, nil
}

func avgOf(_ expr.Agg, args []arrow.DataType) (kind, error) {
	of, err := number(args[0])
	if err != nil {
		return kind{}, err
	}
	k := kind{retracts: true, partial: wideFields, result: arrow.Field{Type: floatType, Nullable: true}}
	switch of {
	case col.Float:
		k.partial = floatFields
		k.new = func() state { return &floatSum{finish: func(s floatTotal) float64 { return s.sum / float64(s.n) }} }
		return k, nil
	case col.Decimal:
		in := args[0].(*arrow.Decimal128Type)
		out := &arrow.Decimal128Type{Precision: 38, Scale: min(in.Scale+4, 38)}
		k.result.Type = out
		up := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(out.Scale-in.Scale)), nil)
		k.new = func() state {
			return &wideSum{of: of, finish: func(s []wide) *col.Vec { return decimalMeans(out, up, s) }}
		}
		return k, nil
	}
	k.new = func() state { return &wideSum{of: of, finish: means} }
	return k, nil
}

// wide is a sum of n integers.
type wide struct {
	lo, mid uint64
	hi      int64
	n       int64
}

// plus adds a number of three words.
func (w *wide) plus(lo, mid uint64, hi int64) {
	var c uint64
	w.lo, c = bits.Add64(w.lo, lo, 0)
	w.mid, c = bits.Add64(w.mid, mid, c)
	w.hi += hi + int64(c)
}

func (w *wide) minus(lo, mid uint64, hi int64) {
	var c uint64
	w.lo, c = bits.Sub64(w.lo, lo, 0)
	w.mid, c = bits.Sub64(w.mid, mid, c)
	w.hi -= hi + int64(c)
}

// int64 is the sum if it fits.
func (w *wide) int64() (int64, bool) {
	sign := int64(w.lo) >> 63
	return int64(w.lo), w.hi == sign && w.mid == uint64(sign)
}

// big is the sum.
func (w *wide) big() *big.Int {
	b := big.NewInt(w.hi)
	b.Lsh(b, 64).Add(b, new(big.Int).SetUint64(w.mid))
	return b.Lsh(b, 64).Add(b, new(big.Int).SetUint64(w.lo))
}

// wideSum sums integers and decimals.
type wideSum struct {
	of     col.Kind
	s      []wide
	finish func([]wide) *col.Vec
}

func (s *wideSum) grow(n int) { s.s = grown(s.s, n) }
func (s *wideSum) reset()     { s.s = s.s[:0] }

func (s *wideSum) add(args []*col.Vec, rows, idx []int32) {
	sums := s.s
	switch s.of {
	case col.Int:
		in := args[0].Ints
		for i, r := range rows {
			x, w := in[r], &sums[idx[i]]
			w.plus(uint64(x), uint64(x>>63), x>>63)
			w.n++
		}
	case col.Uint:
		in := args[0].Uints
		for i, r := range rows {
			w := &sums[idx[i]]
			w.plus(in[r], 0, 0)
			w.n++
		}
	default:
		in := args[0].Decimals
		for i, r := range rows {
			x, w := in[r], &sums[idx[i]]
			w.plus(x.LowBits(), uint64(x.HighBits()), x.HighBits()>>63)
			w.n++
		}
	}
}

func (s *wideSum) merge(cols []*col.Vec, idx []int32) {
	n, lo, mid, hi := cols[0].Ints, cols[1].Uints, cols[2].Uints, cols[3].Ints
	for i, g := range idx {
		s.s[g].plus(lo[i], mid[i], hi[i])
		s.s[g].n += n[i]
	}
}

func (s *wideSum) retract(cols []*col.Vec, idx []int32) {
	n, lo, mid, hi := cols[0].Ints, cols[1].Uints, cols[2].Uints, cols[3].Ints
	for i, g := range idx {
		s.s[g].minus(lo[i], mid[i], hi[i])
		s.s[g].n -= n[i]
	}
}

func (s *wideSum) partials(idx []int32) []*col.Vec {
	n, lo, mid, hi := col.New(int64Type, len(idx)), col.New(uint64Type, len(idx)), col.New(uint64Type, len(idx)), col.New(int64Type, len(idx))
	for i, g := range idx {
		w := &s.s[g]
		n.Ints[i], lo.Uints[i], mid.Uints[i], hi.Ints[i] = w.n, w.lo, w.mid, w.hi
	}
	return []*col.Vec{n, lo, mid, hi}
}

func (s *wideSum) results(idx []int32) *col.Vec { return s.finish(chosen(s.s, idx)) }

// sums are sums as a column of type t, null where they do not fit or are of nothing.
func sums(t arrow.DataType, s []wide) *col.Vec {
	out := col.New(t, len(s))
	for i := range s {
		w := &s[i]
		fits := false
		switch out.Kind {
		case col.Int:
			out.Ints[i], fits = w.int64()
		case col.Uint:
			out.Uints[i], fits = w.lo, w.mid == 0 && w.hi == 0
		default:
			out.Decimals[i] = decimal128.New(int64(w.mid), w.lo)
			fits = w.hi == int64(w.mid)>>63 && out.Decimals[i].FitsInPrecision(38)
		}
		if w.n == 0 || !fits {
			out.SetNull(i)
		}
	}
	return out
}

// means are means of integers.
func means(s []wide) *col.Vec {
	out := col.New(floatType, len(s))
	for i := range s {
		w := &s[i]
		if w.n == 0 {
			out.SetNull(i)
			continue
		}
		if sum, ok := w.int64(); ok {
			out.Floats[i] = float64(sum) / float64(w.n)
			continue
		}
		sum, _ := new(big.Float).SetInt(w.big()).Float64()
		out.Floats[i] = sum / float64(w.n)
	}
	return out
}

// decimalMeans are means of decimals, times up.
func decimalMeans(t arrow.DataType, up *big.Int, s []wide) *col.Vec {
	out := col.New(t, len(s))
	for i := range s {
		w := &s[i]
		if w.n == 0 {
			out.SetNull(i)
			continue
		}
		q := roundedQuotient(new(big.Int).Mul(w.big(), up), big.NewInt(w.n))
		if q.BitLen() > 127 {
			out.SetNull(i)
			continue
		}
		if out.Decimals[i] = decimal128.FromBigInt(q); !out.Decimals[i].FitsInPrecision(38) {
			out.SetNull(i)
		}
	}
	return out
}

// roundedQuotient is a/b, half away from zero; b is positive.
func roundedQuotient(a, b *big.Int) *big.Int {
	half := new(big.Int).Rsh(b, 1)
	if a.Sign() < 0 {
		half.Neg(half)
	}
	return a.Quo(a.Add(a, half), b)
}

// floatTotal is a sum of n floats.
type floatTotal struct {
	sum float64
	n   int64
}

// floatSum sums floats in the order in which they come.
type floatSum struct {
	s      []floatTotal
	finish func(floatTotal) float64
}

func (s *floatSum) grow(n int) { s.s = grown(s.s, n) }
func (s *floatSum) reset()     { s.s = s.s[:0] }

func (s *floatSum) add(args []*col.Vec, rows, idx []int32) {
	in, sums := args[0].Floats, s.s
	for i, r := range rows {
		t := &sums[idx[i]]
		t.sum += in[r]
		t.n++
	}
}

func (s *floatSum) merge(cols []*col.Vec, idx []int32) {
	n, sum := cols[0].Ints, cols[1].Floats
	for i, g := range idx {
		s.s[g].n += n[i]
		s.s[g].sum += sum[i]
	}
}

// retract leaves what rounding leaves, but a group without values is empty. Infinities and NaN stay until then.
func (s *floatSum) retract(cols []*col.Vec, idx []int32) {
	n, sum := cols[0].Ints, cols[1].Floats
	for i, g := range idx {
		t := &s.s[g]
		t.n -= n[i]
		if t.sum -= sum[i]; t.n == 0 {
			t.sum = 0
		}
	}
}

func (s *floatSum) partials(idx []int32) []*col.Vec {
	n, sum := col.New(int64Type, len(idx)), col.New(floatType, len(idx))
	for i, g := range idx {
		n.Ints[i], sum.Floats[i] = s.s[g].n, s.s[g].sum
	}
	return []*col.Vec{n, sum}
}

func (s *floatSum) results(idx []int32) *col.Vec {
	out := col.New(floatType, len(idx))
	for i, g := range idx {
		if s.s[g].n == 0 {
			out.SetNull(i)
		} else {
			out.Floats[i] = s.finish(s.s[g])
		}
	}
	return out
}
