package batch

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"github.com/millrace/millrace/internal/assert"
)

// canon collects the canonical form of columns: what is the same for equal rows however they lie in memory (I2).
//
//	head  per column, depth first: number of nulls; for text its bytes, for a list its elements (uvarints)
//	bufs  per column, depth first: validity if it has nulls; offsets from 0; values, zero where null
//
// Buffers alias the record's memory where that is canonical already.
type canon struct {
	head []byte
	bufs [][]byte
}

// add adds a column. Rows whose bit in mask is 0 (nil: none) lie in a null struct and are as good as null themselves.
func (c *canon) add(v view, f arrow.Field, mask []byte) {
	valid := validity(v)
	if mask != nil {
		valid = and(valid, mask)
	}
	if valid != nil && bitutil.CountSetBits(valid, 0, v.n) == v.n {
		valid = nil
	}
	if f.Nullable && valid != nil {
		c.head = binary.AppendUvarint(c.head, uint64(v.n-bitutil.CountSetBits(valid, 0, v.n)))
		c.bufs = append(c.bufs, valid)
	} else {
		assert.True(f.Nullable || v.nulls() == 0 || mask != nil, "column %s has nulls but is not nullable", f.Name)
		c.head = append(c.head, 0)
	}
	s, width := shapeOf(f.Type)
	switch s {
	case bits:
		c.bits(v, valid)
	case fixed:
		c.fixed(v, valid, width)
	case text:
		offs, lo, hi, whole := offsetsFromZero(v, valid)
		c.head = binary.AppendUvarint(c.head, uint64(hi-lo))
		c.bufs = append(c.bufs, offs)
		if whole {
			c.bufs = append(c.bufs, v.buf(2)[lo:hi])
		} else {
			c.bufs = append(c.bufs, validText(v, valid, int(hi-lo)))
		}
	case list:
		offs, lo, hi, whole := offsetsFromZero(v, valid)
		elems := v.elems(lo, hi)
		if !whole {
			elems = viewOf(takeView(v.elems(0, 0).whole(), validElems(v, valid)))
		}
		c.head = binary.AppendUvarint(c.head, uint64(elems.n))
		c.bufs = append(c.bufs, offs)
		c.add(elems, fieldsOf(f.Type)[0], nil)
	case nested:
		for i, k := range fieldsOf(f.Type) {
			c.add(v.field(i), k, valid)
		}
	default:
		assert.True(false, "column %s: type %s in a record batch", f.Name, f.Type)
	}
}

// whole widens a view to its whole array.
func (v view) whole() view { return viewOf(v.data) }

func (c *canon) bits(v view, valid []byte) {
	b := bitsOf(v.buf(1), v.off, v.n)
	if valid != nil {
		b = and(b, valid)
	}
	c.bufs = append(c.bufs, b)
}

func (c *canon) fixed(v view, valid []byte, width int) {
	var b []byte
	if v.n > 0 {
		b = v.buf(1)[v.off*width : (v.off+v.n)*width]
	}
	if valid != nil {
		b = zeroNulls(b, valid, width)
	}
	c.bufs = append(c.bufs, b)
}

// zeroNulls is b, or a copy of it, with zero bytes where valid is 0.
func zeroNulls(b, valid []byte, width int) []byte {
	own := false
	for i := 0; i < len(b)/width; i++ {
		if bitutil.BitIsSet(valid, i) || allZero(b[i*width:(i+1)*width]) {
			continue
		}
		if !own {
			b, own = append(Alloc(0), b...), true
		}
		clear(b[i*width : (i+1)*width])
	}
	return b
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// validity is v's null bitmap from bit 0, with zero bits behind the end; nil if there are no nulls.
func validity(v view) []byte {
	if v.nulls() == 0 {
		return nil
	}
	return bitsOf(v.buf(0), v.off, v.n)
}

// bitsOf is bits [off, off+n) of b from bit 0, with zero bits behind the end. It is a part of b if that is so in b.
func bitsOf(b []byte, off, n int) []byte {
	if n == 0 {
		return nil
	}
	size := (n + 7) / 8
	if off%8 == 0 {
		part := b[off/8 : off/8+size]
		if n%8 == 0 || part[size-1]>>(n%8) == 0 {
			return part
		}
	}
	out := Alloc(size)
	bitutil.CopyBitmap(b, off, n, out, 0)
	if n%8 != 0 {
		out[size-1] &= 1<<(n%8) - 1
	}
	return out
}

// and is the intersection of two bitmaps of one length; nil stands for all ones.
func and(a, b []byte) []byte {
	if a == nil {
		return b
	}
	out := Alloc(len(a))
	for i := range out {
		out[i] = a[i] & b[i]
	}
	return out
}

// offsetsFromZero are v's offsets, moved so that the first is 0, of values [lo, hi). whole is false if a null row has
// values: then they are left out of the offsets, and hi-lo is the size of the rest.
func offsetsFromZero(v view, valid []byte) (offs []byte, lo, hi int32, whole bool) {
	if v.n == 0 {
		return nil, 0, 0, true
	}
	in := v.offsets()
	lo, hi, whole = in[0], in[v.n], true
	if valid != nil {
		for i := range v.n {
			whole = whole && (bitutil.BitIsSet(valid, i) || in[i] == in[i+1])
		}
	}
	if lo == 0 && whole {
		return v.buf(1)[v.off*4 : (v.off+v.n+1)*4], lo, hi, true
	}
	offs = Alloc(4 * (v.n + 1))
	out, at := As[int32](offs), int32(0)
	for i := range v.n {
		if valid == nil || bitutil.BitIsSet(valid, i) {
			at += in[i+1] - in[i]
		}
		out[i+1] = at
	}
	if !whole {
		return offs, 0, at, false
	}
	return offs, lo, hi, true
}

// validText is the bytes of the rows that are not null.
func validText(v view, valid []byte, size int) []byte {
	out, offs, data := Alloc(size)[:0], v.offsets(), v.buf(2)
	for i := range v.n {
		if bitutil.BitIsSet(valid, i) {
			out = append(out, data[offs[i]:offs[i+1]]...)
		}
	}
	return out
}

// validElems are the numbers of the elements of the rows that are not null.
func validElems(v view, valid []byte) []int32 {
	var idx []int32
	offs := v.offsets()
	for i := range v.n {
		if bitutil.BitIsSet(valid, i) {
			for e := offs[i]; e < offs[i+1]; e++ {
				idx = append(idx, e)
			}
		}
	}
	return idx
}
