package plugins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/guess"
	"github.com/millrace/millrace/internal/row"
)

// find is where the columns of a Go type are in an input, by name. All that does not fit is reported together.
func find(codec *row.Codec, in *arrow.Schema) ([]int, error) {
	at := make([]int, codec.Schema().NumFields())
	var errs []error
	for i, want := range codec.Schema().Fields() {
		at[i] = slices.IndexFunc(in.Fields(), func(f arrow.Field) bool { return f.Name == want.Name })
		if at[i] < 0 {
			errs = append(errs, fmt.Errorf("%s: no column %q%s", codec.Type(), want.Name, meant(want.Name, namesOf(in))))
			continue
		}
		if why := misfit(in.Field(at[i]), want); why != "" {
			errs = append(errs, fmt.Errorf("%s: column %q %s", codec.Type(), want.Name, why))
		}
	}
	return at, errors.Join(errs...)
}

// findKey is find for a key: of a type with one column its name means nothing. Without a codec there is nothing to find.
func findKey(codec *row.Codec, key *arrow.Schema) ([]int, error) {
	if codec == nil {
		return nil, nil
	}
	if !codec.Scalar() {
		return find(codec, key)
	}
	if key.NumFields() != 1 {
		return nil, fmt.Errorf("the key is %s, one column; rows are keyed by %s; use a struct with fields of these names", codec.Type(), row.FieldsText(key.Fields()))
	}
	if why := misfit(key.Field(0), codec.Schema().Field(0)); why != "" {
		return nil, fmt.Errorf("the key is %s: column %q %s", codec.Type(), key.Field(0).Name, why)
	}
	return []int{0}, nil
}

func namesOf(s *arrow.Schema) []string {
	names := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		names[i] = f.Name
	}
	return names
}

// meant goes behind a name that does not exist.
func meant(name string, names []string) string {
	switch g := guess.Name(name, names); {
	case g != "":
		return fmt.Sprintf("; did you mean %q?", g)
	case len(names) == 0:
		return "; there are none"
	}
	return "; there are " + strings.Join(names, ", ")
}

// misfit says why a column cannot be read as another; "": it can.
func misfit(have, want arrow.Field) string {
	switch {
	case !arrow.TypeEqual(have.Type, want.Type) && !widens(have.Type, want.Type):
		return fmt.Sprintf("is %s, and the field takes %s", typeText(have), typeText(want))
	case have.Nullable && !want.Nullable:
		return fmt.Sprintf("is %s and may be null; let the field be a pointer", typeText(have))
	}
	return ""
}

func typeText(f arrow.Field) string {
	_, text, _ := strings.Cut(row.FieldsText([]arrow.Field{f}), ": ")
	return text
}

// mantissa is how many bits of a whole number the floats have without loss.
var mantissa = map[arrow.Type]int{arrow.FLOAT32: 24, arrow.FLOAT64: 53}

// widens tells whether each number of a type is one of another.
func widens(from, to arrow.DataType) bool {
	src, ok := col.KindOf(from)
	if !ok {
		return false
	}
	bits := func(t arrow.DataType) int {
		if f, ok := t.(arrow.FixedWidthDataType); ok {
			return f.BitWidth()
		}
		return 0
	}
	if from.ID() == arrow.TIMESTAMP || to.ID() == arrow.TIMESTAMP || src != col.Int && src != col.Uint && src != col.Float {
		return false
	}
	switch dst, _ := col.KindOf(to); {
	case src == dst:
		return bits(from) < bits(to)
	case dst == col.Int:
		return src == col.Uint && bits(from) < bits(to)
	case dst == col.Float:
		return bits(from) <= mantissa[to.ID()]
	}
	return false
}

// widen is numbers as a type that widens theirs. Nulls stay.
func widen(a arrow.Array, to arrow.DataType) arrow.Array {
	from := col.FromArray(a)
	kind, _ := col.KindOf(to)
	out := &col.Vec{Type: to, Kind: kind, N: from.N, Null: from.Null, Ints: from.Ints, Floats: from.Floats, Uints: from.Uints}
	switch {
	case kind == from.Kind:
	case kind == col.Int:
		out.Ints = converted[int64](from.Uints)
	case from.Kind == col.Int:
		out.Floats = converted[float64](from.Ints)
	default:
		out.Floats = converted[float64](from.Uints)
	}
	return out.ToArray(nil)
}

func converted[W, N int64 | uint64 | float64](in []N) []W {
	out := make([]W, len(in))
	for i, n := range in {
		out[i] = W(n)
	}
	return out
}

// reader turns record batches into values of T. One goroutine at a time.
type reader[T any] struct {
	codec *row.Codec
	key   bool // T is a key

	schema *arrow.Schema // of the last record batch
	at     []int         // where T's columns are in it
	rows   []T           // memory of piece
}

func newReader[T any]() (*reader[T], error) {
	codec, err := row.For[T]()
	return &reader[T]{codec: codec}, err
}

// columns are those of T, in the codec's order and types. Texts in them are copies, which their readers may keep.
func (r *reader[T]) columns(rec arrow.Record) ([]arrow.Array, error) {
	if s := rec.Schema(); s != r.schema && (r.schema == nil || !s.Equal(r.schema)) {
		search := find
		if r.key {
			search = findKey
		}
		at, err := search(r.codec, s)
		if err != nil {
			return nil, err
		}
		r.schema, r.at = s, at
	}
	cols := make([]arrow.Array, len(r.at))
	for i, c := range r.at {
		want := r.codec.Schema().Field(i).Type
		if cols[i] = rec.Column(c); !arrow.TypeEqual(cols[i].DataType(), want) {
			cols[i] = widen(cols[i], want)
		}
		cols[i] = owned(cols[i])
	}
	return cols, nil
}

// piece is rows [lo, hi) of columns, in memory that the next call uses again.
func (r *reader[T]) piece(cols []arrow.Array, lo, hi int) ([]T, error) {
	part := make([]arrow.Array, len(cols))
	for i, c := range cols {
		part[i] = array.NewSlice(c, int64(lo), int64(hi))
	}
	rows, err := r.codec.Rows(part, r.rows[:0])
	if err != nil {
		return nil, err
	}
	r.rows = rows.([]T)
	return r.rows, nil
}

// all is the rows of a record batch, in memory of their own.
func (r *reader[T]) all(rec arrow.Record) ([]T, error) {
	cols, err := r.columns(rec)
	if err != nil {
		return nil, err
	}
	rows, err := r.codec.Rows(cols, nil)
	if err != nil {
		return nil, err
	}
	return rows.([]T), nil
}
