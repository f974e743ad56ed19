package batch

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/assert"
)

// shape is how a column lies in memory.
type shape uint8

const (
	none   shape = iota // not supported
	bits                // validity, bits
	fixed               // validity, values of a fixed width
	text                // validity, 32-bit offsets, bytes
	list                // validity, 32-bit offsets; one child
	nested              // validity; one child a field
)

// shapeOf is the shape of a type and, for fixed, its width in bytes.
func shapeOf(dt arrow.DataType) (shape, int) {
	switch dt.ID() {
	case arrow.BOOL:
		return bits, 0
	case arrow.STRING, arrow.BINARY:
		return text, 0
	case arrow.LIST, arrow.MAP:
		return list, 0
	case arrow.STRUCT:
		return nested, 0
	case arrow.DICTIONARY, arrow.EXTENSION:
		return none, 0
	}
	if f, ok := dt.(arrow.FixedWidthDataType); ok && f.BitWidth()%8 == 0 && f.BitWidth() > 0 {
		return fixed, f.BitWidth() / 8
	}
	return none, 0
}

// Supported is an error that names the first column of s whose type this package cannot handle.
func Supported(s *arrow.Schema) error {
	for _, f := range s.Fields() {
		if err := supported(f); err != nil {
			return err
		}
	}
	return nil
}

func supported(f arrow.Field) error {
	if s, _ := shapeOf(f.Type); s == none {
		return fmt.Errorf("column %s: type %s is not supported in a record batch", f.Name, f.Type)
	}
	for _, k := range fieldsOf(f.Type) {
		if err := supported(k); err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	return nil
}

// Columns is a schema with the columns of s of those numbers, without metadata.
func Columns(s *arrow.Schema, numbers []int) *arrow.Schema {
	fields := make([]arrow.Field, len(numbers))
	for i, n := range numbers {
		fields[i] = s.Field(n)
	}
	return arrow.NewSchema(fields, nil)
}

// fieldsOf are the children of a nested type.
func fieldsOf(dt arrow.DataType) []arrow.Field {
	switch t := dt.(type) {
	case *arrow.ListType:
		return []arrow.Field{t.ElemField()}
	case *arrow.MapType:
		return []arrow.Field{t.ElemField()}
	case *arrow.StructType:
		return t.Fields()
	}
	return nil
}

// view is rows [off, off+n) of a column; off counts from the start of its buffers.
type view struct {
	data   arrow.ArrayData
	off, n int
}

func viewOf(a arrow.ArrayData) view { return view{a, a.Offset(), a.Len()} }

// buf is buffer i, nil if it is absent.
func (v view) buf(i int) []byte {
	if b := v.data.Buffers()[i]; b != nil {
		return b.Bytes()
	}
	return nil
}

// offsets are the n+1 offsets of a text or list column; none for no rows.
func (v view) offsets() []int32 {
	if v.n == 0 {
		return nil
	}
	return As[int32](v.buf(1))[v.off : v.off+v.n+1]
}

// elems is the part [lo, hi) of a list's child.
func (v view) elems(lo, hi int32) view {
	k := v.data.Children()[0]
	return view{k, k.Offset() + int(lo), int(hi - lo)}
}

// field is child i of a struct, the same rows.
func (v view) field(i int) view {
	k := v.data.Children()[i]
	return view{k, k.Offset() + v.off, v.n}
}

// nulls is the number of nulls among the view's rows.
func (v view) nulls() int {
	if v.data.NullN() == 0 || v.n == 0 {
		return 0
	}
	b := v.buf(0)
	if len(b) == 0 {
		return 0
	}
	return v.n - bitutil.CountSetBits(b, v.off, v.n)
}

// Alloc is zeroed memory of n bytes; up to the next multiple of 64 its capacity is zero too.
func Alloc(n int) []byte { return make([]byte, n, (n+63)&^63) }

// As sees b as values of type T, and shares its memory. b must be aligned for T, as Alloc and Arrow buffers are.
func As[T any](b []byte) []T {
	var t T
	n := len(b) / int(unsafe.Sizeof(t))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// newData is an array's data at offset 0 without references to count: the garbage collector owns our memory.
func newData(dt arrow.DataType, n, nulls int, kids []arrow.ArrayData, bufs ...[]byte) *array.Data {
	bs := make([]*memory.Buffer, len(bufs))
	for i, b := range bufs {
		if b != nil {
			bs[i] = memory.NewBufferBytes(b)
		}
	}
	return array.NewData(dt, n, bs, kids, nulls, 0)
}

func maxOffset(n int) int32 {
	if n > 1<<31-1 {
		assert.True(false, "a column of %d bytes or elements passes the limit of 2 GiB of one record batch", n)
	}
	return int32(n)
}

// Bytes is the memory that rec's buffers hold; 0 for nil.
func Bytes(rec arrow.Record) int64 {
	if rec == nil {
		return 0
	}
	var n int64
	for _, c := range rec.Columns() {
		n += dataBytes(c.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) int64 {
	var n int64
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, k := range d.Children() {
		n += dataBytes(k)
	}
	return n
}
