package plugins

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
)

// Func1 is a Scalar: a function of a value. A and R are what fields of rows may be; numbers are widened where that loses nothing. A pointer is nil for null; where A is none, f is not called
// for null, and the result is null. f must depend on its argument alone, and may keep it.
func Func1[A, R any](name string, f func(A) R) Operator {
	return TryFunc1(name, func(a A) (R, error) { return f(a), nil })
}

// TryFunc1 is Func1 for functions that may fail, as TryRows is of Rows.
func TryFunc1[A, R any](name string, f func(A) (R, error)) Operator {
	return function(name, func() ([]argument, func(int) (R, error)) {
		a := &arg[A]{}
		return []argument{a}, func(i int) (R, error) { return f(a.vals[i].V) }
	})
}

// Func2 is Func1 for functions of two values.
func Func2[A, B, R any](name string, f func(A, B) R) Operator {
	return TryFunc2(name, func(a A, b B) (R, error) { return f(a, b), nil })
}

// TryFunc2 is Func2 for functions that may fail.
func TryFunc2[A, B, R any](name string, f func(A, B) (R, error)) Operator {
	return function(name, func() ([]argument, func(int) (R, error)) {
		a, b := &arg[A]{}, &arg[B]{}
		return []argument{a, b}, func(i int) (R, error) { return f(a.vals[i].V, b.vals[i].V) }
	})
}

// Func3 is Func1 for functions of three values.
func Func3[A, B, C, R any](name string, f func(A, B, C) R) Operator {
	return function(name, func() ([]argument, func(int) (R, error)) {
		a, b, c := &arg[A]{}, &arg[B]{}, &arg[C]{}
		return []argument{a, b, c}, func(i int) (R, error) { return f(a.vals[i].V, b.vals[i].V, c.vals[i].V), nil }
	})
}

// cell is a value as a row, so that all types are columns alike.
type cell[T any] struct {
	V T `arrow:"value"`
}

// cellCodec is the codec of a value. It is an error that speaks of the value's type.
func cellCodec[T any]() (*row.Codec, error) {
	codec, err := row.For[cell[T]]()
	if err != nil {
		name := reflect.TypeFor[cell[T]]().String()
		return nil, errors.New(strings.ReplaceAll(err.Error(), name+".V", reflect.TypeFor[T]().String()))
	}
	return codec, nil
}

// argument is one of a function's. Its values are read some at a time.
type argument interface {
	prepare() error
	field() arrow.Field
	load(a arrow.Array)
	piece(lo, hi int) error
}

type arg[A any] struct {
	reader[cell[A]]
	cols []arrow.Array
	vals []cell[A] // of the piece
}

func (a *arg[A]) prepare() (err error) {
	a.codec, err = cellCodec[A]()
	return err
}

func (a *arg[A]) field() arrow.Field { return a.codec.Schema().Field(0) }

// load takes a column, of which nulls were removed if A cannot be null.
func (a *arg[A]) load(col arrow.Array) {
	if want := a.field().Type; !arrow.TypeEqual(col.DataType(), want) {
		col = widen(col, want)
	}
	a.cols = []arrow.Array{owned(col)}
}

func (a *arg[A]) piece(lo, hi int) (err error) {
	a.vals, err = a.reader.piece(a.cols, lo, hi)
	return err
}

// function is an operator of a function; made gives its arguments and what computes row i of their pieces.
func function[R any](name string, made func() ([]argument, func(i int) (R, error))) Operator {
	return Operator{Name: name, Scalar: func(config []byte) (Scalar, error) {
		if err := plain(config); err != nil {
			return nil, err
		}
		f := &typedScalar[R]{}
		var err error
		f.args, f.row = made()
		for i, a := range f.args {
			if err := a.prepare(); err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		}
		if f.out, err = cellCodec[R](); err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
		return f, nil
	}}
}

type typedScalar[R any] struct {
	args []argument
	row  func(i int) (R, error)
	out  *row.Codec
	vals []cell[R] // memory of results
}

func (s *typedScalar[R]) Declare(args []arrow.Field) (arrow.Field, error) {
	if len(args) != len(s.args) {
		return arrow.Field{}, fmt.Errorf("%d arguments, and the function takes %d", len(args), len(s.args))
	}
	out := s.out.Schema().Field(0)
	for i, have := range args {
		want := s.args[i].field()
		out.Nullable = out.Nullable || have.Nullable && !want.Nullable
		want.Nullable = true
		if why := misfit(have, want); why != "" {
			return arrow.Field{}, fmt.Errorf("argument %d %s", i+1, strings.Replace(why, "the field", "the function", 1))
		}
	}
	return out, nil
}

func (s *typedScalar[R]) Eval(ctx context.Context, args arrow.Record) (arrow.Array, error) {
	if int(args.NumCols()) != len(s.args) {
		return nil, fmt.Errorf("%d arguments, and the function takes %d", args.NumCols(), len(s.args))
	}
	n := int(args.NumRows())
	var null []bool // rows for which the function is not called; nil: none
	for i, a := range s.args {
		col := args.Column(i)
		if col.NullN() > 0 && !a.field().Nullable {
			null = markNulls(null, col)
			col = withoutNulls(col)
		}
		a.load(col)
	}
	if cap(s.vals) < n {
		s.vals = make([]cell[R], n)
	}
	out := s.vals[:n]
	for lo := 0; lo < n; lo += pieceRows {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := s.piece(out, null, lo, min(lo+pieceRows, n)); err != nil {
			return nil, err
		}
	}
	result := s.out.Columns(out, nil)[0]
	clear(out) // for the rows that are null the next time, and nothing of the user's is kept alive
	if null != nil && !s.out.Schema().Field(0).Nullable {
		result = withNulls(result, null)
	}
	return result, nil
}

// piece computes rows [lo, hi).
func (s *typedScalar[R]) piece(out []cell[R], null []bool, lo, hi int) (err error) {
	for _, a := range s.args {
		if err := a.piece(lo, hi); err != nil {
			return err
		}
	}
	for i := range hi - lo {
		if null != nil && null[lo+i] {
			continue
		}
		if out[lo+i].V, err = s.row(i); err != nil {
			clear(out[:hi])
			return err
		}
	}
	return nil
}

func markNulls(null []bool, a arrow.Array) []bool {
	if null == nil {
		null = make([]bool, a.Len())
	}
	for i := range null {
		null[i] = null[i] || a.IsNull(i)
	}
	return null
}

// withoutNulls has whatever lies under the nulls as values.
func withoutNulls(a arrow.Array) arrow.Array {
	d := a.Data()
	bufs := append([]*memory.Buffer{nil}, d.Buffers()[1:]...)
	return array.MakeFromData(array.NewData(d.DataType(), d.Len(), bufs, d.Children(), 0, d.Offset()))
}

// withNulls is an array at offset 0 without nulls as one with them.
func withNulls(a arrow.Array, null []bool) arrow.Array {
	valid := batch.Alloc((len(null) + 7) / 8)
	nulls := 0
	for i, is := range null {
		if is {
			nulls++
		} else {
			valid[i>>3] |= 1 << (i & 7)
		}
	}
	d := a.Data()
	bufs := append([]*memory.Buffer{memory.NewBufferBytes(valid)}, d.Buffers()[1:]...)
	return array.MakeFromData(array.NewData(d.DataType(), d.Len(), bufs, d.Children(), nulls, 0))
}
