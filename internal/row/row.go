package row

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// Codec converts []T to columns and back, for one Go type T. It is immutable and safe for concurrent use.
//
// Methods that take rows as any expect a []T of the codec's own type and panic with an assertion otherwise; nil stands for no rows.
type Codec struct {
	typ, slice reflect.Type
	size       uintptr   // of a row in memory
	root       *column   // the row itself
	cols       []*column // one a column of the schema
	schema     *arrow.Schema
	text       string
	scalar     bool

	packed []leaf // what Pack packs

	defErr   error
	keyErr   error
	keys     []keyPart
	keyWidth int  // 0: not fixed
	dynamic  bool // of OfSchema: known by its columns only
	grouped  bool // keys begin with a GroupID
}

var codecs sync.Map // reflect.Type -> *Codec

// Of is the codec of Go type t, cached. Errors name the field and say what to use instead; all bad fields are
// reported together (errors.Join).
func Of(t reflect.Type) (*Codec, error) {
	if c, ok := codecs.Load(t); ok {
		return c.(*Codec), nil
	}
	c, err := compile(t)
	if err != nil {
		return nil, err
	}
	first, _ := codecs.LoadOrStore(t, c)
	return first.(*Codec), nil
}

// For is Of for a type parameter.
func For[T any]() (*Codec, error) { return Of(reflect.TypeFor[T]()) }

// Must is For for a type of the engine's own, which has a schema.
func Must[T any]() *Codec {
	c, err := For[T]()
	assert.True(err == nil, "%v", err)
	return c
}

// Type is the Go type of a row.
func (c *Codec) Type() reflect.Type { return c.typ }

// Schema is the row's columns. A struct has one a field (`arrow:"name"` or the field's name in snake case, `arrow:"-"` leaves it out);
// another type has one column, "value".
func (c *Codec) Schema() *arrow.Schema { return c.schema }

// Text is the schema in one line, "page: utf8, at: timestamp[us], score: float64?" (? = nullable); equal texts mean
// equal schemas. It is what checkpoints compare.
func (c *Codec) Text() string { return c.text }

// Scalar tells whether the row is one column called "value".
func (c *Codec) Scalar() bool { return c.scalar }

// Len is the number of rows in rows, a []T or a *col.Batch.
func (c *Codec) Len(rows any) int {
	if b, ok := rows.(*col.Batch); ok {
		return b.Len()
	}
	_, n := c.memory(rows)
	return n
}

// Make is an empty []T with the given capacity.
func (c *Codec) Make(capacity int) any { return reflect.MakeSlice(c.slice, 0, capacity).Interface() }

// memory is where rows, a []T, begin and how many there are.
func (c *Codec) memory(rows any) (unsafe.Pointer, int) {
	if rows == nil {
		return nil, 0
	}
	v := reflect.ValueOf(rows)
	assert.True(v.Type() == c.slice, "rows are %s, the codec's are %s", v.Type(), c.slice)
	return v.UnsafePointer(), v.Len()
}

// cells of the rows idx of rows (nil: all).
func (c *Codec) cells(rows any, idx []int32) cells {
	base, n := c.memory(rows)
	if idx == nil {
		return cells{base: base, stride: c.size, n: n}
	}
	inRange(idx, n)
	return cells{base: base, stride: c.size, idx: idx, n: len(idx)}
}

// inRange asserts that idx are numbers of n rows.
func inRange(idx []int32, n int) {
	for _, i := range idx {
		if uint(i) >= uint(n) {
			assert.True(false, "row %d of %d", i, n)
		}
	}
}

// extend appends n zero rows to dst, a []T or nil, and returns it with the cells of the new rows.
func (c *Codec) extend(dst any, n int) (any, cells) {
	var v reflect.Value
	old := 0
	if dst == nil {
		v = reflect.MakeSlice(c.slice, n, n)
	} else {
		v = reflect.ValueOf(dst)
		assert.True(v.Type() == c.slice, "rows are %s, the codec's are %s", v.Type(), c.slice)
		old = v.Len()
		if old+n > v.Cap() {
			w := reflect.MakeSlice(c.slice, old+n, max(old+n, v.Cap()*5/4))
			reflect.Copy(w, v)
			v = w
		} else {
			v = v.Slice(0, old+n)
			v.Slice(old, old+n).Clear()
		}
	}
	out := cells{stride: c.size, n: n}
	if n > 0 {
		out.base = unsafe.Add(v.UnsafePointer(), uintptr(old)*out.stride)
	}
	return v.Interface(), out
}

// AppendZero appends n zero rows to dst, a []T or nil, and returns it.
func (c *Codec) AppendZero(dst any, n int) any {
	dst, _ = c.extend(dst, n)
	return dst
}
