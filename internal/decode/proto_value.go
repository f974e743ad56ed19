package decode

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/internal/decimal"
)

// value reads a single value, which is all of b, into dst.
func (d *ProtoDecoder) value(f *protoValue, dst unsafe.Pointer, b []byte) bool {
	dst = d.place(f.node, dst)
	n := f.node
	if n.kind == kindPointer {
		n = n.elem
	}
	switch f.wire {
	case protowire.BytesType:
		raw, _ := protowire.ConsumeBytes(b)
		return d.bytes(f, n, dst, raw)
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(b)
		return d.number(f, n, dst, v)
	case protowire.Fixed32Type:
		v, _ := protowire.ConsumeFixed32(b)
		return d.number(f, n, dst, uint64(v))
	default:
		v, _ := protowire.ConsumeFixed64(b)
		return d.number(f, n, dst, v)
	}
}

// number stores a number as its kind has it on the wire.
func (d *ProtoDecoder) number(f *protoValue, n *node, dst unsafe.Pointer, v uint64) bool {
	switch f.kind {
	case protoreflect.BoolKind:
		*(*bool)(dst) = v != 0
		return true
	case protoreflect.FloatKind:
		if x := math.Float32frombits(uint32(v)); n.bits == 32 {
			*(*float32)(dst) = x
		} else {
			*(*float64)(dst) = float64(x)
		}
		return true
	case protoreflect.DoubleKind:
		*(*float64)(dst) = math.Float64frombits(v)
		return true
	case protoreflect.Sint32Kind:
		v = uint64(protowire.DecodeZigZag(v & math.MaxUint32))
	case protoreflect.Sint64Kind:
		v = uint64(protowire.DecodeZigZag(v))
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind, protoreflect.EnumKind:
		v = uint64(int64(int32(v)))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		v &= math.MaxUint32
	}
	switch n.kind {
	case kindString: // of an enum
		if e := f.names.ByNumber(protoreflect.EnumNumber(int32(v))); e != nil {
			*(*string)(dst) = string(e.Name())
		} else {
			*(*string)(dst) = strconv.FormatInt(int64(v), 10)
		}
	case kindTime:
		t, ok := epoch(int64(v), n.unit)
		if !ok {
			return d.fail("not a time: " + strconv.FormatInt(int64(v), 10))
		}
		*(*time.Time)(dst) = t
	default:
		storeInt(dst, n.bits, v)
	}
	return true
}

// bytes stores what is written with its length.
func (d *ProtoDecoder) bytes(f *protoValue, n *node, dst unsafe.Pointer, raw []byte) bool {
	switch {
	case f.kind == protoreflect.MessageKind: // an element of a list
		return d.whole(f, dst, raw)
	case f.kind == protoreflect.BytesKind:
		*(*[]byte)(dst) = nil // nil and empty are one (P24)
		if len(raw) > 0 {
			*(*[]byte)(dst) = raw[:len(raw):len(raw)]
		}
		return true
	case !utf8.Valid(raw):
		return d.fail("invalid UTF-8")
	case n.kind == kindString:
		*(*string)(dst) = unsafe.String(unsafe.SliceData(raw), len(raw))
		return true
	case f.blank && len(raw) == 0:
		reflect.NewAt(n.typ, dst).Elem().SetZero()
		return true
	case n.kind == kindTime:
		t, ok := parseTime(raw, n.layout)
		if *(*time.Time)(dst) = t; !ok {
			return d.fail("not a time like " + layoutName(n.layout))
		}
		return true
	}
	s := text{unsafe.Pointer(unsafe.SliceData(raw)), len(raw)}
	if end, _ := s.number(0); end == 0 || end != s.n {
		return d.fail("no number: " + strconv.Quote(string(clip(raw))))
	}
	num, fit := n.form.Read(s.str(0, s.n))
	if fit != decimal.Exact {
		return d.fail(fmt.Sprintf("%q is not %s", clip(raw), n.what()))
	}
	*(*decimal.Dec)(dst) = decimal.Dec{Num: num}
	return true
}

// stamp reads a google.protobuf.Timestamp. What lies beyond the years 1 to 9999 is none.
func (d *ProtoDecoder) stamp(dst unsafe.Pointer, b []byte) bool {
	var seconds int64
	var nanos int32
	for len(b) > 0 {
		num, typ, raw, rest, ok := d.next(b)
		if !ok {
			return false
		}
		if typ == protowire.VarintType && num <= 2 {
			v, _ := protowire.ConsumeVarint(raw)
			if num == 1 {
				seconds = int64(v)
			} else {
				nanos = int32(v)
			}
		}
		b = rest
	}
	t := time.Unix(seconds, int64(nanos)).UTC()
	if nanos < 0 || nanos >= 1e9 || seconds < -62135596800 || seconds > 253402300799 {
		return d.fail(fmt.Sprintf("no Timestamp: %d s, %d ns", seconds, nanos))
	}
	*(*time.Time)(dst) = time.UnixMicro(t.UnixMicro()).UTC()
	return true
}
