package agg

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

func extremeOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	of, err := scalar(args[0])
	if err != nil {
		return kind{}, err
	}
	t, high := args[0], a.Op() == "max"
	k := kind{partial: []arrow.Field{{Name: "value", Type: t, Nullable: true}}, result: arrow.Field{Type: t, Nullable: true}}
	switch of {
	case col.Int:
		k.new = func() state { return &extreme[int64]{typ: t, high: high} }
	case col.Uint:
		k.new = func() state { return &extreme[uint64]{typ: t, high: high} }
	case col.Float:
		k.new = func() state { return &extreme[float64]{typ: t, high: high} }
	case col.Text:
		k.new = func() state { return &extreme[string]{typ: t, high: high} }
	case col.Decimal:
		k.new = func() state { return &extremeBy[decimal128.Num]{typ: t, high: high, below: decimalBelow} }
	default:
		k.new = func() state { return &extremeBy[bool]{typ: t, high: high, below: boolBelow} }
	}
	return k, nil
}

// boolsOf is BoolAnd and BoolOr: the lowest and the highest boolean.
func boolsOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	if args[0].ID() != arrow.BOOL {
		return kind{}, fmt.Errorf("%s is %s, not a boolean", a.Args()[0], args[0])
	}
	k, err := extremeOf(a, args)
	high := a.Op() == "bool_or"
	k.new = func() state { return &extremeBy[bool]{typ: args[0], high: high, below: boolBelow} }
	return k, err
}

// extreme is the lowest or highest value of each group.
type extreme[T ordered] struct {
	typ  arrow.DataType
	high bool
	vals []T // zero where has is not
	has  []bool

	rows, groups []int32
}

func (s *extreme[T]) grow(n int) { s.vals, s.has = grown(s.vals, n), grown(s.has, n) }

func (s *extreme[T]) reset() {
	clear(s.vals)
	s.vals, s.has = s.vals[:0], s.has[:0]
}

func (s *extreme[T]) add(args []*col.Vec, rows, idx []int32) {
	in, vals, has := *data[T](args[0]), s.vals, s.has
	if s.high {
		for i, r := range rows {
			if g, x := idx[i], in[r]; !has[g] || below(vals[g], x) {
				vals[g], has[g] = x, true
			}
		}
		return
	}
	for i, r := range rows {
		if g, x := idx[i], in[r]; !has[g] || below(x, vals[g]) {
			vals[g], has[g] = x, true
		}
	}
}

func (s *extreme[T]) merge(cols []*col.Vec, idx []int32) {
	s.rows, s.groups = present(cols[0], idx, s.rows, s.groups)
	s.add(cols, s.rows, s.groups)
}

func (s *extreme[T]) partials(idx []int32) []*col.Vec { return []*col.Vec{s.results(idx)} }
func (s *extreme[T]) results(idx []int32) *col.Vec {
	return vec(s.typ, chosen(s.vals, idx), chosen(s.has, idx))
}

// extremeBy is extreme for types without <.
type extremeBy[T any] struct {
	typ   arrow.DataType
	high  bool
	below func(a, b T) bool
	vals  []T
	has   []bool

	rows, groups []int32
}

func (s *extremeBy[T]) grow(n int) { s.vals, s.has = grown(s.vals, n), grown(s.has, n) }
func (s *extremeBy[T]) reset()     { s.vals, s.has = s.vals[:0], s.has[:0] }

func (s *extremeBy[T]) add(args []*col.Vec, rows, idx []int32) {
	in := *data[T](args[0])
	for i, r := range rows {
		g, x := idx[i], in[r]
		if !s.has[g] || s.high && s.below(s.vals[g], x) || !s.high && s.below(x, s.vals[g]) {
			s.vals[g], s.has[g] = x, true
		}
	}
}

func (s *extremeBy[T]) merge(cols []*col.Vec, idx []int32) {
	s.rows, s.groups = present(cols[0], idx, s.rows, s.groups)
	s.add(cols, s.rows, s.groups)
}

func (s *extremeBy[T]) partials(idx []int32) []*col.Vec { return []*col.Vec{s.results(idx)} }
func (s *extremeBy[T]) results(idx []int32) *col.Vec {
	return vec(s.typ, chosen(s.vals, idx), chosen(s.has, idx))
}
