package col

import (
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
)

// FromArray is an Arrow array as a column. 64-bit numbers and text alias its memory.
func FromArray(a arrow.Array) *Vec {
	kind, ok := KindOf(a.DataType())
	assert.True(ok, "no column holds %s", a.DataType())
	v := &Vec{Type: a.DataType(), Kind: kind, N: a.Len()}
	if kind == Nested {
		v.Array = a
		return v
	}
	if a.NullN() > 0 {
		v.Null = make([]bool, v.N)
		for i := range v.Null {
			v.Null[i] = a.IsNull(i)
		}
	}
	switch kind {
	case Bool:
		b := a.(*array.Boolean)
		v.Bools = make([]bool, v.N)
		for i := range v.Bools {
			v.Bools[i] = b.Value(i)
		}
	case Text:
		v.Texts = texts(a.Data())
	case Decimal:
		v.Decimals = raw[decimal128.Num](a.Data())
	default:
		v.numbers(a.Data())
	}
	v.zeroNulls()
	return v
}

// raw are an array's fixed-width values in its own memory.
func raw[T any](d arrow.ArrayData) []T {
	if d.Len() == 0 {
		return nil
	}
	return batch.As[T](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()]
}

func (v *Vec) numbers(d arrow.ArrayData) {
	switch v.Type.ID() {
	case arrow.INT8:
		v.Ints = widened[int64](raw[int8](d))
	case arrow.INT16:
		v.Ints = widened[int64](raw[int16](d))
	case arrow.INT32:
		v.Ints = widened[int64](raw[int32](d))
	case arrow.INT64, arrow.TIMESTAMP:
		v.Ints = raw[int64](d)
	case arrow.UINT8:
		v.Uints = widened[uint64](raw[uint8](d))
	case arrow.UINT16:
		v.Uints = widened[uint64](raw[uint16](d))
	case arrow.UINT32:
		v.Uints = widened[uint64](raw[uint32](d))
	case arrow.UINT64:
		v.Uints = raw[uint64](d)
	case arrow.FLOAT32:
		v.Floats = widened[float64](raw[float32](d))
	default:
		v.Floats = raw[float64](d)
	}
}

type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

func widened[W, N number](in []N) []W {
	out := make([]W, len(in))
	for i, n := range in {
		out[i] = W(n)
	}
	return out
}

// zeroNulls makes what lies under nulls zero; memory of others is copied first.
func (v *Vec) zeroNulls() {
	if v.Null == nil {
		return
	}
	switch v.Kind {
	case Bool:
		v.Bools = cleared(v.Bools, v.Null)
	case Int:
		v.Ints = cleared(v.Ints, v.Null)
	case Uint:
		v.Uints = cleared(v.Uints, v.Null)
	case Float:
		v.Floats = cleared(v.Floats, v.Null)
	case Text:
		v.Texts = cleared(v.Texts, v.Null)
	case Decimal:
		v.Decimals = cleared(v.Decimals, v.Null)
	}
}

func cleared[T any](in []T, null []bool) []T {
	out := slices.Clone(in[:len(null)])
	clearUnder(out, null)
	return out
}

// texts are an array's strings, in its own memory.
func texts(d arrow.ArrayData) []string {
	out := make([]string, d.Len())
	if d.Len() == 0 {
		return out
	}
	offs := batch.As[int32](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()+1]
	var data []byte
	if b := d.Buffers()[2]; b != nil {
		data = b.Bytes()
	}
	if len(data) == 0 {
		return out
	}
	for i := range out {
		if n := offs[i+1] - offs[i]; n > 0 {
			out[i] = unsafe.String(&data[offs[i]], int(n))
		}
	}
	return out
}

func takeArray(a arrow.Array, idx []int32) arrow.Array {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: a.DataType(), Nullable: true}}, nil)
	return batch.Take(array.NewRecord(schema, []arrow.Array{a}, int64(a.Len())), idx).Column(0)
}

// ToArray is values idx of v (nil: all) as an Arrow array of v.Type. It shares no memory with v, unless v is nested.
func (v *Vec) ToArray(idx []int32) arrow.Array {
	n := v.N
	if idx != nil {
		n = len(idx)
	}
	if v.Kind == Nested {
		if idx == nil {
			return v.Arrow()
		}
		return v.Take(idx).Arrow()
	}
	valid, nulls := v.validity(idx, n)
	var bufs [][]byte
	switch v.Kind {
	case Bool:
		bufs = [][]byte{bitsOf(v.Bools, idx, n)}
	case Text:
		offs, b := join(v.Texts, idx, n)
		bufs = [][]byte{offs, b}
	case Decimal:
		bufs = [][]byte{copied(v.Decimals, idx, n)}
	default:
		bufs = [][]byte{v.narrow(idx, n)}
	}
	return array.MakeFromData(array.NewData(v.Type, n, buffers(valid, bufs), nil, nulls, 0))
}

func buffers(valid []byte, bufs [][]byte) []*memory.Buffer {
	out := make([]*memory.Buffer, 1+len(bufs))
	if valid != nil {
		out[0] = memory.NewBufferBytes(valid)
	}
	for i, b := range bufs {
		out[i+1] = memory.NewBufferBytes(b)
	}
	return out
}

// validity is the bitmap of values that are not null, nil if all are.
func (v *Vec) validity(idx []int32, n int) (valid []byte, nulls int) {
	if v.Null == nil {
		return nil, 0
	}
	valid = batch.Alloc((n + 7) / 8)
	for i := range n {
		j := i
		if idx != nil {
			j = int(idx[i])
		}
		if v.Null[j] {
			nulls++
		} else {
			valid[i>>3] |= 1 << (i & 7)
		}
	}
	if nulls == 0 {
		return nil, 0
	}
	return valid, nulls
}

func bitsOf(in []bool, idx []int32, n int) []byte {
	out := batch.Alloc((n + 7) / 8)
	for i := range n {
		j := i
		if idx != nil {
			j = int(idx[i])
		}
		if in[j] {
			out[i>>3] |= 1 << (i & 7)
		}
	}
	return out
}

// narrow is the numbers at the width of v's type.
func (v *Vec) narrow(idx []int32, n int) []byte {
	switch v.Type.ID() {
	case arrow.INT8:
		return converted[int8](v.Ints, idx, n)
	case arrow.INT16:
		return converted[int16](v.Ints, idx, n)
	case arrow.INT32:
		return converted[int32](v.Ints, idx, n)
	case arrow.UINT8:
		return converted[uint8](v.Uints, idx, n)
	case arrow.UINT16:
		return converted[uint16](v.Uints, idx, n)
	case arrow.UINT32:
		return converted[uint32](v.Uints, idx, n)
	case arrow.FLOAT32:
		return converted[float32](v.Floats, idx, n)
	}
	switch v.Kind {
	case Int:
		return copied(v.Ints, idx, n)
	case Uint:
		return copied(v.Uints, idx, n)
	}
	return copied(v.Floats, idx, n)
}

func converted[N, W number](in []W, idx []int32, n int) []byte {
	buf := batch.Alloc(n * int(unsafe.Sizeof(*new(N))))
	out := batch.As[N](buf)
	if idx == nil {
		for i, w := range in[:n] {
			out[i] = N(w)
		}
		return buf
	}
	for i, j := range idx {
		out[i] = N(in[j])
	}
	return buf
}

func copied[T any](in []T, idx []int32, n int) []byte {
	buf := batch.Alloc(n * int(unsafe.Sizeof(*new(T))))
	out := batch.As[T](buf)
	if idx == nil {
		copy(out, in[:n])
		return buf
	}
	for i, j := range idx {
		out[i] = in[j]
	}
	return buf
}

// join is strings one after another with their offsets.
func join(in []string, idx []int32, n int) (offs, data []byte) {
	size := 0
	for i := range n {
		j := i
		if idx != nil {
			j = int(idx[i])
		}
		size += len(in[j])
	}
	assert.True(size <= math.MaxInt32, "a column of %d bytes of text in one batch passes the limit of 2 GiB", size)
	offs = batch.Alloc(4 * (n + 1))
	ends := batch.As[int32](offs)
	data = batch.Alloc(size)
	at := 0
	for i := range n {
		j := i
		if idx != nil {
			j = int(idx[i])
		}
		at += copy(data[at:], in[j])
		ends[i+1] = int32(at)
	}
	return offs, data
}
