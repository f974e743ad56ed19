package expr

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/millrace/millrace/internal/col"
)

// valuesOf are a column's values in a Go type that it was bound to.
func valuesOf[T any](v *col.Vec, n int) []T {
	out := make([]T, n)
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Pointer {
		fill(unsafe.Pointer(unsafe.SliceData(out)), t, v, n)
		return out
	}
	t = t.Elem()
	all := reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
	fill(all, t, v, n)
	pointers := unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(unsafe.SliceData(out))), n)
	for i := range pointers {
		if v.Null == nil || !v.Null[i] {
			pointers[i] = unsafe.Add(all, uintptr(i)*t.Size())
		}
	}
	return out
}

type number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// fill writes n values of v to memory for values of type t.
func fill(p unsafe.Pointer, t reflect.Type, v *col.Vec, n int) {
	switch {
	case n == 0:
	case t == goTime:
		for i, us := range v.Ints[:n] {
			unsafe.Slice((*time.Time)(p), n)[i] = time.UnixMicro(us).UTC()
		}
	case t.Kind() == reflect.Slice:
		for i, s := range v.Texts[:n] {
			unsafe.Slice((*[]byte)(p), n)[i] = []byte(s)
		}
	case t.Kind() == reflect.String:
		copy(unsafe.Slice((*string)(p), n), v.Texts)
	case t.Kind() == reflect.Bool:
		copy(unsafe.Slice((*bool)(p), n), v.Bools)
	default:
		fillNumbers(p, t.Kind(), v, n)
	}
}

func fillNumbers(p unsafe.Pointer, kind reflect.Kind, v *col.Vec, n int) {
	switch kind {
	case reflect.Int, reflect.Int64:
		copy(unsafe.Slice((*int64)(p), n), v.Ints)
	case reflect.Int8:
		convert(unsafe.Slice((*int8)(p), n), v.Ints)
	case reflect.Int16:
		convert(unsafe.Slice((*int16)(p), n), v.Ints)
	case reflect.Int32:
		convert(unsafe.Slice((*int32)(p), n), v.Ints)
	case reflect.Uint, reflect.Uint64:
		copy(unsafe.Slice((*uint64)(p), n), v.Uints)
	case reflect.Uint8:
		convert(unsafe.Slice((*uint8)(p), n), v.Uints)
	case reflect.Uint16:
		convert(unsafe.Slice((*uint16)(p), n), v.Uints)
	case reflect.Uint32:
		convert(unsafe.Slice((*uint32)(p), n), v.Uints)
	case reflect.Float32:
		convert(unsafe.Slice((*float32)(p), n), v.Floats)
	default:
		copy(unsafe.Slice((*float64)(p), n), v.Floats)
	}
}

func convert[A, B number](out []A, in []B) {
	in = in[:len(out)]
	for i, x := range in {
		out[i] = A(x)
	}
}

// stored are values on the way into a column.
type stored[T any] struct {
	values []T
	out    *col.Vec
}

func store[T any](out *col.Vec, n int) stored[T] { return stored[T]{make([]T, n), out} }

// done sets the column. Pointers that are nil are nulls.
func (s stored[T]) done() {
	t, n := reflect.TypeFor[T](), len(s.values)
	p := unsafe.Pointer(unsafe.SliceData(s.values))
	if t.Kind() != reflect.Pointer {
		drain(s.out, p, t, n)
		return
	}
	t = t.Elem()
	all := reflect.MakeSlice(reflect.SliceOf(t), n, n)
	for i, at := range unsafe.Slice((*unsafe.Pointer)(p), n) {
		if at == nil {
			s.out.SetNull(i)
			continue
		}
		all.Index(i).Set(reflect.NewAt(t, at).Elem())
	}
	drain(s.out, all.UnsafePointer(), t, n)
}

// drain reads n values of type t into a column.
func drain(out *col.Vec, p unsafe.Pointer, t reflect.Type, n int) {
	switch {
	case n == 0:
	case t == goTime:
		for i, at := range unsafe.Slice((*time.Time)(p), n) {
			out.Ints[i] = at.UnixMicro()
		}
	case t.Kind() == reflect.Slice:
		for i, b := range unsafe.Slice((*[]byte)(p), n) {
			out.Texts[i] = string(b)
		}
	case t.Kind() == reflect.String:
		copy(out.Texts, unsafe.Slice((*string)(p), n))
	case t.Kind() == reflect.Bool:
		copy(out.Bools, unsafe.Slice((*bool)(p), n))
	default:
		drainNumbers(out, p, t.Kind(), n)
	}
}

func drainNumbers(out *col.Vec, p unsafe.Pointer, kind reflect.Kind, n int) {
	switch kind {
	case reflect.Int, reflect.Int64:
		copy(out.Ints, unsafe.Slice((*int64)(p), n))
	case reflect.Int8:
		convert(out.Ints[:n], unsafe.Slice((*int8)(p), n))
	case reflect.Int16:
		convert(out.Ints[:n], unsafe.Slice((*int16)(p), n))
	case reflect.Int32:
		convert(out.Ints[:n], unsafe.Slice((*int32)(p), n))
	case reflect.Uint, reflect.Uint64:
		copy(out.Uints, unsafe.Slice((*uint64)(p), n))
	case reflect.Uint8:
		convert(out.Uints[:n], unsafe.Slice((*uint8)(p), n))
	case reflect.Uint16:
		convert(out.Uints[:n], unsafe.Slice((*uint16)(p), n))
	case reflect.Uint32:
		convert(out.Uints[:n], unsafe.Slice((*uint32)(p), n))
	case reflect.Float32:
		convert(out.Floats[:n], unsafe.Slice((*float32)(p), n))
	default:
		copy(out.Floats, unsafe.Slice((*float64)(p), n))
	}
}
