package row

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/millrace/millrace/internal/fault"
)

// Normalize brings rows to what a round trip through columns gives, in place: times in microseconds UTC, empty
// slices and maps nil, fields without a column zero. It is a no-op (and costs nothing) for types that have none of them. What a
// slice, map or pointer refers to may be shared with other rows: it is replaced by a copy, never changed.
func (c *Codec) Normalize(rows any) {
	if !c.root.norm {
		return
	}
	base, n := c.memory(rows)
	for i := range n {
		c.root.normalize(unsafe.Add(base, uintptr(i)*c.size))
	}
}

// normalize brings the value at p to its normal form.
func (col *column) normalize(p unsafe.Pointer) {
	if !col.norm {
		return
	}
	if !col.ptr {
		col.normalizeValue(p)
		return
	}
	if q := *(*unsafe.Pointer)(p); q != nil && !col.normalValue(q) {
		fresh := reflect.New(col.typ)
		fresh.Elem().Set(reflect.NewAt(col.typ, q).Elem())
		col.normalizeValue(fresh.UnsafePointer())
		*(*unsafe.Pointer)(p) = fresh.UnsafePointer()
	}
}

func (col *column) normalizeValue(p unsafe.Pointer) {
	switch col.kind {
	case timeKind:
		if fault.Planted("P24-normalize") {
			return
		}
		if t := (*time.Time)(p); !normalTime(t) {
			*t = time.UnixMicro(t.UnixMicro()).UTC()
		}
	case bytesKind:
		if h := (*header)(p); h.len == 0 && h.data != nil {
			*h = header{}
		}
	case listKind:
		col.normalizeList(p)
	case mapKind:
		col.normalizeMap(p)
	case structKind:
		for _, s := range col.skip {
			reflect.NewAt(s.typ, unsafe.Add(p, s.off)).Elem().SetZero()
		}
		for _, kid := range col.kids {
			kid.normalize(unsafe.Add(p, kid.off))
		}
	}
}

func (col *column) normalizeList(p unsafe.Pointer) {
	h, elem := (*header)(p), col.kids[0]
	if h.len == 0 {
		*h = header{}
		return
	}
	if col.normalValue(p) {
		return
	}
	s := reflect.MakeSlice(col.typ, h.len, h.len)
	reflect.Copy(s, reflect.NewAt(col.typ, p).Elem())
	reflect.NewAt(col.typ, p).Elem().Set(s)
	for i := range h.len {
		elem.normalize(unsafe.Add(h.data, uintptr(i)*col.typ.Elem().Size()))
	}
}

func (col *column) normalizeMap(p unsafe.Pointer) {
	m := reflect.NewAt(col.typ, p).Elem()
	if m.Len() == 0 {
		m.SetZero()
		return
	}
	if col.normalValue(p) {
		return
	}
	fresh := reflect.MakeMapWithSize(col.typ, m.Len())
	for _, k := range sortedKeys(m) {
		item := reflect.New(col.typ.Elem())
		item.Elem().Set(m.MapIndex(k))
		col.kids[1].normalize(item.UnsafePointer())
		fresh.SetMapIndex(k, item.Elem())
	}
	m.Set(fresh)
}

// normal tells whether normalize would leave the value at p as it is.
func (col *column) normal(p unsafe.Pointer) bool {
	if !col.norm {
		return true
	}
	if col.ptr {
		q := *(*unsafe.Pointer)(p)
		return q == nil || col.normalValue(q)
	}
	return col.normalValue(p)
}

func (col *column) normalValue(p unsafe.Pointer) bool {
	switch col.kind {
	case timeKind:
		return normalTime((*time.Time)(p))
	case bytesKind:
		h := (*header)(p)
		return h.len > 0 || h.data == nil
	case listKind:
		h := (*header)(p)
		if h.len == 0 || !col.kids[0].norm {
			return h.len > 0 || h.data == nil
		}
		for i := range h.len {
			if !col.kids[0].normal(unsafe.Add(h.data, uintptr(i)*col.typ.Elem().Size())) {
				return false
			}
		}
	case mapKind:
		m := reflect.NewAt(col.typ, p).Elem()
		if m.Len() == 0 || !col.kids[1].norm {
			return m.Len() > 0 || m.IsNil()
		}
		item := reflect.New(col.typ.Elem())
		for _, k := range m.MapKeys() { // in any order: the answer is the same
			item.Elem().Set(m.MapIndex(k))
			if !col.kids[1].normal(item.UnsafePointer()) {
				return false
			}
		}
	case structKind:
		for _, s := range col.skip {
			if !reflect.NewAt(s.typ, unsafe.Add(p, s.off)).Elem().IsZero() {
				return false
			}
		}
		for _, kid := range col.kids {
			if !kid.normal(unsafe.Add(p, kid.off)) {
				return false
			}
		}
	}
	return true
}

// normalTime tells whether t is exactly what its microseconds give: UTC, no monotonic reading.
func normalTime(t *time.Time) bool { return *t == time.UnixMicro(t.UnixMicro()).UTC() }
