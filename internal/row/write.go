package row

import (
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/decimal"
)

// Columns is rows as Arrow arrays, in the schema's order. idx chooses and orders the rows; nil means all. The result shares no memory with rows. Rows may be
// a *col.Batch of the schema, too.
func (c *Codec) Columns(rows any, idx []int32) []arrow.Array {
	if cols := batchColumns(rows, idx); cols != nil {
		return cols
	}
	in := c.cells(rows, idx)
	out := make([]arrow.Array, len(c.cols))
	for i, col := range c.cols {
		out[i] = array.MakeFromData(col.write(in.field(col.off)))
	}
	return out
}

// data is an array at offset 0. Its memory is the garbage collector's.
func data(dt arrow.DataType, n, nulls int, kids []arrow.ArrayData, bufs ...[]byte) *array.Data {
	bs := make([]*memory.Buffer, len(bufs))
	for i, b := range bufs {
		if b != nil {
			bs[i] = memory.NewBufferBytes(b)
		}
	}
	return array.NewData(dt, n, bs, kids, nulls, 0)
}

// write makes an array of the cells' values. Values inside a null are zero, or null where they can be.
func (col *column) write(in cells) *array.Data {
	var valid []byte
	nulls := 0
	if col.ptr {
		in, valid, nulls = deref(in)
	}
	dt := col.field.Type
	switch col.kind {
	case boolKind:
		return data(dt, in.n, nulls, nil, valid, writeBools(in))
	case fixedKind:
		return data(dt, in.n, nulls, nil, valid, writeFixed(in, col.size))
	case timeKind:
		return data(dt, in.n, nulls, nil, valid, writeTimes(in))
	case stringKind:
		offs, b := writeStrings(in)
		return data(dt, in.n, nulls, nil, valid, offs, b)
	case bytesKind:
		offs, b := writeBytes(in)
		return data(dt, in.n, nulls, nil, valid, offs, b)
	case listKind:
		offs, elems := elements(in, col.typ.Elem().Size())
		kid := col.kids[0].write(elems)
		return data(dt, in.n, nulls, []arrow.ArrayData{kid}, valid, offs)
	case mapKind:
		offs, keys, items := entries(in, col.typ)
		kids := []arrow.ArrayData{col.kids[0].write(keys), col.kids[1].write(items)}
		pairs := data(dt.(*arrow.MapType).Elem(), keys.n, 0, kids, nil)
		return data(dt, in.n, nulls, []arrow.ArrayData{pairs}, valid, offs)
	}
	kids := make([]arrow.ArrayData, len(col.kids))
	for i, kid := range col.kids {
		kids[i] = kid.write(in.field(kid.off))
	}
	return data(dt, in.n, nulls, kids, valid)
}

// deref follows pointers: the cells that they point to and the bitmap of those that are not nil (nil: all).
func deref(in cells) (out cells, valid []byte, nulls int) {
	out = cells{at: make([]unsafe.Pointer, in.n), listed: true, n: in.n}
	for i := range out.at {
		if p := in.cell(i); p != nil {
			out.at[i] = *(*unsafe.Pointer)(p)
		}
		if out.at[i] == nil {
			nulls++
		}
	}
	if nulls == 0 {
		return out, nil, 0
	}
	valid = batch.Alloc((in.n + 7) / 8)
	for i, p := range out.at {
		if p != nil {
			valid[i>>3] |= 1 << (i & 7)
		}
	}
	return out, valid, nulls
}

func writeBools(in cells) []byte {
	out := batch.Alloc((in.n + 7) / 8)
	for i := range in.n {
		if p := in.cell(i); p != nil && *(*bool)(p) {
			out[i>>3] |= 1 << (i & 7)
		}
	}
	return out
}

func writeFixed(in cells, size uintptr) []byte {
	out := batch.Alloc(in.n * int(size))
	switch size {
	case 1:
		gather(out, &in)
	case 2:
		gather(batch.As[uint16](out), &in)
	case 4:
		gather(batch.As[uint32](out), &in)
	case 8:
		gather(batch.As[uint64](out), &in)
	case 16:
		gather(batch.As[decimal.Num](out), &in)
	}
	return out
}

func writeTimes(in cells) []byte {
	out := batch.Alloc(in.n * 8)
	us := batch.As[int64](out)
	for i := range us {
		if p := in.cell(i); p != nil {
			us[i] = (*time.Time)(p).UnixMicro()
		}
	}
	return out
}

// limit is what the offsets of one array can count.
func limit(n int) {
	if n > 1<<31-1 {
		assert.True(false, "a column of %d bytes or elements passes the limit of 2 GiB of one chunk", n)
	}
}

func writeStrings(in cells) (offs, out []byte) {
	offs = batch.Alloc(4 * (in.n + 1))
	o, size := batch.As[int32](offs), 0
	for i := range in.n {
		if p := in.cell(i); p != nil {
			size += len(*(*string)(p))
		}
		o[i+1] = int32(size)
	}
	limit(size)
	out = batch.Alloc(size)
	for i := range in.n {
		if o[i] != o[i+1] {
			copy(out[o[i]:o[i+1]], *(*string)(in.cell(i)))
		}
	}
	return offs, out
}

func writeBytes(in cells) (offs, out []byte) {
	offs = batch.Alloc(4 * (in.n + 1))
	o, size := batch.As[int32](offs), 0
	for i := range in.n {
		if p := in.cell(i); p != nil {
			size += len(*(*[]byte)(p))
		}
		o[i+1] = int32(size)
	}
	limit(size)
	out = batch.Alloc(size)
	for i := range in.n {
		if o[i] != o[i+1] {
			copy(out[o[i]:o[i+1]], *(*[]byte)(in.cell(i)))
		}
	}
	return offs, out
}

// elements are the offsets of a list and the cells of its elements, of the given size in memory.
func elements(in cells, size uintptr) (offs []byte, elems cells) {
	offs = batch.Alloc(4 * (in.n + 1))
	o, total := batch.As[int32](offs), 0
	for i := range in.n {
		if p := in.cell(i); p != nil {
			total += (*header)(p).len
		}
		limit(total)
		o[i+1] = int32(total)
	}
	elems = cells{at: make([]unsafe.Pointer, 0, total), listed: true, n: total}
	for i := range in.n {
		if o[i] == o[i+1] {
			continue
		}
		h := (*header)(in.cell(i))
		for e := range h.len {
			elems.at = append(elems.at, unsafe.Add(h.data, uintptr(e)*size))
		}
	}
	return offs, elems
}

// entries are the offsets of maps and the cells of their keys and items, sorted by key (P24).
func entries(in cells, t reflect.Type) (offs []byte, keys, items cells) {
	offs = batch.Alloc(4 * (in.n + 1))
	o, total := batch.As[int32](offs), 0
	for i := range in.n {
		if p := in.cell(i); p != nil {
			total += reflect.NewAt(t, p).Elem().Len()
		}
		limit(total)
		o[i+1] = int32(total)
	}
	ks := reflect.MakeSlice(reflect.SliceOf(t.Key()), total, total)
	vs := reflect.MakeSlice(reflect.SliceOf(t.Elem()), total, total)
	for i := range in.n {
		if o[i] == o[i+1] {
			continue
		}
		m := reflect.NewAt(t, in.cell(i)).Elem()
		for e, k := range sortedKeys(m) {
			ks.Index(int(o[i]) + e).Set(k)
			vs.Index(int(o[i]) + e).Set(m.MapIndex(k))
		}
	}
	keys = cells{base: ks.UnsafePointer(), stride: t.Key().Size(), n: total}
	items = cells{base: vs.UnsafePointer(), stride: t.Elem().Size(), n: total}
	return offs, keys, items
}

// sortedKeys are the keys of a map with string keys, in byte order.
func sortedKeys(m reflect.Value) []reflect.Value {
	ks := m.MapKeys()
	slices.SortFunc(ks, func(a, b reflect.Value) int {
		switch x, y := a.String(), b.String(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return ks
}
