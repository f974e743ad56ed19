package col

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/assert"
)

// Kind is how a column's values lie in memory, whatever its Arrow type's width is.
type Kind uint8

// The kinds of column. Int holds all signed integers and timestamps (µs since 1970); Float holds both widths; Text holds strings and bytes.
const (
	Bool    Kind = iota // Vec.Bools
	Int                 // Vec.Ints
	Uint                // Vec.Uints
	Float               // Vec.Floats
	Text                // Vec.Texts
	Decimal             // Vec.Decimals, at the type's scale
	Nested              // Vec.Arrow: lists, structs and maps, as Arrow has them
)

// KindOf is the kind of an Arrow type; false for types that no column has.
func KindOf(t arrow.DataType) (Kind, bool) {
	switch t.ID() {
	case arrow.BOOL:
		return Bool, true
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.TIMESTAMP:
		return Int, true
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return Uint, true
	case arrow.FLOAT32, arrow.FLOAT64:
		return Float, true
	case arrow.STRING, arrow.BINARY:
		return Text, true
	case arrow.DECIMAL128:
		return Decimal, true
	case arrow.LIST, arrow.STRUCT, arrow.MAP:
		return Nested, true
	}
	return 0, false
}

// Vec is a column: N values of one kind in the slice of that kind, whose length is at least N. A value under a null is zero ("" and so on), so that
// kernels may compute with it. Who is given a Vec must not change it.
type Vec struct {
	Type arrow.DataType
	Kind Kind
	N    int
	Null []bool // true where there is no value; nil: there is one everywhere

	Bools    []bool
	Ints     []int64
	Uints    []uint64
	Floats   []float64
	Texts    []string
	Decimals []decimal128.Num
	Array    arrow.Array // see Arrow
	Parts    *Parts      // of Nested, where that is not an array yet
}

// New is a column of n zero values without nulls.
func New(t arrow.DataType, n int) *Vec {
	kind, ok := KindOf(t)
	assert.True(ok && kind != Nested, "a column of %s is not made value by value", t)
	v := &Vec{Type: t, Kind: kind}
	v.Resize(n)
	return v
}

// Resize makes v a column of n values of any content without nulls. It keeps the memory where it can.
func (v *Vec) Resize(n int) {
	v.N, v.Null = n, nil
	switch v.Kind {
	case Bool:
		v.Bools = sized(v.Bools, n)
	case Int:
		v.Ints = sized(v.Ints, n)
	case Uint:
		v.Uints = sized(v.Uints, n)
	case Float:
		v.Floats = sized(v.Floats, n)
	case Text:
		v.Texts = sized(v.Texts, n)
	case Decimal:
		v.Decimals = sized(v.Decimals, n)
	}
}

// sized is s with n elements of any content. What grows once may grow again, and gets some room; what is new gets none.
func sized[T any](s []T, n int) []T {
	switch {
	case cap(s) == 0:
		return make([]T, n)
	case cap(s) < n:
		return make([]T, n, n+n/8)
	}
	return s[:n]
}

// SetNull makes value i null.
func (v *Vec) SetNull(i int) {
	if v.Null == nil {
		v.Null = make([]bool, v.N)
	}
	v.Null[i] = true
	switch v.Kind {
	case Bool:
		v.Bools[i] = false
	case Int:
		v.Ints[i] = 0
	case Uint:
		v.Uints[i] = 0
	case Float:
		v.Floats[i] = 0
	case Text:
		v.Texts[i] = ""
	case Decimal:
		v.Decimals[i] = decimal128.Num{}
	}
}

// IsNull tells whether value i is null.
func (v *Vec) IsNull(i int) bool {
	if v.Kind == Nested {
		return v.Parts != nil && v.Parts.Null != nil && v.Parts.Null[i] || v.Parts == nil && v.Array.IsNull(i)
	}
	return v.Null != nil && v.Null[i]
}

// Take are values idx of v, in that order, as a new column; idx nil is v itself. Of a column that nobody reads, nil, they are nil.
func (v *Vec) Take(idx []int32) *Vec {
	if idx == nil || v == nil {
		return v
	}
	out := &Vec{Type: v.Type, Kind: v.Kind, N: len(idx)}
	if v.Kind == Nested {
		if v.Array == nil && v.Parts != nil {
			out.Parts = v.Parts.take(idx)
		} else {
			out.Array = takeArray(v.Array, idx)
		}
		return out
	}
	v.TakeInto(out, idx)
	return out
}

func take[T any](in []T, idx []int32) []T {
	out := make([]T, len(idx))
	gather(out, in, idx)
	return out
}

func (v *Vec) String() string { return fmt.Sprintf("%s[%d]", v.Type, v.N) }
