package agg

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

func orderOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	if _, err := scalar(args[0]); err != nil {
		return kind{}, err
	}
	t, last := args[0], a.Op() == "last"
	return kind{
		partial: []arrow.Field{{Name: "value", Type: t, Nullable: true}}, result: arrow.Field{Type: t, Nullable: true},
		new: func() state { return &inOrder{cells: newCells(t), last: last} },
	}, nil
}

// inOrder is the first or last value of each group.
type inOrder struct {
	*cells
	last bool

	rows, groups     []int32
	newRows, newOnes []int32
}

func (s *inOrder) add(args []*col.Vec, rows, idx []int32) {
	if s.last {
		s.put(args[0], rows, idx)
		return
	}
	s.newRows, s.newOnes = s.newRows[:0], s.newOnes[:0]
	for i, g := range idx {
		if s.v.Null[g] {
			s.v.Null[g] = false
			s.newRows, s.newOnes = append(s.newRows, rows[i]), append(s.newOnes, g)
		}
	}
	s.put(args[0], s.newRows, s.newOnes)
}

func (s *inOrder) merge(cols []*col.Vec, idx []int32) {
	s.rows, s.groups = present(cols[0], idx, s.rows, s.groups)
	s.add(cols, s.rows, s.groups)
}

func (s *inOrder) partials(idx []int32) []*col.Vec { return []*col.Vec{s.take(idx)} }
func (s *inOrder) results(idx []int32) *col.Vec    { return s.take(idx) }

// rowOf is FirstBy, LastBy, MinBy and MaxBy: a value of the row that is lowest or highest by another.
func rowOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	if _, err := scalar(args[0]); err != nil {
		return kind{}, err
	}
	of, err := scalar(args[1])
	if err != nil {
		return kind{}, err
	}
	t, by := args[0], args[1]
	r := rule{high: a.Op() == "last_by" || a.Op() == "max_by", later: a.Op() == "last_by"}
	k := kind{
		counts:  1,
		partial: []arrow.Field{{Name: "value", Type: t, Nullable: true}, {Name: "by", Type: by, Nullable: true}},
		result:  arrow.Field{Type: t, Nullable: true},
	}
	switch of {
	case col.Int:
		k.new = func() state { return newBest(t, by, r, below[int64]) }
	case col.Uint:
		k.new = func() state { return newBest(t, by, r, below[uint64]) }
	case col.Float:
		k.new = func() state { return newBest(t, by, r, below[float64]) }
	case col.Text:
		k.new = func() state { return newBest(t, by, r, below[string]) }
	case col.Decimal:
		k.new = func() state { return newBest[decimal128.Num](t, by, r, decimalBelow) }
	default:
		k.new = func() state { return newBest(t, by, r, boolBelow) }
	}
	return k, nil
}

// rule says which of two rows is better.
type rule struct {
	high  bool // the one that is higher; otherwise lower
	later bool // of equal ones the later
}

// best is the value of each group's best row.
type best[T any] struct {
	*cells // values of the best rows
	rule
	typ   arrow.DataType // of by
	below func(a, b T) bool
	by    []T
	has   []bool

	rows, groups     []int32
	newRows, newOnes []int32
}

func newBest[T any](t, by arrow.DataType, r rule, below func(a, b T) bool) *best[T] {
	return &best[T]{cells: newCells(t), rule: r, typ: by, below: below}
}

func (s *best[T]) grow(n int) {
	s.cells.grow(n)
	s.by, s.has = grown(s.by, n), grown(s.has, n)
}

func (s *best[T]) reset() {
	s.cells.reset()
	clear(s.by)
	s.by, s.has = s.by[:0], s.has[:0]
}

// better tells whether x takes the place of old.
func (s *best[T]) better(x, old T) bool {
	if s.high {
		x, old = old, x
	}
	if s.later {
		return !s.below(old, x)
	}
	return s.below(x, old)
}

func (s *best[T]) add(args []*col.Vec, rows, idx []int32) {
	in := *data[T](args[1])
	s.newRows, s.newOnes = s.newRows[:0], s.newOnes[:0]
	for i, g := range idx {
		if x := in[rows[i]]; !s.has[g] || s.better(x, s.by[g]) {
			s.by[g], s.has[g] = x, true
			s.newRows, s.newOnes = append(s.newRows, rows[i]), append(s.newOnes, g)
		}
	}
	s.put(args[0], s.newRows, s.newOnes)
}

func (s *best[T]) merge(cols []*col.Vec, idx []int32) {
	s.rows, s.groups = present(cols[1], idx, s.rows, s.groups)
	s.add(cols, s.rows, s.groups)
}

func (s *best[T]) partials(idx []int32) []*col.Vec {
	return []*col.Vec{s.take(idx), vec(s.typ, chosen(s.by, idx), chosen(s.has, idx))}
}

func (s *best[T]) results(idx []int32) *col.Vec { return s.take(idx) }
