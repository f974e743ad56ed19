package row

import (
	"encoding/binary"
	"reflect"
	"time"
	"unsafe"

	"github.com/millrace/millrace/internal/assert"
)

// leaf is a value within a row that is packed as one: not a struct, unless it may be null.
type leaf struct {
	col  *column
	off  uintptr // in the row
	form packing
}

// packing is how a leaf is packed.
type packing uint8

const (
	encoded  packing = iota // as in a Vectors' arena
	signed                  // zigzag varint
	unsigned                // uvarint
	micros                  // a time, as a signed
)

func packLeaves(list []leaf, col *column, off uintptr) []leaf {
	if col.kind == structKind && !col.ptr {
		for _, kid := range col.kids {
			list = packLeaves(list, kid, off+kid.off)
		}
		return list
	}
	l := leaf{col: col, off: off}
	switch {
	case col.ptr:
	case col.kind == timeKind:
		l.form = micros
	case col.kind == fixedKind && col.size > 1:
		switch col.typ.Kind() {
		case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
			l.form = signed
		case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			l.form = unsigned
		}
	}
	return append(list, l)
}

// Pack appends rows idx (nil: all) of rows, a []T, to b in few bytes: column by column, integers and times as varints, everything else as it is
// encoded in state. Unpack takes it back.
func (c *Codec) Pack(b []byte, rows any, idx []int32) []byte {
	in := c.cells(rows, idx)
	for i := range c.packed {
		b = c.packed[i].pack(b, in)
	}
	return b
}

func (l *leaf) pack(b []byte, in cells) []byte {
	in = in.field(l.off)
	switch {
	case l.form == signed && l.col.size == 8:
		for i := range in.n {
			b = binary.AppendVarint(b, *(*int64)(in.cell(i)))
		}
	case l.form == encoded:
		for i := range in.n {
			b = l.col.encode(b, in.cell(i))
		}
	default:
		for i := range in.n {
			b = l.packOne(b, in.cell(i))
		}
	}
	return b
}

func (l *leaf) packOne(b []byte, p unsafe.Pointer) []byte {
	switch {
	case l.form == micros:
		return binary.AppendVarint(b, (*time.Time)(p).UnixMicro())
	case l.form == signed && l.col.size == 2:
		return binary.AppendVarint(b, int64(*(*int16)(p)))
	case l.form == signed:
		return binary.AppendVarint(b, int64(*(*int32)(p)))
	case l.col.size == 2:
		return binary.AppendUvarint(b, uint64(*(*uint16)(p)))
	case l.col.size == 4:
		return binary.AppendUvarint(b, uint64(*(*uint32)(p)))
	}
	return binary.AppendUvarint(b, *(*uint64)(p))
}

// Unpack appends n packed rows to dst, a []T or nil, and is the rest of b behind them. Strings alias b. Bytes that are not n packed
// rows are an error, or other rows.
func (c *Codec) Unpack(b []byte, n int, dst any) (_ any, rest []byte, err error) {
	if n > len(b) { // no row takes less than a byte
		return nil, nil, errEncoding
	}
	dst, out := c.extend(dst, n)
	for i := range c.packed {
		if b, err = c.packed[i].unpack(b, out); err != nil {
			return nil, nil, err
		}
	}
	return dst, b, nil
}

func (l *leaf) unpack(b []byte, out cells) ([]byte, error) {
	out = out.field(l.off)
	var err error
	for i := range out.n {
		p := out.cell(i)
		if l.form == encoded {
			if b, err = l.col.decode(b, p); err != nil {
				return nil, err
			}
			continue
		}
		u, w := binary.Uvarint(b)
		if w <= 0 {
			return nil, errEncoding
		}
		b = b[w:]
		if l.form != unsigned {
			u = u>>1 ^ -(u & 1) // zigzag
		}
		l.put(p, u)
	}
	return b, nil
}

// put stores an integer; what a foreign encoding has too much is cut off.
func (l *leaf) put(p unsafe.Pointer, u uint64) {
	switch {
	case l.form == micros:
		*(*time.Time)(p) = time.UnixMicro(int64(u)).UTC()
	case l.col.size == 8:
		*(*uint64)(p) = u
	case l.col.size == 4:
		*(*uint32)(p) = uint32(u)
	default:
		assert.True(l.col.size == 2, "an integer of %d bytes is packed", l.col.size)
		*(*uint16)(p) = uint16(u)
	}
}

// PackKeys appends keys idx (nil: all) of k, which are of type c, in few bytes.
func (c *Codec) PackKeys(b []byte, k *Keys, idx []int32) []byte {
	n := k.Len()
	if idx != nil {
		n = len(idx)
	}
	for i := range n {
		if idx != nil {
			i = int(idx[i])
		}
		key := k.Key(i)
		if c.keyWidth == 0 {
			b = binary.AppendUvarint(b, uint64(len(key)))
		}
		b = append(b, key...)
	}
	return b
}

// UnpackKeys appends n packed keys to k and is the rest of b behind them. Whether they are encodings of the type is not checked.
func (c *Codec) UnpackKeys(b []byte, n int, k *Keys) (rest []byte, err error) {
	if n > len(b) { // no key takes less than a byte
		return nil, errEncoding
	}
	c.begin(k, n)
	for range n {
		size := uint64(c.keyWidth)
		if size == 0 {
			var w int
			if size, w = binary.Uvarint(b); w <= 0 {
				return nil, errEncoding
			}
			b = b[w:]
		}
		if size > uint64(len(b)) {
			return nil, errEncoding
		}
		k.Append(b[:size])
		b = b[size:]
	}
	return b, nil
}
