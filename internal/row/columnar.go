package row

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// Batch is the rows idx (nil: all) of rows, a []T, as columns, without a way over Arrow's arrays but for lists, structs and maps. read marks the columns
// that are wanted, nil: all; the others are nil in the result. Texts are those of the rows, not copies; nothing else is shared with them.
func (c *Codec) Batch(rows any, idx []int32, read []bool) *col.Batch {
	in := c.cells(rows, idx)
	b := &col.Batch{Schema: c.schema, N: in.n, Cols: make([]*col.Vec, len(c.cols))}
	for i, from := range c.cols {
		if read == nil || read[i] {
			b.Cols[i] = toVec(from, in.field(from.off), nil)
		}
	}
	return b
}

// Vec is column i of rows, a []T, as Batch makes it, in the memory of into where that is given: a result of Vec for the same column that nobody reads any more.
func (c *Codec) Vec(i int, rows any, into *col.Vec) *col.Vec {
	return toVec(c.cols[i], c.cells(rows, nil).field(c.cols[i].off), into)
}

// Field is where column i lies in a row's memory, and its Go type there.
func (c *Codec) Field(i int) (off uintptr, typ reflect.Type) {
	col := c.cols[i]
	if col.ptr {
		return col.off, reflect.PointerTo(col.typ)
	}
	return col.off, col.typ
}

func toVec(from *column, in cells, v *col.Vec) *col.Vec {
	kind, ok := col.KindOf(from.field.Type)
	assert.True(ok, "no column holds %s", from.field.Type)
	if kind == col.Nested {
		return &col.Vec{Type: from.field.Type, Kind: kind, N: in.n, Array: array.MakeFromData(from.write(in))}
	}
	if v == nil {
		v = &col.Vec{Type: from.field.Type, Kind: kind}
	}
	v.Resize(in.n)
	if from.ptr {
		in = followed(in, v)
	}
	switch kind {
	case col.Bool:
		gather(v.Bools, &in)
	case col.Text: // a slice begins as a string does
		if from.kind == stringKind {
			gather(v.Texts, &in)
		} else {
			gatherBytes(v.Texts, &in)
		}
	case col.Float:
		if from.size == 8 {
			gather(v.Floats, &in)
		} else {
			widen[float64, float32](v.Floats, &in)
		}
	case col.Uint:
		gatherUints(v.Uints, from.size, &in)
	case col.Decimal:
		gather(v.Decimals, &in)
	default:
		if from.kind == timeKind {
			gatherTimes(v.Ints, &in)
		} else {
			gatherInts(v.Ints, from.size, &in)
		}
	}
	return v
}

// followed are the cells that those of in, pointers, point to. Where they are nil, v has a null and a zero value.
func followed(in cells, v *col.Vec) cells {
	out := cells{at: make([]unsafe.Pointer, in.n), listed: true, n: in.n}
	for i := range out.at {
		if p := in.cell(i); p != nil {
			out.at[i] = *(*unsafe.Pointer)(p)
		}
		if out.at[i] == nil {
			v.SetNull(i)
		}
	}
	return out
}

func gatherBytes(out []string, in *cells) {
	for i := range out {
		if p := in.cell(i); p != nil {
			h := (*header)(p)
			out[i] = unsafe.String((*byte)(h.data), h.len)
		}
	}
}

func gatherTimes(out []int64, in *cells) {
	for i := range out {
		if p := in.cell(i); p != nil {
			out[i] = (*time.Time)(p).UnixMicro()
		}
	}
}

func gatherInts(out []int64, size uintptr, in *cells) {
	switch size {
	case 1:
		widen[int64, int8](out, in)
	case 2:
		widen[int64, int16](out, in)
	case 4:
		widen[int64, int32](out, in)
	default:
		gather(out, in)
	}
}

func gatherUints(out []uint64, size uintptr, in *cells) {
	switch size {
	case 1:
		widen[uint64, uint8](out, in)
	case 2:
		widen[uint64, uint16](out, in)
	case 4:
		widen[uint64, uint32](out, in)
	default:
		gather(out, in)
	}
}

type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

func widen[W, N number](out []W, in *cells) {
	for i := range out {
		if p := in.cell(i); p != nil {
			out[i] = W(*(*N)(p))
		}
	}
}

// FromBatch is the rows of b that count as a new []T. The columns must be those of c: their types, and nulls only where a field may be nil (lists and maps
// have none: theirs are empty). Texts, and bytes, are those of the columns, not copies.
func (c *Codec) FromBatch(b *col.Batch) any {
	assert.True(len(b.Cols) == len(c.cols), "%d columns for %s, want %d", len(b.Cols), c.typ, len(c.cols))
	rows, out := c.extend(nil, b.Len())
	for i, to := range c.cols {
		fromVec(to, b.Cols[i], b.Sel, out.field(to.off))
	}
	return rows
}

// fromVec writes the values idx (nil: all) of v to the cells, whose memory is zero.
func fromVec(to *column, v *col.Vec, idx []int32, out cells) {
	if out.n == 0 {
		return
	}
	if v.Kind == col.Nested {
		to.read(whole(v.Take(idx).Arrow().Data()), out)
		return
	}
	if to.ptr {
		out = pointed(to, v, idx, out)
	}
	switch v.Kind {
	case col.Bool:
		spread(v.Bools, idx, &out)
	case col.Text:
		if to.kind == stringKind {
			spread(v.Texts, idx, &out)
		} else {
			spreadBytes(v.Texts, idx, &out)
		}
	case col.Float:
		if to.size == 8 {
			spread(v.Floats, idx, &out)
		} else {
			narrow[float32](v.Floats, idx, &out)
		}
	case col.Uint:
		spreadUints(v.Uints, to.size, idx, &out)
	case col.Decimal:
		spread(v.Decimals, idx, &out)
	default:
		if to.kind == timeKind {
			spreadTimes(v.Ints, idx, &out)
		} else {
			spreadInts(v.Ints, to.size, idx, &out)
		}
	}
}

// pointed allocates the values that are not null, points the cells to them and is the cells of the values.
func pointed(to *column, v *col.Vec, idx []int32, out cells) cells {
	valid := batch.Alloc((out.n + 7) / 8)
	nulls := 0
	for i := range out.n {
		if v.IsNull(rowAt(idx, i)) {
			nulls++
		} else {
			valid[i>>3] |= 1 << (i & 7)
		}
	}
	return point(source{data(arrow.FixedWidthTypes.Boolean, out.n, nulls, nil, valid, nil), 0, out.n}, out, to.typ)
}

// rowAt is where row i stands.
func rowAt(idx []int32, i int) int {
	if idx == nil {
		return i
	}
	return int(idx[i])
}

// spread writes the values idx (nil: all) to the cells.
func spread[T any](in []T, idx []int32, out *cells) {
	if idx == nil {
		scatter(in[:out.n], out)
		return
	}
	for i, j := range idx {
		if p := out.cell(i); p != nil {
			*(*T)(p) = in[j]
		}
	}
}

func narrow[N, W number](in []W, idx []int32, out *cells) {
	for i := range out.n {
		if p := out.cell(i); p != nil {
			*(*N)(p) = N(in[rowAt(idx, i)])
		}
	}
}

func spreadBytes(in []string, idx []int32, out *cells) {
	for i := range out.n {
		s := in[rowAt(idx, i)]
		if p := out.cell(i); p != nil && len(s) > 0 { // nil and empty are one (P24)
			*(*[]byte)(p) = unsafe.Slice(unsafe.StringData(s), len(s))
		}
	}
}

func spreadTimes(in []int64, idx []int32, out *cells) {
	for i := range out.n {
		if p := out.cell(i); p != nil {
			*(*time.Time)(p) = time.UnixMicro(in[rowAt(idx, i)]).UTC()
		}
	}
}

func spreadInts(in []int64, size uintptr, idx []int32, out *cells) {
	switch size {
	case 1:
		narrow[int8](in, idx, out)
	case 2:
		narrow[int16](in, idx, out)
	case 4:
		narrow[int32](in, idx, out)
	default:
		spread(in, idx, out)
	}
}

func spreadUints(in []uint64, size uintptr, idx []int32, out *cells) {
	switch size {
	case 1:
		narrow[uint8](in, idx, out)
	case 2:
		narrow[uint16](in, idx, out)
	case 4:
		narrow[uint32](in, idx, out)
	default:
		spread(in, idx, out)
	}
}
