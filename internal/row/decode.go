package row

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
)

// KeyRows decodes keys idx (nil: all) of k and appends them to dst, a []T or nil. Strings are copies.
// It is an error if an encoding is not one of this type.
func (c *Codec) KeyRows(k *Keys, idx []int32, dst any) (any, error) {
	assert.True(c.keyErr == nil, "keys of a type that may not be one: %v", c.keyErr)
	n := k.Len()
	if idx != nil {
		n = len(idx)
	}
	dst, out := c.extend(dst, n)
	texts := texts{}
	if c.keyWidth == 0 {
		texts.buf = make([]byte, 0, k.size(idx))
	}
	for i := range n {
		j := i
		if idx != nil {
			j = int(idx[i])
		}
		if err := c.decodeKey(k.Key(j), out.cell(i), &texts); err != nil {
			return nil, fmt.Errorf("key %d of type %s: %w", j, c.typ, err)
		}
	}
	return dst, nil
}

// size is the bytes of keys idx.
func (k *Keys) size(idx []int32) int {
	if idx == nil {
		return len(k.Data)
	}
	n := 0
	for _, i := range idx {
		n += len(k.Key(int(i)))
	}
	return n
}

// texts is memory for copies of strings: one allocation for many.
type texts struct{ buf []byte }

// copy is a copy of b. The buffer must have room; otherwise a new one is begun.
func (t *texts) copy(b []byte) []byte {
	if len(b) > cap(t.buf)-len(t.buf) {
		t.buf = make([]byte, 0, max(len(b), 4<<10))
	}
	at := len(t.buf)
	t.buf = append(t.buf, b...)
	return t.buf[at:len(t.buf):len(t.buf)]
}

// decodeKey writes the key with encoding b to the row at p.
func (c *Codec) decodeKey(b []byte, p unsafe.Pointer, t *texts) error {
	total := len(b)
	for _, part := range c.keys {
		q := unsafe.Add(p, part.off)
		size := part.size
		if part.null != nil {
			if len(b) <= size {
				return fmt.Errorf("an encoding of %d bytes ends too early", total)
			}
			if b[0] == 0 {
				b = b[1+size:]
				continue
			}
			b = b[1:]
			value := reflect.New(part.null).UnsafePointer()
			*(*unsafe.Pointer)(q) = value
			q = value
		}
		if size == 0 {
			size = len(b)
			if !c.textKey() {
				n, w := binary.Uvarint(b)
				if w <= 0 || n > uint64(len(b)-w) {
					return fmt.Errorf("an encoding of %d bytes ends too early", total)
				}
				b, size = b[w:], int(n)
			}
		}
		if size > len(b) {
			return fmt.Errorf("an encoding of %d bytes ends too early", total)
		}
		v := b[:size]
		b = b[size:]
		switch {
		case part.kind == stringKind:
			if v = t.copy(v); len(v) > 0 {
				*(*string)(q) = unsafe.String(unsafe.SliceData(v), len(v))
			}
		case part.kind == bytesKind:
			if len(v) > 0 {
				*(*[]byte)(q) = t.copy(v)
			}
		case part.kind == timeKind:
			*(*time.Time)(q) = time.UnixMicro(int64(binary.LittleEndian.Uint64(v))).UTC()
		case part.kind == boolKind:
			*(*bool)(q) = v[0] != 0
		case size == 1:
			*(*byte)(q) = v[0]
		case size == 2:
			*(*uint16)(q) = binary.LittleEndian.Uint16(v)
		case size == 4:
			*(*uint32)(q) = binary.LittleEndian.Uint32(v)
		case size == 16:
			copy(unsafe.Slice((*byte)(q), 16), v)
		default:
			*(*uint64)(q) = binary.LittleEndian.Uint64(v)
		}
	}
	if len(b) > 0 {
		return fmt.Errorf("an encoding of %d bytes has %d too many", total, len(b))
	}
	return nil
}

// KeyColumns decodes keys idx (nil: all) of k into columns.
func (c *Codec) KeyColumns(k *Keys, idx []int32) ([]arrow.Array, error) {
	if c.BareText() {
		return []arrow.Array{textColumn(c.cols[0].field.Type, k, idx)}, nil
	}
	if !c.flatKey() {
		return c.rowKeyColumns(k, idx)
	}
	vecs, err := c.KeyVecs(k, idx)
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(vecs))
	for i, v := range vecs {
		cols[i] = v.ToArray(nil)
	}
	return cols, nil
}

// rowKeyColumns is KeyColumns by way of rows.
func (c *Codec) rowKeyColumns(k *Keys, idx []int32) ([]arrow.Array, error) {
	rows, err := c.KeyRows(k, idx, nil)
	if err != nil {
		return nil, err
	}
	return c.Columns(rows, nil), nil
}
