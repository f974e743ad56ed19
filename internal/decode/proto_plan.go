package decode

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/millrace/millrace/internal/guess"
)

// ProtoPlan is how messages of Protocol Buffers become structs of one Go type. It is immutable and safe for concurrent use.
type ProtoPlan struct {
	root *message
	name string
}

// message is how a message becomes a struct.
type message struct {
	node     *node
	fields   map[protowire.Number]*protoField
	near     [32]*protoField // those of low numbers
	required fieldSet
	zeros    []*protoField // that are never absent, and whose zero is not that of Go: names of enums, times as numbers
}

// protoField is a field of a message that is read, or is in a oneof with one that is.
type protoField struct {
	protoValue
	field    int // of node.fields, -1: of none
	list     bool
	key, val *protoValue // of a map's entries
	rivals   []int       // fields of the struct that this one, of the same oneof, takes the place of
}

// protoValue is how a single value is read.
type protoValue struct {
	kind  protoreflect.Kind
	wire  protowire.Type
	node  *node    // that it is read into, maybe behind a pointer
	msg   *message // of messages that become structs
	stamp bool     // a google.protobuf.Timestamp
	last  bool     // may be refused: of several in a message only the last one is looked at
	blank bool     // empty is zero: what is not optional is as if it were not there
	names protoreflect.EnumValueDescriptors
}

// Proto compiles a struct type for messages of a name. The set is a FileDescriptorSet with all that the message's file imports, as `protoc --include_imports --descriptor_set_out` writes it. Fields
// are named by the proto tag, else the arrow tag, else the field's name in snake case; tags are those of JSON otherwise. A field that can be absent (optional, of a oneof, a message) must be there
// unless the struct's is a pointer or has the option omitempty.
func Proto(t reflect.Type, set []byte, name string) (*ProtoPlan, error) {
	md, err := messageIn(set, name)
	if err != nil {
		return nil, err
	}
	root, _, err := compile(t, "proto")
	if err == nil && root.kind != kindStruct {
		err = fmt.Errorf("%s: a message is read into a struct", t)
	}
	if err != nil {
		return nil, err
	}
	c := &protoCompiler{}
	m := c.message(root, md, t.String())
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	return &ProtoPlan{m, name}, nil
}

// messageIn finds a message in a descriptor set.
func messageIn(set []byte, name string) (protoreflect.MessageDescriptor, error) {
	files := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(set, files); err != nil || len(files.File) == 0 {
		return nil, errors.New("no descriptor set; write one with protoc --include_imports --descriptor_set_out=FILE")
	}
	all, err := protodesc.NewFiles(files)
	if err != nil {
		return nil, fmt.Errorf("descriptor set: %w; it needs what its files import: protoc --include_imports", err)
	}
	d, err := all.FindDescriptorByName(protoreflect.FullName(name))
	if md, is := d.(protoreflect.MessageDescriptor); err == nil && is {
		return md, nil
	}
	var names []string
	for f := range all.RangeFiles {
		for i := range f.Messages().Len() {
			names = append(names, string(f.Messages().Get(i).FullName()))
		}
	}
	if near := guess.Name(name, names); near != "" {
		return nil, fmt.Errorf("the descriptor set has no message %q; did you mean %q?", name, near)
	}
	return nil, fmt.Errorf("the descriptor set has no message %q; it has %s", name, strings.Join(names, ", "))
}

type protoCompiler struct{ errs []error }

func (c *protoCompiler) fail(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (c *protoCompiler) message(n *node, md protoreflect.MessageDescriptor, path string) *message {
	m := &message{node: n, fields: map[protowire.Number]*protoField{}}
	for i, f := range n.fields {
		fd := md.Fields().ByName(protoreflect.Name(f.name))
		if fd == nil {
			c.fail(path, "message %s has no field %q%s", md.FullName(), f.name, meant(md, f.name))
			continue
		}
		pf := c.field(f.node, fd, path+"."+f.name)
		pf.field = i
		m.fields[fd.Number()] = pf
		if pf.blank && f.node.kind == kindString && pf.names != nil || pf.blank && f.node.kind == kindTime && f.node.unit != unitText {
			m.zeros = append(m.zeros, pf)
		}
		switch {
		case fd.HasPresence() && n.required.has(i):
			m.required.add(i)
		case f.node.kind == kindPointer && !fd.HasPresence() && !fd.IsList() && !fd.IsMap():
			c.fail(path+"."+f.name, "absent and zero are one for a field that is not optional: read it into %s", f.node.elem.typ)
		}
	}
	for i := range md.Oneofs().Len() {
		m.oneof(md.Oneofs().Get(i))
	}
	for num, f := range m.fields {
		if num < protowire.Number(len(m.near)) {
			m.near[num] = f
		}
	}
	return m
}

// oneof notes which fields take the place of which: also those that are not read.
func (m *message) oneof(o protoreflect.OneofDescriptor) {
	var read []int
	for i := range o.Fields().Len() {
		if f := m.fields[o.Fields().Get(i).Number()]; f != nil {
			read = append(read, f.field)
		}
	}
	if len(read) == 0 || o.Fields().Len() == 1 {
		return
	}
	for i := range o.Fields().Len() {
		fd := o.Fields().Get(i)
		f := m.fields[fd.Number()]
		if f == nil {
			f = &protoField{protoValue: protoValue{wire: wireOf(fd.Kind())}, field: -1}
			m.fields[fd.Number()] = f
		}
		for _, r := range read {
			if r != f.field {
				f.rivals = append(f.rivals, r)
			}
		}
	}
}

// meant is what a name was probably meant to be, for a message.
func meant(md protoreflect.MessageDescriptor, name string) string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	if near := guess.Name(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; it has " + strings.Join(names, ", ")
}

func (c *protoCompiler) field(n *node, fd protoreflect.FieldDescriptor, path string) *protoField {
	f := &protoField{list: fd.IsList()}
	switch {
	case fd.IsMap() && n.kind == kindMap && fd.MapKey().Kind() == protoreflect.StringKind:
		f.kind, f.wire, f.node = protoreflect.MessageKind, protowire.BytesType, n
		f.key, f.val = c.value(&node{kind: kindString, typ: n.typ.Key()}, fd.MapKey(), path), c.value(n.elem, fd.MapValue(), path+"{}")
	case fd.IsMap(), n.kind == kindMap, f.list != (n.kind == kindSlice):
		c.fail(path, "%s is not read into %s", cardinality(fd), n.typ)
	case f.list:
		f.protoValue = *c.value(n.elem, fd, path+"[]")
	default:
		f.protoValue = *c.value(n, fd, path)
		f.blank = !fd.HasPresence()
		to := n
		if n.kind == kindPointer {
			to = n.elem
		}
		f.last = !f.stamp && (to.kind == kindDec || to.kind == kindTime)
	}
	return f
}

func cardinality(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return fmt.Sprintf("map<%s, %s>", fd.MapKey().Kind(), fd.MapValue().Kind())
	case fd.IsList():
		return "repeated " + fd.Kind().String()
	}
	return fd.Kind().String()
}

// value is how a single value is read into n, which may be a pointer.
func (c *protoCompiler) value(n *node, fd protoreflect.FieldDescriptor, path string) *protoValue {
	v := &protoValue{kind: fd.Kind(), wire: wireOf(fd.Kind()), node: n}
	to := n
	if n.kind == kindPointer {
		to = n.elem
	}
	if fd.Enum() != nil {
		v.names = fd.Enum().Values()
	}
	if md := fd.Message(); md != nil && fd.Kind() == protoreflect.MessageKind {
		switch {
		case md.FullName() == "google.protobuf.Timestamp" && to.kind == kindTime && to.unit == unitText && to.layout == "":
			v.stamp = true
			return v
		case to.kind == kindStruct:
			v.msg = c.message(to, md, path)
			return v
		}
	}
	if !takes(to, fd.Kind()) {
		c.fail(path, "%s is not read into %s", fd.Kind(), to.typ)
	}
	return v
}

// takes tells whether values of a kind are read into n without loss.
func takes(n *node, k protoreflect.Kind) bool {
	switch k {
	case protoreflect.BoolKind:
		return n.kind == kindBool
	case protoreflect.EnumKind:
		return n.kind == kindString || n.kind == kindInt && n.bits >= 32
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return n.kind == kindInt && n.bits >= 32 || n.kind == kindTime && n.unit != unitText
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return n.kind == kindInt && n.bits == 64 || n.kind == kindTime && n.unit != unitText
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return (n.kind == kindUint || n.kind == kindInt && n.bits == 64) && n.bits >= 32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return n.kind == kindUint && n.bits == 64
	case protoreflect.FloatKind:
		return n.kind == kindFloat
	case protoreflect.DoubleKind:
		return n.kind == kindFloat && n.bits == 64
	case protoreflect.StringKind:
		return n.kind == kindString || n.kind == kindDec || n.kind == kindTime && n.unit == unitText
	case protoreflect.BytesKind:
		return n.kind == kindBytes
	}
	return false
}

// wireOf is how values of a kind are written.
func wireOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// Text is the plan in one canonical line: two plans of equal text read equal rows.
func (p *ProtoPlan) Text() string { return "proto " + p.name + " " + string(p.root.text(nil)) }

func (m *message) text(b []byte) []byte {
	b = append(b, '{')
	numbers := make([]protowire.Number, len(m.node.fields))
	for num, f := range m.fields {
		if f.field >= 0 {
			numbers[f.field] = num
		}
	}
	for i, f := range m.node.fields {
		if i > 0 {
			b = append(b, ' ')
		}
		pf := m.fields[numbers[i]]
		b = fmt.Appendf(b, "%s:%d:", f.name, numbers[i])
		switch {
		case pf.val != nil:
			b = pf.val.text(append(b, "map "...))
		case pf.list:
			b = pf.protoValue.text(append(b, "[]"...))
		default:
			b = pf.protoValue.text(b)
		}
		if m.required.has(i) {
			b = append(b, '!')
		}
		for _, r := range pf.rivals {
			b = fmt.Appendf(b, "|%s", m.node.fields[r].name)
		}
	}
	return append(b, '}')
}

func (v *protoValue) text(b []byte) []byte {
	b = append(append(b, v.kind.String()...), '>')
	if v.msg != nil {
		if b = v.msg.text(b); v.node.kind == kindPointer {
			b = append(b, '?')
		}
		return b
	}
	return v.node.text(b)
}
