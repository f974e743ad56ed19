package agg

import (
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

var errDecimalSpread = errors.New("a variance of decimals is not computed; cast them to float64")

var spreadFields = []arrow.Field{{Name: "n", Type: int64Type}, {Name: "mean", Type: floatType}, {Name: "m2", Type: floatType}}

func spreadOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	of, err := number(args[0])
	if err == nil && of == col.Decimal {
		err = errDecimalSpread
	}
	if err != nil {
		return kind{}, err
	}
	k := kind{retracts: true, partial: spreadFields, result: arrow.Field{Type: floatType, Nullable: true}}
	sample := a.Op() == "variance" || a.Op() == "stddev"
	root := a.Op() == "stddev" || a.Op() == "stddev_pop"
	k.new = func() state { return &spread{of: of, sample: sample, root: root} }
	return k, nil
}

// moments are a number of values, their mean and the sum of the squares of their distances from it.
type moments struct {
	n        int64
	mean, m2 float64
}

// spread is variances and standard deviations, after Welford and Chan.
type spread struct {
	of           col.Kind
	sample, root bool
	s            []moments
	buf          []float64
}

func (s *spread) grow(n int) { s.s = grown(s.s, n) }
func (s *spread) reset()     { s.s = s.s[:0] }

func (s *spread) add(args []*col.Vec, rows, idx []int32) {
	s.buf = floats(args[0], rows, s.buf[:0])
	for i, x := range s.buf {
		m := &s.s[idx[i]]
		m.n++
		d := x - m.mean
		m.mean += d / float64(m.n)
		m.m2 += d * (x - m.mean)
	}
}

// floats appends values rows of numbers that are not decimals.
func floats(v *col.Vec, rows []int32, out []float64) []float64 {
	switch v.Kind {
	case col.Int:
		for _, r := range rows {
			out = append(out, float64(v.Ints[r]))
		}
	case col.Uint:
		for _, r := range rows {
			out = append(out, float64(v.Uints[r]))
		}
	default:
		for _, r := range rows {
			out = append(out, v.Floats[r])
		}
	}
	return out
}

func (s *spread) merge(cols []*col.Vec, idx []int32) {
	n, mean, m2 := cols[0].Ints, cols[1].Floats, cols[2].Floats
	for i, g := range idx {
		m := &s.s[g]
		if m.n == 0 {
			*m = moments{n[i], mean[i], m2[i]}
			continue
		}
		if n[i] == 0 {
			continue
		}
		d, all := mean[i]-m.mean, float64(m.n+n[i])
		m.m2 += m2[i] + d*d*float64(m.n)*float64(n[i])/all
		m.mean += d * float64(n[i]) / all
		m.n += n[i]
	}
}

// retract leaves what rounding leaves; a group without values is empty.
func (s *spread) retract(cols []*col.Vec, idx []int32) {
	n, mean, m2 := cols[0].Ints, cols[1].Floats, cols[2].Floats
	for i, g := range idx {
		m := &s.s[g]
		rest := m.n - n[i]
		switch {
		case n[i] == 0:
			continue
		case rest == 0:
			*m = moments{}
			continue
		}
		was := m.mean + (m.mean-mean[i])*float64(n[i])/float64(rest)
		d := mean[i] - was
		m.m2 = max(0, m.m2-m2[i]-d*d*float64(rest)*float64(n[i])/float64(m.n))
		m.mean, m.n = was, rest
	}
}

func (s *spread) partials(idx []int32) []*col.Vec {
	n, mean, m2 := col.New(int64Type, len(idx)), col.New(floatType, len(idx)), col.New(floatType, len(idx))
	for i, g := range idx {
		n.Ints[i], mean.Floats[i], m2.Floats[i] = s.s[g].n, s.s[g].mean, s.s[g].m2
	}
	return []*col.Vec{n, mean, m2}
}

func (s *spread) results(idx []int32) *col.Vec {
	out := col.New(floatType, len(idx))
	for i, g := range idx {
		m := s.s[g]
		n := m.n
		if s.sample {
			n--
		}
		if n <= 0 {
			out.SetNull(i)
			continue
		}
		x := m.m2 / float64(n)
		if s.root {
			x = math.Sqrt(x)
		}
		out.Floats[i] = x
	}
	return out
}
