package decode

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unsafe"
)

// value reads the value at i into dst by its node, and is the index behind it.
func (d *JSONDecoder) value(s text, n *node, dst unsafe.Pointer, i int) int {
	switch n.kind {
	case kindString:
		b, j := d.text(s, i)
		if j >= 0 {
			*(*string)(dst) = d.keep(s, b)
		}
		return j
	case kindStruct:
		return d.object(s, n, dst, i)
	case kindBool, kindInt, kindUint, kindFloat:
		return d.scalar(s, n, dst, i)
	case kindTime:
		return d.time(s, n, dst, i)
	case kindDec:
		return d.decimal(s, n, dst, i)
	case kindRaw:
		j := d.skip(s, i)
		if j >= 0 {
			*(*[]byte)(dst) = s.slice(i, j)[: j-i : j-i]
		}
		return j
	}
	if s.at(i) == 'n' {
		return d.skip(s, i) // dst is nil
	}
	switch n.kind {
	case kindBytes:
		return d.base64(s, dst, i)
	case kindPointer:
		p := d.slab(n.elem)
		if i = d.value(s, n.elem, p, i); i >= 0 {
			*(*unsafe.Pointer)(dst) = p
		}
		return i
	case kindSlice:
		return d.array(s, n, dst, i)
	default:
		return d.mapping(s, n, dst, i)
	}
}

// scalar reads a number or boolean, within quotes where the field says so.
func (d *JSONDecoder) scalar(s text, n *node, dst unsafe.Pointer, i int) int {
	start := i
	if n.quoted {
		if s.at(i) != '"' {
			return d.fail(i, "want a string that holds "+describe(n))
		}
		i++
	}
	j := i
	if n.kind == kindBool {
		switch {
		case s.literal(i, "true"):
			*(*bool)(dst) = true
			j = i + 4
		case s.literal(i, "false"):
			j = i + 5
		}
		if j == i {
			return d.fail(start, "want "+describe(n)+", found "+found(s, start))
		}
	} else if j = d.number(s, n, dst, i); j < 0 {
		return -1
	}
	if n.quoted {
		if s.at(j) != '"' {
			return d.fail(start, "want a string that holds nothing but "+describe(n))
		}
		j++
	}
	return j
}

// number reads the number at i into dst.
func (d *JSONDecoder) number(s text, n *node, dst unsafe.Pointer, i int) int {
	j, whole := s.number(i)
	if j == i {
		return d.fail(i, "want "+describe(n)+", found "+found(s, i))
	}
	ok := true
	switch n.kind {
	case kindInt:
		var v int64
		if v, ok = s.int(i, j, n.bits); ok && whole {
			storeInt(dst, n.bits, uint64(v))
		}
	case kindUint:
		var v uint64
		if v, ok = s.uint(i, j); ok {
			ok = n.bits == 64 || v>>n.bits == 0
		}
		if ok && whole {
			storeInt(dst, n.bits, v)
		}
	case kindFloat:
		var v float64
		v, ok = s.float(i, j, n.bits)
		if n.bits == 32 {
			*(*float32)(dst) = float32(v)
		} else {
			*(*float64)(dst) = v
		}
		whole = true
	}
	if !whole {
		return d.fail(i, "want "+describe(n)+", found a fraction or exponent")
	}
	if !ok {
		return d.fail(i, "number out of the range of "+n.typ.String())
	}
	return j
}

// storeInt writes the low bits of v.
func storeInt(dst unsafe.Pointer, bits uint8, v uint64) {
	switch bits {
	case 64:
		*(*uint64)(dst) = v
	case 32:
		*(*uint32)(dst) = uint32(v)
	case 16:
		*(*uint16)(dst) = uint16(v)
	default:
		*(*uint8)(dst) = uint8(v)
	}
}

// time reads a time as the field says.
func (d *JSONDecoder) time(s text, n *node, dst unsafe.Pointer, i int) int {
	if n.unit == unitText {
		b, j := d.text(s, i)
		if j < 0 {
			return -1
		}
		t, ok := parseTime(b, n.layout)
		if !ok {
			return d.fail(i, "not a time like "+layoutName(n.layout))
		}
		*(*time.Time)(dst) = t
		return j
	}
	start, quoted := i, s.at(i) == '"'
	if quoted {
		i++
	}
	j, whole := s.number(i)
	v, ok := s.int(i, j, 64)
	t, fits := epoch(v, n.unit)
	if j == i || !whole || !ok || !fits {
		return d.fail(start, "not a time as a whole number since 1970, found "+found(s, start))
	}
	if quoted {
		if s.at(j) != '"' {
			return d.fail(start, "want a string that holds nothing but a number")
		}
		j++
	}
	*(*time.Time)(dst) = t
	return j
}

// parseTime reads a time and truncates it to microseconds UTC (P24).
func parseTime(b []byte, layout string) (time.Time, bool) {
	var t time.Time
	var err error
	if layout == "" {
		if us, ok := zulu(b); ok {
			return time.UnixMicro(us).UTC(), true
		}
		err = t.UnmarshalText(b)
	} else {
		t, err = time.Parse(layout, unsafe.String(unsafe.SliceData(b), len(b)))
	}
	return time.UnixMicro(t.UnixMicro()).UTC(), err == nil
}

// epoch is v units since 1970 UTC, false where that does not fit microseconds in 64 bits.
func epoch(v int64, u unit) (time.Time, bool) {
	scale := int64(1)
	switch u {
	case unitSecond:
		scale = 1e6
	case unitMilli:
		scale = 1e3
	}
	us := v * scale
	return time.UnixMicro(us).UTC(), us/scale == v
}

func layoutName(layout string) string {
	if layout == "" {
		return time.RFC3339
	}
	return layout
}

// base64 reads a string of standard base64.
func (d *JSONDecoder) base64(s text, dst unsafe.Pointer, i int) int {
	b, j := d.text(s, i)
	if j < 0 {
		return -1
	}
	out := d.arena.take(base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	if err != nil {
		return d.fail(i, "not base64")
	}
	if n > 0 { // nil and empty are one (P24)
		*(*[]byte)(dst) = out[:n:n]
	}
	return j
}

// array reads an array into the slice at dst; an empty one is nil (P24).
func (d *JSONDecoder) array(s text, n *node, dst unsafe.Pointer, i int) int {
	if d.depth++; d.depth > maxDepth {
		return d.fail(i, "nested too deep")
	}
	v := reflect.NewAt(n.typ, dst).Elem()
	for k := 0; ; k++ {
		var more bool
		if i, more = d.item(s, i, k, brackets); !more {
			d.depth--
			return i
		}
		v.Grow(1)
		v.SetLen(k + 1)
		v.Index(k).SetZero()
		if i = d.element(s, n.elem, v.Index(k).Addr().UnsafePointer(), i); i < 0 {
			return d.within("[" + strconv.Itoa(k) + "]")
		}
	}
}

// mapping reads an object into the map at dst; an empty one is nil (P24).
func (d *JSONDecoder) mapping(s text, n *node, dst unsafe.Pointer, i int) int {
	if d.depth++; d.depth > maxDepth {
		return d.fail(i, "nested too deep")
	}
	v := reflect.NewAt(n.typ, dst).Elem()
	for k := 0; ; k++ {
		var more bool
		if i, more = d.item(s, i, k, braces); !more {
			d.depth--
			return i
		}
		name, j := d.name(s, i)
		if j < 0 {
			return -1
		}
		key := reflect.New(n.typ.Key()).Elem()
		key.SetString(string(append([]byte(nil), name...)))
		elem := reflect.New(n.elem.typ)
		if i = d.element(s, n.elem, elem.UnsafePointer(), j); i < 0 {
			return d.within(key.String())
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(n.typ))
		}
		v.SetMapIndex(key, elem.Elem())
	}
}

// fence is what stands around items.
type fence struct {
	what       string
	open, shut byte
}

var brackets, braces = &fence{"an array", '[', ']'}, &fence{"an object", '{', '}'}

// item goes on from i to item k: over the opening bracket or the comma before it. It is false, and the index behind the closing bracket, where no
// item follows, and -1 where it fails.
func (d *JSONDecoder) item(s text, i, k int, f *fence) (int, bool) {
	i = s.space(i)
	switch c := s.at(i); {
	case k > 0 && c == f.shut:
		return i + 1, false
	case k == 0 && c != f.open:
		return d.fail(i, "want "+f.what+", found "+found(s, i)), false
	case k > 0 && c != ',':
		return d.fail(i, "want ',' or '"+string(f.shut)+"'"), false
	}
	i = s.space(i + 1)
	if k == 0 && s.at(i) == f.shut {
		return i + 1, false
	}
	return i, true
}

// element is value for what cannot be missing.
func (d *JSONDecoder) element(s text, n *node, dst unsafe.Pointer, i int) int {
	if s.at(i) == 'n' && !n.nullable() {
		return d.fail(i, "null")
	}
	return d.value(s, n, dst, i)
}

// describe names what a node reads.
func describe(n *node) string {
	switch n.kind {
	case kindBool:
		return "true or false"
	case kindInt, kindUint:
		return "an integer"
	}
	return "a number"
}

// found names what stands at i.
func found(s text, i int) string {
	switch c := s.at(i); {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || c-'0' <= 9:
		return "a number"
	case c == 0:
		return "the end"
	}
	return strconv.QuoteRune(rune(s.at(i)))
}
