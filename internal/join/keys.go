package join

import (
	"encoding/binary"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// Keys computes and encodes the keys of batches, for one task.
type Keys struct {
	row.Keys
	evals []*expr.Eval
	null  []bool
	buf   []byte
}

// NewKeys is a Keys for the given parts of keys.
func NewKeys(parts []*expr.Bound) *Keys {
	k := &Keys{evals: make([]*expr.Eval, len(parts))}
	for i, p := range parts {
		k.evals[i] = p.Eval()
	}
	return k
}

// Read encodes the keys of the rows of b, which must be dense, in place of those before. null tells which have a null in them, nil if none has: what is encoded for them
// is the key with zero in place of null.
func (k *Keys) Read(b *col.Batch) (null []bool) {
	assert.True(b.Sel == nil, "keys of a batch that is not dense")
	k.Reset()
	k.Reserve(b.N, 0)
	vecs := make([]*col.Vec, len(k.evals))
	for i, e := range k.evals {
		vecs[i] = e.Vec(b)
		if n := vecs[i].Null; n != nil {
			null = k.mark(null, n[:b.N])
		}
	}
	if len(vecs) == 1 && vecs[0].Kind == col.Text {
		for _, t := range vecs[0].Texts[:b.N] {
			k.Append(unsafe.Slice(unsafe.StringData(t), len(t)))
		}
		return null
	}
	for i := range b.N {
		k.buf = k.buf[:0]
		for _, v := range vecs {
			k.buf = appendKey(k.buf, v, i)
		}
		k.Append(k.buf)
	}
	return null
}

// mark adds the nulls of one part to those of the key.
func (k *Keys) mark(all, part []bool) []bool {
	if all == nil {
		k.null = append(k.null[:0], part...)
		return k.null
	}
	for i, n := range part {
		all[i] = all[i] || n
	}
	return all
}

// appendKey encodes one part of a key, as row.Codec does with keys of several columns.
func appendKey(b []byte, v *col.Vec, i int) []byte {
	switch v.Kind {
	case col.Text:
		b = binary.AppendUvarint(b, uint64(len(v.Texts[i])))
		return append(b, v.Texts[i]...)
	case col.Bool:
		if v.Bools[i] {
			return append(b, 1)
		}
		return append(b, 0)
	}
	n := uint64(0)
	if v.Kind == col.Int {
		n = uint64(v.Ints[i])
	} else {
		n = v.Uints[i]
	}
	switch v.Type.(arrow.FixedWidthDataType).BitWidth() {
	case 8:
		return append(b, byte(n))
	case 16:
		return binary.LittleEndian.AppendUint16(b, uint16(n))
	case 32:
		return binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return binary.LittleEndian.AppendUint64(b, n)
}
