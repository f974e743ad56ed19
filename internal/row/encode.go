package row

import (
	"encoding/binary"
	"errors"
	"reflect"
	"time"
	"unsafe"
)

// Values that Vectors keep as bytes: lists, maps and nullable structs, and the images of rows.
//
//	scalar          its little-endian bytes
//	string, []byte  uvarint length, bytes
//	nullable        0, or 1 and the value
//	struct          its fields
//	list, map       uvarint length, elements or sorted entries

// encode appends the encoding of the value at p.
func (col *column) encode(b []byte, p unsafe.Pointer) []byte {
	if col.ptr {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return append(b, 0)
		}
		b = append(b, 1)
	}
	switch col.kind {
	case boolKind, fixedKind:
		return append(b, unsafe.Slice((*byte)(p), col.size)...)
	case timeKind:
		return binary.LittleEndian.AppendUint64(b, uint64((*time.Time)(p).UnixMicro()))
	case stringKind, bytesKind:
		t := (*text)(p) // a slice begins as a string does
		b = binary.AppendUvarint(b, uint64(t.len))
		if t.len > 0 {
			b = append(b, unsafe.Slice((*byte)(t.data), t.len)...)
		}
		return b
	case structKind:
		for _, kid := range col.kids {
			b = kid.encode(b, unsafe.Add(p, kid.off))
		}
		return b
	case listKind:
		h := (*header)(p)
		b = binary.AppendUvarint(b, uint64(h.len))
		for i := range h.len {
			b = col.kids[0].encode(b, unsafe.Add(h.data, uintptr(i)*col.typ.Elem().Size()))
		}
		return b
	}
	m := reflect.NewAt(col.typ, p).Elem()
	b = binary.AppendUvarint(b, uint64(m.Len()))
	entry := [2]reflect.Value{reflect.New(col.typ.Key()), reflect.New(col.typ.Elem())}
	for _, k := range sortedKeys(m) {
		entry[0].Elem().Set(k)
		entry[1].Elem().Set(m.MapIndex(k))
		b = col.kids[0].encode(b, entry[0].UnsafePointer())
		b = col.kids[1].encode(b, entry[1].UnsafePointer())
	}
	return b
}

var errEncoding = errors.New("an encoded value ends too early")

// decode reads a value into the zero memory at p and is the rest of b. Strings alias b.
func (col *column) decode(b []byte, p unsafe.Pointer) ([]byte, error) {
	if col.ptr {
		if len(b) == 0 {
			return nil, errEncoding
		}
		null := b[0] == 0
		if b = b[1:]; null {
			return b, nil
		}
		q := reflect.New(col.typ).UnsafePointer()
		*(*unsafe.Pointer)(p) = q
		p = q
	}
	var n int
	switch col.kind {
	case boolKind, fixedKind:
		n = int(col.size)
	case timeKind:
		n = 8
	case structKind:
		var err error
		for _, kid := range col.kids {
			if b, err = kid.decode(b, unsafe.Add(p, kid.off)); err != nil {
				return nil, err
			}
		}
		return b, nil
	default:
		u, w := binary.Uvarint(b)
		if w <= 0 || u > uint64(len(b)-w) { // no element takes less than a byte
			return nil, errEncoding
		}
		n, b = int(u), b[w:]
	}
	switch col.kind {
	case listKind:
		return col.decodeList(b, p, n)
	case mapKind:
		return col.decodeMap(b, p, n)
	}
	if n > len(b) {
		return nil, errEncoding
	}
	col.decodeScalar(b[:n:n], p)
	return b[n:], nil
}

func (col *column) decodeScalar(v []byte, p unsafe.Pointer) {
	switch {
	case col.kind == timeKind:
		*(*time.Time)(p) = time.UnixMicro(int64(binary.LittleEndian.Uint64(v))).UTC()
	case col.kind == boolKind:
		*(*bool)(p) = v[0] != 0
	case col.kind == fixedKind:
		copy(unsafe.Slice((*byte)(p), col.size), v)
	case len(v) == 0:
	case col.kind == stringKind:
		*(*string)(p) = unsafe.String(unsafe.SliceData(v), len(v))
	default:
		*(*[]byte)(p) = v
	}
}

func (col *column) decodeList(b []byte, p unsafe.Pointer, n int) ([]byte, error) {
	if n == 0 {
		return b, nil
	}
	var err error
	slab, size := reflect.MakeSlice(col.typ, n, n).UnsafePointer(), col.typ.Elem().Size()
	for i := range n {
		if b, err = col.kids[0].decode(b, unsafe.Add(slab, uintptr(i)*size)); err != nil {
			return nil, err
		}
	}
	*(*header)(p) = header{slab, n, n}
	return b, nil
}

func (col *column) decodeMap(b []byte, p unsafe.Pointer, n int) ([]byte, error) {
	if n == 0 {
		return b, nil
	}
	var err error
	m := reflect.MakeMapWithSize(col.typ, n)
	for range n {
		k, v := reflect.New(col.typ.Key()), reflect.New(col.typ.Elem())
		if b, err = col.kids[0].decode(b, k.UnsafePointer()); err != nil {
			return nil, err
		}
		if b, err = col.kids[1].decode(b, v.UnsafePointer()); err != nil {
			return nil, err
		}
		m.SetMapIndex(k.Elem(), v.Elem())
	}
	reflect.NewAt(col.typ, p).Elem().Set(m)
	return b, nil
}
