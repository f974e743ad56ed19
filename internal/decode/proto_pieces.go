package decode

import (
	"reflect"
	"slices"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// part is what is read when all of a message is known: messages within it, which may come in several pieces, and values of which only the last counts.
type part struct {
	field *protoField
	data  []byte
	own   bool // data is a copy
}

// part is the part of a field in the message whose parts begin at first, a new one if it is not known.
func (d *ProtoDecoder) part(f *protoField, first int) (p *part, known bool) {
	for i := first; i < len(d.parts); i++ {
		if d.parts[i].field == f {
			return &d.parts[i], true
		}
	}
	d.parts = append(d.parts, part{field: f})
	return &d.parts[len(d.parts)-1], false
}

// forget takes a field back that another of its oneof takes the place of. It is false where that is no message, which makes none of the whole.
func (d *ProtoDecoder) forget(m *message, field int, dst unsafe.Pointer, have *fieldSet, first int) bool {
	if !have.has(field) {
		return true
	}
	have.remove(field)
	c := &m.node.fields[field]
	reflect.NewAt(c.node.typ, unsafe.Add(dst, c.off)).Elem().SetZero()
	i := first + slices.IndexFunc(d.parts[first:], func(p part) bool { return p.field.field == field })
	if i < first {
		return true
	}
	p := d.parts[i]
	d.parts = slices.Delete(d.parts, i, i+1)
	return p.own || p.field.last || d.formed(p.field.msg, p.data)
}

// formed tells whether a message that is not read by itself is one: a piece of one that comes in several, or one that another field takes the place of. m is nil where nothing is known of it.
func (d *ProtoDecoder) formed(m *message, b []byte) bool {
	for len(b) > 0 {
		num, typ, raw, rest, ok := d.next(b)
		if !ok {
			return false
		}
		b = rest
		if m == nil {
			continue
		}
		f := m.by(num)
		if f == nil || typ != protowire.BytesType || f.wire != typ && !f.list {
			continue
		}
		in, _ := protowire.ConsumeBytes(raw)
		switch {
		case f.val != nil:
			ok = d.formed(&message{near: [32]*protoField{1: {protoValue: *f.key}, 2: {protoValue: *f.val}}}, in)
		case f.kind == protoreflect.MessageKind:
			ok = d.formed(f.msg, in)
		case f.kind == protoreflect.StringKind:
			ok = utf8.Valid(in) || d.fail("invalid UTF-8")
		case f.wire != typ:
			for len(in) > 0 && ok {
				size := protowire.ConsumeFieldValue(1, f.wire, in)
				if ok = size >= 0; ok {
					in = in[size:]
				} else {
					d.fail(protowire.ParseError(size).Error())
				}
			}
		}
		if !ok {
			return false
		}
	}
	return true
}
