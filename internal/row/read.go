package row

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/decimal"
)

// Rows appends the rows of cols to dst (a []T, or nil) and returns it. Strings and []byte alias the columns' memory.
// It is an error if a column's type is not the schema's; it never panics on columns that were read from outside.
func (c *Codec) Rows(cols []arrow.Array, dst any) (any, error) {
	n, err := c.check(cols)
	if err != nil {
		return nil, err
	}
	dst, out := c.extend(dst, n)
	for i, col := range c.cols {
		d := cols[i].Data()
		col.read(whole(d), out.field(col.off))
	}
	return dst, nil
}

// check verifies that cols are columns of the schema, whatever their names, and is their length.
func (c *Codec) check(cols []arrow.Array) (rows int, err error) {
	if len(cols) != len(c.cols) {
		return 0, fmt.Errorf("%d columns for %s, want %d (%s)", len(cols), c.typ, len(c.cols), c.text)
	}
	for i, col := range c.cols {
		if err := batch.Check(cols[i].Data(), col.field); err != nil {
			return 0, fmt.Errorf("%s: %w", c.typ, err)
		}
		if n := cols[i].Len(); n != cols[0].Len() {
			return 0, fmt.Errorf("%s: column %s has %d rows, column %s has %d", c.typ, col.field.Name, n, c.cols[0].field.Name, cols[0].Len())
		}
	}
	return cols[0].Len(), nil
}

// source is rows [off, off+n) of an array that was checked; off counts from the start of its buffers.
type source struct {
	data   arrow.ArrayData
	off, n int
}

func (s source) buf(i int) []byte {
	if b := s.data.Buffers()[i]; b != nil {
		return b.Bytes()
	}
	return nil
}

func (s source) offsets() []int32 {
	if s.n == 0 {
		return make([]int32, 1)
	}
	return batch.As[int32](s.buf(1))[s.off : s.off+s.n+1]
}

// read writes the array's values to the cells, whose memory is zero.
func (col *column) read(in source, out cells) {
	if in.n == 0 {
		return
	}
	if col.ptr {
		out = point(in, out, col.typ)
	}
	switch col.kind {
	case boolKind:
		readBools(in, out)
	case fixedKind:
		readFixed(in, out, int(col.size))
	case timeKind:
		for i, us := range batch.As[int64](in.buf(1))[in.off : in.off+in.n] {
			if p := out.cell(i); p != nil {
				*(*time.Time)(p) = time.UnixMicro(us).UTC()
			}
		}
	case stringKind:
		readStrings(in, out)
	case bytesKind:
		readBytes(in, out)
	case structKind:
		for i, kid := range col.kids {
			k := in.data.Children()[i]
			kid.read(source{k, k.Offset() + in.off, in.n}, out.field(kid.off))
		}
	case listKind:
		offs := in.offsets()
		slab := readSlab(col.kids[0], whole(in.data.Children()[0]), offs, col.typ.Elem())
		readLists(offs, out, slab.UnsafePointer(), col.typ.Elem().Size())
	case mapKind:
		pairs, offs := in.data.Children()[0], in.offsets()
		keys := readSlab(col.kids[0], field(pairs, 0), offs, col.typ.Key())
		items := readSlab(col.kids[1], field(pairs, 1), offs, col.typ.Elem())
		readMaps(offs, out, keys, items, col.typ)
	}
}

func whole(d arrow.ArrayData) source { return source{d, d.Offset(), d.Len()} }

// field is field i of a struct array as an array whose offset accounts for the struct's.
func field(s arrow.ArrayData, i int) source {
	k := s.Children()[i]
	return source{k, k.Offset() + s.Offset(), s.Len()}
}

// point allocates the values that are not null, points the cells to them and is the cells of the values.
func point(in source, out cells, t reflect.Type) cells {
	at := make([]unsafe.Pointer, in.n)
	valid := in.buf(0)
	if in.data.NullN() == 0 {
		valid = nil
	}
	count := 0
	for i := range at {
		j := in.off + i
		if len(valid) > 0 && valid[j>>3]>>(j&7)&1 == 0 {
			continue
		}
		if at[i] = out.cell(i); at[i] != nil {
			count++
		}
	}
	if count > 0 {
		slab, next := reflect.MakeSlice(reflect.SliceOf(t), count, count).UnsafePointer(), uintptr(0)
		for i, p := range at {
			if p != nil {
				at[i] = unsafe.Add(slab, next*t.Size())
				*(*unsafe.Pointer)(p) = at[i]
				next++
			}
		}
	}
	return cells{at: at, listed: true, n: in.n}
}

func readBools(in source, out cells) {
	b := in.buf(1)
	for i := range in.n {
		if p := out.cell(i); p != nil {
			j := in.off + i
			*(*bool)(p) = b[j>>3]>>(j&7)&1 == 1
		}
	}
}

func readFixed(in source, out cells, size int) {
	b := in.buf(1)[in.off*size : (in.off+in.n)*size]
	switch size {
	case 1:
		scatter(b, &out)
	case 2:
		scatter(batch.As[uint16](b), &out)
	case 4:
		scatter(batch.As[uint32](b), &out)
	case 8:
		scatter(batch.As[uint64](b), &out)
	case 16:
		scatter(batch.As[decimal.Num](b), &out)
	}
}

func readStrings(in source, out cells) {
	offs, b := in.offsets(), in.buf(2)
	for i := range in.n {
		if v := b[offs[i]:offs[i+1]]; len(v) > 0 {
			if p := out.cell(i); p != nil {
				*(*string)(p) = unsafe.String(unsafe.SliceData(v), len(v))
			}
		}
	}
}

func readBytes(in source, out cells) {
	offs, b := in.offsets(), in.buf(2)
	for i := range in.n {
		if v := b[offs[i]:offs[i+1]:offs[i+1]]; len(v) > 0 {
			if p := out.cell(i); p != nil {
				*(*[]byte)(p) = v
			}
		}
	}
}

// readSlab reads the elements of lists with the given offsets into one slice of t.
func readSlab(col *column, in source, offs []int32, t reflect.Type) reflect.Value {
	lo, hi := int(offs[0]), int(offs[len(offs)-1])
	slab := reflect.MakeSlice(reflect.SliceOf(t), hi-lo, hi-lo)
	if hi > lo {
		col.read(source{in.data, in.off + lo, hi - lo}, cells{base: slab.UnsafePointer(), stride: t.Size(), n: hi - lo})
	}
	return slab
}

// readLists cuts the slab into the cells' slices.
func readLists(offs []int32, out cells, slab unsafe.Pointer, size uintptr) {
	for i := range out.n {
		n := int(offs[i+1] - offs[i])
		if p := out.cell(i); p != nil && n > 0 {
			*(*header)(p) = header{unsafe.Add(slab, uintptr(offs[i]-offs[0])*size), n, n}
		}
	}
}

// readMaps makes the cells' maps of the entries.
func readMaps(offs []int32, out cells, keys, items reflect.Value, t reflect.Type) {
	for i := range out.n {
		n := int(offs[i+1] - offs[i])
		p := out.cell(i)
		if p == nil || n == 0 {
			continue
		}
		m := reflect.MakeMapWithSize(t, n)
		for e := int(offs[i] - offs[0]); e < int(offs[i+1]-offs[0]); e++ {
			m.SetMapIndex(keys.Index(e), items.Index(e))
		}
		reflect.NewAt(t, p).Elem().Set(m)
	}
}
