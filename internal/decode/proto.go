package decode

import (
	"fmt"
	"reflect"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ProtoDecoder reads messages one after another, straight into the fields of structs. One goroutine at a time. It takes a message as the rules of Protocol Buffers say: fields that
// the struct does not have are passed over, of a field that occurs twice the last counts, messages that do are one, numbers that are repeated may be packed or not.
type ProtoDecoder struct {
	plan  *ProtoPlan
	slabs JSONDecoder // of values behind pointers
	parts []part
	why   string
	path  string
}

// Decoder is a new decoder of p.
func (p *ProtoPlan) Decoder() *ProtoDecoder {
	return &ProtoDecoder{plan: p, slabs: JSONDecoder{slabs: map[*node]*slab{}}}
}

// Decode reads a message into dst, a pointer to a zero struct of the plan's type. Texts may alias data. It is false where the message cannot be read; Reason then says why, and dst may be
// written in part.
func (d *ProtoDecoder) Decode(data []byte, dst unsafe.Pointer) bool {
	d.parts, d.path = d.parts[:0], ""
	return d.message(d.plan.root, dst, data)
}

// Reason is why the last Decode was false.
func (d *ProtoDecoder) Reason() string {
	if d.path != "" {
		return fmt.Sprintf("column %q: %s", d.path, d.why)
	}
	return fmt.Sprintf("no message %s: %s", d.plan.name, d.why)
}

func (d *ProtoDecoder) fail(why string) bool {
	d.why = why
	return false
}

// within adds a column to the path of a failure.
func (d *ProtoDecoder) within(name string) bool {
	if d.path != "" {
		name += "." + d.path
	}
	d.path = name
	return false
}

func (m *message) by(num protowire.Number) *protoField {
	if num < protowire.Number(len(m.near)) {
		return m.near[num]
	}
	return m.fields[num]
}

// message reads a message into the struct at dst.
func (d *ProtoDecoder) message(m *message, dst unsafe.Pointer, b []byte) bool {
	var have fieldSet
	first := len(d.parts)
	for len(b) > 0 {
		num, typ, raw, rest, ok := d.next(b)
		if !ok {
			return false
		}
		b = rest
		f := m.by(num)
		if f == nil || typ != f.wire && !(f.list && typ == protowire.BytesType) {
			continue // a field that nobody knows
		}
		for _, r := range f.rivals {
			if !d.forget(m, r, dst, &have, first) {
				return d.within(m.node.fields[r].name)
			}
		}
		if f.field >= 0 {
			have.add(f.field)
			if !d.set(f, unsafe.Add(dst, m.node.fields[f.field].off), &m.node.fields[f.field], typ, raw, first) {
				return d.within(m.node.fields[f.field].name)
			}
		}
	}
	for i := first; i < len(d.parts); i++ {
		p := d.parts[i]
		c := &m.node.fields[p.field.field]
		at := unsafe.Add(dst, c.off)
		if p.field.last && !d.value(&p.field.protoValue, at, p.data) || !p.field.last && !d.whole(&p.field.protoValue, d.place(c.node, at), p.data) {
			return d.within(c.name)
		}
	}
	d.parts = d.parts[:first]
	for _, f := range m.zeros {
		if c := &m.node.fields[f.field]; !have.has(f.field) {
			d.number(&f.protoValue, c.node, unsafe.Add(dst, c.off), 0)
		}
	}
	if !have.covers(&m.required) {
		for i, f := range m.node.fields {
			if m.required.has(i) && !have.has(i) {
				d.fail("missing")
				return d.within(f.name)
			}
		}
	}
	return true
}

// next is the field at the beginning of b, its value as it is written, and what is behind it.
func (d *ProtoDecoder) next(b []byte) (num protowire.Number, typ protowire.Type, raw, rest []byte, ok bool) {
	num, typ, n := protowire.ConsumeTag(b)
	size := n
	if n >= 0 {
		size = protowire.ConsumeFieldValue(num, typ, b[n:])
	}
	switch {
	case size < 0:
		return 0, 0, nil, nil, d.fail(protowire.ParseError(size).Error())
	case num > protowire.MaxValidNumber:
		return 0, 0, nil, nil, d.fail(fmt.Sprintf("field number %d", num))
	}
	return num, typ, b[n : n+size], b[n+size:], true
}

// whole reads a message that is there as a whole.
func (d *ProtoDecoder) whole(f *protoValue, dst unsafe.Pointer, b []byte) bool {
	if f.stamp {
		return d.stamp(dst, b)
	}
	return d.message(f.msg, dst, b)
}

// place is where the value of n at dst is: behind the pointer where n is one.
func (d *ProtoDecoder) place(n *node, dst unsafe.Pointer) unsafe.Pointer {
	if n.kind != kindPointer {
		return dst
	}
	p := (*unsafe.Pointer)(dst)
	if *p == nil {
		*p = d.slabs.slab(n.elem)
	}
	return *p
}

// set reads a field's value, which is all of b, into the struct's field c at dst.
func (d *ProtoDecoder) set(f *protoField, dst unsafe.Pointer, c *field, typ protowire.Type, b []byte, first int) bool {
	switch {
	case f.val != nil:
		return d.entry(f, dst, b)
	case f.list && typ != f.wire:
		return d.packed(f, dst, c.node, b)
	case f.list:
		at := appended(c.node, dst)
		return d.value(&f.protoValue, at, b)
	case f.msg != nil || f.stamp:
		raw, _ := protowire.ConsumeBytes(b)
		p, known := d.part(f, first)
		switch {
		case !known:
			p.data = raw
			return true
		case !d.formed(f.msg, raw):
			return false
		case !p.own:
			if !d.formed(f.msg, p.data) {
				return false
			}
			p.data, p.own = append(append(make([]byte, 0, 2*(len(p.data)+len(raw))), p.data...), raw...), true
		default:
			p.data = append(p.data, raw...)
		}
		return true
	case f.last:
		p, _ := d.part(f, first)
		p.data = b
		if f.wire != protowire.BytesType {
			return true
		}
		raw, _ := protowire.ConsumeBytes(b)
		return utf8.Valid(raw) || d.fail("invalid UTF-8")
	}
	return d.value(&f.protoValue, dst, b)
}

// appended makes the slice at dst longer by a zero value and is where that is.
func appended(n *node, dst unsafe.Pointer) unsafe.Pointer {
	v := reflect.NewAt(n.typ, dst).Elem()
	k := v.Len()
	v.Grow(1)
	v.SetLen(k + 1)
	v.Index(k).SetZero()
	return v.Index(k).Addr().UnsafePointer()
}

// packed reads the values of a list that lie one behind the other.
func (d *ProtoDecoder) packed(f *protoField, dst unsafe.Pointer, n *node, b []byte) bool {
	b, _ = protowire.ConsumeBytes(b)
	for len(b) > 0 {
		size := protowire.ConsumeFieldValue(1, f.wire, b)
		if size < 0 {
			return d.fail(protowire.ParseError(size).Error())
		}
		if !d.value(&f.protoValue, appended(n, dst), b[:size]) {
			return false
		}
		b = b[size:]
	}
	return true
}

// entry reads an entry into the map at dst.
func (d *ProtoDecoder) entry(f *protoField, dst unsafe.Pointer, b []byte) bool {
	b, _ = protowire.ConsumeBytes(b)
	n := f.node
	key, val := reflect.New(n.typ.Key()), reflect.New(n.elem.typ)
	var sub []byte // the value, a message that becomes a struct
	at := d.place(n.elem, val.UnsafePointer())
	if f.val.wire == protowire.VarintType { // zero may be a name or a time
		d.value(f.val, val.UnsafePointer(), []byte{0})
	}
	for len(b) > 0 {
		num, typ, raw, rest, ok := d.next(b)
		if !ok {
			return false
		}
		b = rest
		switch {
		case num == 1 && typ == f.key.wire:
			if !d.value(f.key, key.UnsafePointer(), raw) {
				return false
			}
		case num == 2 && typ == f.val.wire && f.val.kind == protoreflect.MessageKind:
			raw, _ = protowire.ConsumeBytes(raw)
			if !d.formed(f.val.msg, raw) {
				return d.within(key.Elem().String())
			}
			sub = append(sub, raw...)
		case num == 2 && typ == f.val.wire:
			if !d.value(f.val, val.UnsafePointer(), raw) {
				return d.within(key.Elem().String())
			}
		}
	}
	if f.val.kind == protoreflect.MessageKind && !d.whole(f.val, at, sub) {
		return d.within(key.Elem().String())
	}
	v := reflect.NewAt(n.typ, dst).Elem()
	if v.IsNil() {
		v.Set(reflect.MakeMap(n.typ))
	}
	v.SetMapIndex(key.Elem(), val.Elem())
	return true
}
