package plugins

import (
	"bytes"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
)

// owned is an array whose texts are a copy. Record batches that operators are given lie in memory that is used again when the call returns, and Go values that are made
// of columns have strings and bytes that point into them: users may keep those.
func owned(a arrow.Array) arrow.Array {
	if !hasText(a.DataType()) || a.Len() == 0 {
		return a
	}
	return array.MakeFromData(ownedData(a.Data()))
}

func hasText(t arrow.DataType) bool {
	switch t := t.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return true
	case *arrow.MapType:
		return true
	case *arrow.ListType:
		return hasText(t.Elem())
	case *arrow.StructType:
		for _, f := range t.Fields() {
			if hasText(f.Type) {
				return true
			}
		}
	}
	return false
}

func ownedData(d arrow.ArrayData) arrow.ArrayData {
	bufs := d.Buffers()
	if id := d.DataType().ID(); id == arrow.STRING || id == arrow.BINARY {
		return ownedText(d)
	}
	kids := make([]arrow.ArrayData, len(d.Children()))
	for i, k := range d.Children() {
		if kids[i] = k; hasText(k.DataType()) && k.Len() > 0 {
			kids[i] = ownedData(k)
		}
	}
	return array.NewData(d.DataType(), d.Len(), bufs, kids, d.NullN(), d.Offset())
}

// ownedText copies the bytes of text, and not those around that of a slice.
func ownedText(d arrow.ArrayData) arrow.ArrayData {
	bufs, n, off := d.Buffers(), d.Len(), d.Offset()
	offs := batch.As[int32](bufs[1].Bytes())[off : off+n+1]
	lo, hi := offs[0], offs[n]
	if lo == hi {
		return d
	}
	text := memory.NewBufferBytes(bytes.Clone(bufs[2].Bytes()[lo:hi]))
	if lo == 0 {
		return array.NewData(d.DataType(), n, []*memory.Buffer{bufs[0], bufs[1], text}, nil, d.NullN(), off)
	}
	from := batch.Alloc(4 * (n + 1))
	for i, o := range offs {
		batch.As[int32](from)[i] = o - lo
	}
	var valid *memory.Buffer
	if bufs[0] != nil && d.NullN() != 0 {
		bits := batch.Alloc((n + 7) / 8)
		bitutil.CopyBitmap(bufs[0].Bytes(), off, n, bits, 0)
		valid = memory.NewBufferBytes(bits)
	}
	return array.NewData(d.DataType(), n, []*memory.Buffer{valid, memory.NewBufferBytes(from), text}, nil, d.NullN(), 0)
}
