package agg

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/col"
)

// grown is s with n elements; new ones are zero.
func grown[T any](s []T, n int) []T {
	if n > cap(s) {
		return append(make([]T, 0, n+n/2), s...)[:n]
	}
	old := len(s)
	s = s[:n]
	clear(s[old:])
	return s
}

// data is the slice of a column in which its values are.
func data[T any](v *col.Vec) *[]T {
	var p any
	switch v.Kind {
	case col.Bool:
		p = &v.Bools
	case col.Int:
		p = &v.Ints
	case col.Uint:
		p = &v.Uints
	case col.Float:
		p = &v.Floats
	case col.Text:
		p = &v.Texts
	case col.Decimal:
		p = &v.Decimals
	}
	return p.(*[]T)
}

// vec is values as a column; has tells which are there, nil: all. Those that are not must be zero.
func vec[T any](t arrow.DataType, vals []T, has []bool) *col.Vec {
	kind, _ := col.KindOf(t)
	v := &col.Vec{Type: t, Kind: kind, N: len(vals)}
	*data[T](v) = vals
	for i, ok := range has {
		if !ok {
			if v.Null == nil {
				v.Null = make([]bool, len(vals))
			}
			v.Null[i] = true
		}
	}
	return v
}

// chosen are elements idx of s.
func chosen[T any](s []T, idx []int32) []T {
	out := make([]T, len(idx))
	for i, g := range idx {
		out[i] = s[g]
	}
	return out
}

// present are the numbers of values that are not null, and their groups.
func present(v *col.Vec, idx []int32, rows, groups []int32) ([]int32, []int32) {
	rows, groups = rows[:0], groups[:0]
	for i, g := range idx {
		if v.Null == nil || !v.Null[i] {
			rows, groups = append(rows, int32(i)), append(groups, g)
		}
	}
	return rows, groups
}

// cells are one value a group, or null, of a scalar type.
type cells struct {
	v col.Vec // Null is as long as the values
}

func newCells(t arrow.DataType) *cells {
	kind, _ := col.KindOf(t)
	return &cells{col.Vec{Type: t, Kind: kind}}
}

func (c *cells) grow(n int) {
	old := c.v.N
	c.v.N = n
	c.v.Null = grown(c.v.Null, n)
	for i := old; i < n; i++ {
		c.v.Null[i] = true
	}
	switch c.v.Kind {
	case col.Bool:
		c.v.Bools = grown(c.v.Bools, n)
	case col.Int:
		c.v.Ints = grown(c.v.Ints, n)
	case col.Uint:
		c.v.Uints = grown(c.v.Uints, n)
	case col.Float:
		c.v.Floats = grown(c.v.Floats, n)
	case col.Text:
		c.v.Texts = grown(c.v.Texts, n)
	case col.Decimal:
		c.v.Decimals = grown(c.v.Decimals, n)
	}
}

func (c *cells) reset() {
	clear(c.v.Texts) // they hold others' memory
	c.v.N, c.v.Null = 0, c.v.Null[:0]
	c.v.Bools, c.v.Ints, c.v.Uints, c.v.Floats, c.v.Texts, c.v.Decimals = c.v.Bools[:0], c.v.Ints[:0], c.v.Uints[:0], c.v.Floats[:0], c.v.Texts[:0], c.v.Decimals[:0]
}

// put makes the cell of group idx[i] value rows[i] of v, in order.
func (c *cells) put(v *col.Vec, rows, idx []int32) {
	for i, g := range idx {
		c.v.Null[g] = v.Null != nil && v.Null[rows[i]]
	}
	switch c.v.Kind {
	case col.Bool:
		putAll(c.v.Bools, v.Bools, rows, idx)
	case col.Int:
		putAll(c.v.Ints, v.Ints, rows, idx)
	case col.Uint:
		putAll(c.v.Uints, v.Uints, rows, idx)
	case col.Float:
		putAll(c.v.Floats, v.Floats, rows, idx)
	case col.Text:
		putAll(c.v.Texts, v.Texts, rows, idx)
	case col.Decimal:
		putAll(c.v.Decimals, v.Decimals, rows, idx)
	}
}

func putAll[T any](dst, src []T, rows, idx []int32) {
	for i, g := range idx {
		dst[g] = src[rows[i]]
	}
}

// take is the cells of groups idx as a column.
func (c *cells) take(idx []int32) *col.Vec {
	out := c.v.Take(idx)
	if !slices.Contains(out.Null, true) {
		out.Null = nil
	}
	out.ZeroNulls() // a null may have been put over a value
	return out
}

// number types that a loop compares with <.
type ordered interface {
	int64 | uint64 | float64 | string
}

// below orders values: NaN is above all numbers.
func below[T ordered](a, b T) bool { return a < b || b != b && a == a }

func decimalBelow(a, b decimal128.Num) bool { return a.Less(b) }

func boolBelow(a, b bool) bool { return !a && b }
