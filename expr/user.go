package expr

import (
	"fmt"
	"reflect"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// Func1 makes a function of a column out of one of a value. A and B are bool, an integer, a float, string, []byte or time.Time, or types of these; or pointers to
// them, which are nil for null. Without a pointer, null is not passed on: the result is null. f is called for rows that count, in order; it must depend on its arguments only, and not keep
// []byte. The name stands for what f does: two functions of one name are taken for the same.
func Func1[A, B any](name string, f func(A) B) func(a any) Expr {
	return func1(name, func(a A) (B, error) { return f(a), nil }, false)
}

// Func2 is Func1 for functions of two values.
func Func2[A, B, C any](name string, f func(A, B) C) func(a, b any) Expr {
	return func2(name, func(a A, b B) (C, error) { return f(a, b), nil }, false)
}

// TryFunc1 is Func1 for functions that may fail: an error fails the row, as Cast does.
func TryFunc1[A, B any](name string, f func(A) (B, error)) func(a any) Expr {
	return func1(name, f, true)
}

func func1[A, B any](name string, f func(A) (B, error), fails bool) func(a any) Expr {
	u := &userFunc{fails: fails, args: []reflect.Type{reflect.TypeFor[A]()}, result: reflect.TypeFor[B]()}
	u.loop = func(fr *frame, out *col.Vec, in []*col.Vec, fails func(i int, err error)) {
		a := valuesOf[A](in[0], fr.n)
		put := store[B](out, fr.n)
		for i := range fr.n {
			if out.Null != nil && out.Null[i] {
				continue
			}
			v, err := f(a[i])
			if err != nil {
				fails(i, err)
				continue
			}
			put.values[i] = v
		}
		put.done()
	}
	return func(a any) Expr { return u.call(name, a) }
}

// TryFunc2 is Func2 for functions that may fail.
func TryFunc2[A, B, C any](name string, f func(A, B) (C, error)) func(a, b any) Expr {
	return func2(name, f, true)
}

func func2[A, B, C any](name string, f func(A, B) (C, error), fails bool) func(a, b any) Expr {
	u := &userFunc{fails: fails, args: []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B]()}, result: reflect.TypeFor[C]()}
	u.loop = func(fr *frame, out *col.Vec, in []*col.Vec, fails func(i int, err error)) {
		a, b := valuesOf[A](in[0], fr.n), valuesOf[B](in[1], fr.n)
		put := store[C](out, fr.n)
		for i := range fr.n {
			if out.Null != nil && out.Null[i] {
				continue
			}
			v, err := f(a[i], b[i])
			if err != nil {
				fails(i, err)
				continue
			}
			put.values[i] = v
		}
		put.done()
	}
	return func(a, b any) Expr { return u.call(name, a, b) }
}

// userFunc is what a user wrote, as a loop over columns of its types.
type userFunc struct {
	args   []reflect.Type
	result reflect.Type
	fails  bool // it may give errors
	loop   func(f *frame, out *col.Vec, in []*col.Vec, fails func(i int, err error))
}

func (u *userFunc) call(name string, args ...any) Expr {
	e := newCall("func", args...)
	e.n.name, e.n.value = name, u
	return e
}

func init() { register(bindUser, "func") }

func bindUser(c *call) (*Bound, error) {
	u := c.e.n.value.(*userFunc)
	args := make([]*Bound, len(c.args))
	null := make([]bool, len(args)) // it takes nulls
	for i, a := range c.args {
		t := arrowOf(u.args[i])
		if t == nil {
			return nil, fmt.Errorf("argument %d of the function is %s; use a bool, number, string, []byte or time.Time", i+1, u.args[i])
		}
		null[i] = u.args[i].Kind() == reflect.Pointer
		switch fit := adopt(a, t); {
		case fit != nil:
			args[i] = fit
		case arrow.TypeEqual(a.typ, t):
			args[i] = a
		case numeric(a) && lossless(a.typ, t):
			args[i] = to(a, t)
		default:
			return nil, fmt.Errorf("argument %d, %s, is %s, and the function takes %s; Cast it to %s", i+1, a.expr, words(a.typ), u.args[i], words(t))
		}
	}
	t := arrowOf(u.result)
	if t == nil {
		return nil, fmt.Errorf("the function gives %s; let it give a bool, number, string, []byte or time.Time", u.result)
	}
	b := free(t, args, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		out.Clear()
		for i, v := range in {
			if !null[i] {
				orNulls(out, v)
			}
		}
		u.loop(f, out, in, func(i int, err error) {
			f.fail(i, fmt.Sprintf("%s: %v", c.e, err))
			out.SetNull(i)
		})
		out.ZeroNulls()
	})
	b.careful, b.fixed, b.fails = true, true, b.fails || u.fails
	return b, nil
}

var (
	goTime  = reflect.TypeFor[time.Time]()
	goTypes = map[reflect.Kind]arrow.DataType{
		reflect.Bool: boolType, reflect.String: textType, reflect.Int: int64Type, reflect.Int64: int64Type, reflect.Uint: uint64Type, reflect.Uint64: uint64Type,
		reflect.Int8: arrow.PrimitiveTypes.Int8, reflect.Int16: arrow.PrimitiveTypes.Int16, reflect.Int32: arrow.PrimitiveTypes.Int32,
		reflect.Uint8: arrow.PrimitiveTypes.Uint8, reflect.Uint16: arrow.PrimitiveTypes.Uint16, reflect.Uint32: arrow.PrimitiveTypes.Uint32,
		reflect.Float32: arrow.PrimitiveTypes.Float32, reflect.Float64: floatType,
	}
)

// arrowOf is the column type of a Go type, nil if it has none.
func arrowOf(t reflect.Type) arrow.DataType {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == goTime:
		return timeType
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return bytesType
	}
	if dt := goTypes[t.Kind()]; dt != nil {
		return dt
	}
	return nil
}
