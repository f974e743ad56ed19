package col

import (
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
)

// Piece is rows of a batch: those of the numbers Rows among the rows that count; nil: all of these.
type Piece struct {
	Batch *Batch
	Rows  []int32
}

// Gather is the rows of pieces, one behind the other, as a record of a schema, whose columns all of them have. The record shares no memory with the pieces, nested columns
// apart, and is what batch.Concat makes of their Arrays, with one copy in place of two.
func Gather(schema *arrow.Schema, pieces []Piece) arrow.Record {
	g := gathering{vecs: make([]*Vec, len(pieces)), rows: make([][]int32, len(pieces))}
	for i, p := range pieces {
		g.rows[i] = p.Batch.physical(p.Rows)
		if g.rows[i] == nil {
			g.n += p.Batch.N
		}
		g.n += len(g.rows[i])
	}
	cols := make([]arrow.Array, schema.NumFields())
	for c := range cols {
		for i, p := range pieces {
			g.vecs[i] = p.Batch.Cols[c]
		}
		cols[c] = g.array(schema.Field(c).Type)
	}
	return array.NewRecord(schema, cols, int64(g.n))
}

// gathering is one column's way into one array.
type gathering struct {
	vecs []*Vec    // by piece
	rows [][]int32 // by piece: physical rows; nil: all
	n    int
}

func (g *gathering) array(t arrow.DataType) arrow.Array {
	kind, _ := KindOf(t)
	if kind == Nested {
		return g.nested(t)
	}
	valid, nulls := g.validity()
	var bufs [][]byte
	switch kind {
	case Bool:
		bufs = [][]byte{g.bits()}
	case Text:
		offs, data := g.texts()
		bufs = [][]byte{offs, data}
	case Decimal:
		bufs = [][]byte{packed(g, func(v *Vec) []decimal128.Num { return v.Decimals })}
	default:
		bufs = [][]byte{g.numbers(t)}
	}
	return array.MakeFromData(array.NewData(t, g.n, buffers(valid, bufs), nil, nulls, 0))
}

// nested joins lists, structs and maps as Arrow has them.
func (g *gathering) nested(t arrow.DataType) arrow.Array {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: t, Nullable: true}}, nil)
	recs := make([]arrow.Record, len(g.vecs))
	for i, v := range g.vecs {
		a := v.ToArray(g.rows[i])
		recs[i] = array.NewRecord(schema, []arrow.Array{a}, int64(a.Len()))
	}
	if len(recs) == 0 {
		return empty(t, 0)
	}
	return batch.Concat(recs).Column(0)
}

// each calls f with runs of rows: of piece i, numbers idx, nil for its first n rows.
func (g *gathering) each(f func(v *Vec, idx []int32, n int)) {
	for i, v := range g.vecs {
		if idx := g.rows[i]; idx != nil {
			f(v, idx, len(idx))
		} else {
			f(v, nil, v.N)
		}
	}
}

func (g *gathering) validity() (valid []byte, nulls int) {
	some := false
	for _, v := range g.vecs {
		some = some || v.Null != nil
	}
	if !some {
		return nil, 0
	}
	valid = batch.Alloc((g.n + 7) / 8)
	at := 0
	g.each(func(v *Vec, idx []int32, n int) {
		for k := range n {
			j := k
			if idx != nil {
				j = int(idx[k])
			}
			if v.Null != nil && v.Null[j] {
				nulls++
			} else {
				valid[at>>3] |= 1 << (at & 7)
			}
			at++
		}
	})
	if nulls == 0 {
		return nil, 0
	}
	return valid, nulls
}

func (g *gathering) bits() []byte {
	out := batch.Alloc((g.n + 7) / 8)
	at := 0
	g.each(func(v *Vec, idx []int32, n int) {
		for k := range n {
			j := k
			if idx != nil {
				j = int(idx[k])
			}
			if v.Bools[j] {
				out[at>>3] |= 1 << (at & 7)
			}
			at++
		}
	})
	return out
}

// texts are the strings one after another, with their offsets.
func (g *gathering) texts() (offs, data []byte) {
	size := 0
	g.each(func(v *Vec, idx []int32, n int) {
		if idx == nil {
			for _, s := range v.Texts[:n] {
				size += len(s)
			}
			return
		}
		for _, j := range idx {
			size += len(v.Texts[j])
		}
	})
	assert.True(size <= math.MaxInt32, "a column of %d bytes of text in one batch passes the limit of 2 GiB", size)
	offs, data = batch.Alloc(4*(g.n+1)), batch.Alloc(size)
	ends := batch.As[int32](offs)[1:]
	at, row := 0, 0
	g.each(func(v *Vec, idx []int32, n int) {
		to := ends[row : row+n]
		row += n
		if idx == nil {
			for i, s := range v.Texts[:n] {
				at += copy(data[at:], s)
				to[i] = int32(at)
			}
			return
		}
		for i, j := range idx {
			at += copy(data[at:], v.Texts[j])
			to[i] = int32(at)
		}
	})
	return offs, data
}

// numbers are numbers at the width of a type.
func (g *gathering) numbers(t arrow.DataType) []byte {
	ints := func(v *Vec) []int64 { return v.Ints }
	uints := func(v *Vec) []uint64 { return v.Uints }
	floats := func(v *Vec) []float64 { return v.Floats }
	switch t.ID() {
	case arrow.INT8:
		return narrowed[int8](g, ints)
	case arrow.INT16:
		return narrowed[int16](g, ints)
	case arrow.INT32:
		return narrowed[int32](g, ints)
	case arrow.UINT8:
		return narrowed[uint8](g, uints)
	case arrow.UINT16:
		return narrowed[uint16](g, uints)
	case arrow.UINT32:
		return narrowed[uint32](g, uints)
	case arrow.UINT64:
		return packed(g, uints)
	case arrow.FLOAT32:
		return narrowed[float32](g, floats)
	case arrow.FLOAT64:
		return packed(g, floats)
	}
	return packed(g, ints)
}

// packed are the values of a column as they are in memory.
func packed[T any](g *gathering, of func(*Vec) []T) []byte {
	buf := batch.Alloc(g.n * int(unsafe.Sizeof(*new(T))))
	out := batch.As[T](buf)
	g.each(func(v *Vec, idx []int32, n int) {
		if idx == nil {
			copy(out, of(v)[:n])
		} else {
			gather(out, of(v), idx)
		}
		out = out[n:]
	})
	return buf
}

// narrowed are numbers of type W as those of type N.
func narrowed[N, W number](g *gathering, of func(*Vec) []W) []byte {
	buf := batch.Alloc(g.n * int(unsafe.Sizeof(*new(N))))
	out := batch.As[N](buf)
	g.each(func(v *Vec, idx []int32, n int) {
		in := of(v)
		for k := range n {
			j := k
			if idx != nil {
				j = int(idx[k])
			}
			out[k] = N(in[j])
		}
		out = out[n:]
	})
	return buf
}
