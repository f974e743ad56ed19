package row

import (
	"encoding/binary"
	"reflect"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// leafColumns tells whether each column is one leaf: none is a struct that is taken apart.
func (v *Vectors) leafColumns() bool {
	for _, c := range v.codec.cols {
		if c.kind == structKind && !c.ptr {
			return false
		}
	}
	return true
}

// Flat tells whether each column of the rows is a scalar: GetCols copies those column by column.
func (v *Vectors) Flat() bool {
	for _, c := range v.codec.cols {
		if kind, ok := col.KindOf(c.field.Type); !ok || kind == col.Nested {
			return false
		}
	}
	return true
}

// GetCols are rows idx as columns that share no memory with v. The codec's schema is theirs.
func (v *Vectors) GetCols(idx []int32) *col.Batch {
	inRange(idx, v.n)
	if !v.leafColumns() {
		b := col.FromArrays(v.codec.schema, v.codec.Columns(v.Get(idx, nil), nil))
		b.N = len(idx)
		return b
	}
	out := col.Of(v.codec.schema, len(idx), make([]*col.Vec, len(v.cols))...)
	for i := range v.cols {
		out.Cols[i] = v.cols[i].getCol(idx)
	}
	return out
}

// GetColsOf are the columns of those numbers of GetCols, without the cost of the others.
func (v *Vectors) GetColsOf(idx []int32, columns []int) *col.Batch {
	inRange(idx, v.n)
	if !v.leafColumns() {
		return v.GetCols(idx).Choose(columns)
	}
	out := &col.Batch{N: len(idx)}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i], out.Cols = v.codec.schema.Field(c), append(out.Cols, v.cols[c].getCol(idx))
	}
	out.Schema = arrow.NewSchema(fields, nil)
	return out
}

func (c *vector) getCol(idx []int32) *col.Vec {
	t := c.col.field.Type
	if kind, _ := col.KindOf(t); kind == col.Nested || kind == col.Decimal {
		return c.getEncoded(idx)
	}
	out := col.New(t, len(idx))
	if c.width == 0 {
		c.getTexts(idx, out)
		return out
	}
	if c.col.ptr {
		for i, r := range idx {
			if c.valid[r] == 0 {
				out.SetNull(i)
			}
		}
	}
	switch {
	case c.col.kind == boolKind:
		for i, r := range idx {
			out.Bools[i] = c.w1[r] != 0
		}
	case c.col.kind == timeKind:
		c.longs.get(idx, reread[uint64](out.Ints))
		for i := range idx {
			out.Ints[i] += int64(zeroTime)
		}
	default:
		c.getNumbers(idx, out)
	}
	if c.col.kind == timeKind { // a time of zero memory is not zero
		out.ZeroNulls()
	}
	return out
}

func (c *vector) getNumbers(idx []int32, out *col.Vec) {
	switch out.Type.ID() {
	case arrow.INT8:
		loadAs[int64, int8](out.Ints, c.w1, idx)
	case arrow.INT16:
		loadAs[int64, int16](out.Ints, c.w2, idx)
	case arrow.INT32:
		loadAs[int64, int32](out.Ints, c.w4, idx)
	case arrow.INT64:
		c.longs.get(idx, reread[uint64](out.Ints))
	case arrow.UINT8:
		loadAs[uint64, uint8](out.Uints, c.w1, idx)
	case arrow.UINT16:
		loadAs[uint64, uint16](out.Uints, c.w2, idx)
	case arrow.UINT32:
		loadAs[uint64, uint32](out.Uints, c.w4, idx)
	case arrow.UINT64:
		c.longs.get(idx, out.Uints)
	case arrow.FLOAT32:
		loadAs[float64, float32](out.Floats, c.w4, idx)
	case arrow.FLOAT64:
		c.longs.get(idx, reread[uint64](out.Floats))
	default:
		assert.True(false, "%s is no number of state", out.Type)
	}
}

type plain interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// reread is memory of one type as another of the same size.
func reread[N, M any](mem []M) []N {
	return unsafe.Slice((*N)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem))
}

// loadAs sets out[i] to element idx[i] of mem, which holds numbers of type N.
func loadAs[W, N plain, M any](out []W, mem []M, idx []int32) {
	in := reread[N](mem)
	for i, r := range idx {
		out[i] = W(in[r])
	}
}

// storeAs sets element idx[i] of mem, which holds numbers of type N, to in[i].
func storeAs[W, N plain, M any](mem []M, idx []int32, in []W) {
	out := reread[N](mem)
	for i, r := range idx {
		out[r] = N(in[i])
	}
}

// getTexts copies strings, all into one piece of memory.
func (c *vector) getTexts(idx []int32, out *col.Vec) {
	size := 0
	for _, r := range idx {
		size += c.arena.Len(r)
	}
	mem := make([]byte, 0, size)
	for _, r := range idx {
		mem = append(mem, c.arena.Get(r)...)
	}
	all, lo := unsafe.String(unsafe.SliceData(mem), len(mem)), 0
	for i, r := range idx {
		hi := lo + c.arena.Len(r)
		s := all[lo:hi]
		lo = hi
		if !c.col.ptr {
			out.Texts[i] = s
			continue
		}
		if s == "" || s[0] == 0 {
			out.SetNull(i)
			continue
		}
		n, w := uvarint(s[1:])
		assert.True(w > 0 && int(n) == len(s)-1-w, "row %d of column %s is no text", r, c.col.field.Name)
		out.Texts[i] = s[1+w:]
	}
}

// slab is zero memory for n values of the column, or pointers to such.
func (col *column) slab(n int) cells {
	t := col.typ
	if col.ptr {
		t = reflect.PointerTo(t)
	}
	return cells{base: reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer(), stride: t.Size(), n: n}
}

func (c *vector) getEncoded(idx []int32) *col.Vec {
	mem := c.col.slab(len(idx))
	if len(idx) > 0 {
		c.getBytes(idx, mem)
	}
	return col.FromArray(array.MakeFromData(c.col.write(mem)))
}

// SetCols stores the rows of b that count, whose schema is the codec's, as rows idx. A row that stands in idx twice keeps the later one.
func (v *Vectors) SetCols(idx []int32, b *col.Batch) {
	assert.True(b.Len() == len(idx), "%d values for %d rows", b.Len(), len(idx))
	if len(idx) == 0 {
		return
	}
	if !v.leafColumns() {
		rows, err := v.codec.Rows(b.Arrays(nil), nil)
		assert.True(err == nil, "columns of state: %v", err)
		v.Set(idx, rows)
		return
	}
	b = b.Dense()
	for i := range v.cols {
		v.cols[i].setCol(idx, b.Cols[i])
	}
}

func (c *vector) setCol(idx []int32, in *col.Vec) {
	switch {
	case in.Kind == col.Nested || in.Kind == col.Decimal:
		mem := c.col.slab(len(idx))
		c.col.read(whole(in.ToArray(nil).Data()), mem)
		c.setBytes(idx, mem)
		return
	case c.width == 0:
		c.setTexts(idx, in)
		return
	}
	if c.col.ptr {
		for i, r := range idx {
			c.valid[r] = 1
			if in.Null != nil && in.Null[i] {
				c.valid[r] = 0
			}
		}
	}
	switch {
	case c.col.kind == boolKind:
		for i, r := range idx {
			c.w1[r] = 0
			if in.Bools[i] {
				c.w1[r] = 1
			}
		}
	case c.col.kind == timeKind:
		c.longs.put(idx, sinceZero(slices.Clone(reread[uint64](in.Ints[:len(idx)]))))
	default:
		c.setNumbers(idx, in)
	}
}

func (c *vector) setNumbers(idx []int32, in *col.Vec) {
	switch in.Type.ID() {
	case arrow.INT8:
		storeAs[int64, int8](c.w1, idx, in.Ints)
	case arrow.INT16:
		storeAs[int64, int16](c.w2, idx, in.Ints)
	case arrow.INT32:
		storeAs[int64, int32](c.w4, idx, in.Ints)
	case arrow.INT64:
		c.longs.put(idx, reread[uint64](in.Ints[:len(idx)]))
	case arrow.UINT8:
		storeAs[uint64, uint8](c.w1, idx, in.Uints)
	case arrow.UINT16:
		storeAs[uint64, uint16](c.w2, idx, in.Uints)
	case arrow.UINT32:
		storeAs[uint64, uint32](c.w4, idx, in.Uints)
	case arrow.UINT64:
		c.longs.put(idx, in.Uints[:len(idx)])
	case arrow.FLOAT32:
		storeAs[float64, float32](c.w4, idx, in.Floats)
	case arrow.FLOAT64:
		c.longs.put(idx, reread[uint64](in.Floats[:len(idx)]))
	default:
		assert.True(false, "%s is no number of state", in.Type)
	}
}

// setTexts stores strings: as they are, or those of a nullable column as encode does.
func (c *vector) setTexts(idx []int32, in *col.Vec) {
	var b []byte
	for i, r := range idx {
		b = b[:0]
		switch {
		case !c.col.ptr:
		case in.Null != nil && in.Null[i]:
			c.arena.Set(r, append(b, 0))
			continue
		default:
			b = binary.AppendUvarint(append(b, 1), uint64(len(in.Texts[i])))
		}
		b = append(b, in.Texts[i]...)
		c.arena.Set(r, b)
	}
	c.arena.Compact()
}
