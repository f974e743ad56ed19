package decode

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/decimal"
	"github.com/millrace/millrace/internal/records"
)

// CSVOptions say how lines are written. The zero value is comma-separated text whose columns are the type's, in order.
type CSVOptions struct {
	Comma   byte     // between fields; 0: ','
	Columns []string // of a line, in order; nil: the type's. A header given to Header comes before both
	Null    string   // text that stands for a missing value besides the empty one, such as "NA"
}

// CSVPlan is how lines of CSV become structs of one Go type. It is immutable and safe for concurrent use.
type CSVPlan struct {
	root *node
	o    CSVOptions
}

// CSV compiles a struct type. Columns are named by the csv tag, else the arrow tag, else the field's name in snake case; tags are those of
// JSON otherwise, but for "string", which says nothing here. A record is one line: quoted fields may hold commas and doubled quotes but no line break.
func CSV(t reflect.Type, o CSVOptions) (*CSVPlan, error) {
	root, _, err := compile(t, "csv")
	if err == nil && root.kind != kindStruct {
		err = fmt.Errorf("%s: rows of CSV are structs with one field a column", t)
	}
	if o.Comma == 0 {
		o.Comma = ','
	}
	if o.Comma == '"' || o.Comma == '\n' || o.Comma == '\r' || o.Comma >= utf8.RuneSelf {
		err = errors.Join(err, fmt.Errorf("comma %q cannot stand between CSV fields", o.Comma))
	}
	if err != nil {
		return nil, err
	}
	p := &CSVPlan{root, o}
	if o.Columns != nil {
		_, err = p.order(o.Columns)
	}
	return p, err
}

// order is the field of each of a line's columns, -1 for those that the type does not have.
func (p *CSVPlan) order(columns []string) ([]int, error) {
	var have fieldSet
	order := make([]int, len(columns))
	for i, name := range columns {
		f, ok := p.root.names[name]
		order[i] = -1
		if !ok {
			continue
		}
		if have.has(f) {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		have.add(f)
		order[i] = f
	}
	for f := range p.root.fields {
		if p.root.required.has(f) && !have.has(f) {
			return nil, fmt.Errorf("column %q is missing; there are %s", p.root.fields[f].name, strings.Join(columns, ", "))
		}
	}
	return order, nil
}

// CSVDecoder reads lines one after another. One goroutine at a time.
type CSVDecoder struct {
	plan  *CSVPlan
	order []int // field of each column
	bad   error // of the header
	arena arena
	text  JSONDecoder // its slabs
	why   string
}

// Decoder is a new decoder of p.
func (p *CSVPlan) Decoder() *CSVDecoder {
	d := &CSVDecoder{plan: p, text: JSONDecoder{slabs: map[*node]*slab{}}}
	d.Header(nil)
	return d
}

// Header makes the fields of a line the names of the columns of those that follow; nil goes back to the plan's. A header that lacks a column makes every line bad.
func (d *CSVDecoder) Header(line []byte) {
	columns := d.plan.o.Columns
	if line != nil {
		line = append(append(make([]byte, 0, len(line)+records.Padding), line...), make([]byte, records.Padding)...)[:len(line)]
		columns = nil
		s := text{unsafe.Pointer(unsafe.SliceData(line)), len(line)}
		for i := 0; i >= 0 && i <= s.n; {
			var b []byte
			b, _, i = d.field(s, i)
			columns = append(columns, strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")))
		}
	} else if columns == nil {
		for _, f := range d.plan.root.fields {
			columns = append(columns, f.name)
		}
	}
	d.order, d.bad = d.plan.order(columns)
}

// Decode reads the line data[sp] into dst, a pointer to a zero struct of the plan's type. Strings may alias data. It is
// false where the line cannot be read; Reason then says why.
func (d *CSVDecoder) Decode(data []byte, sp records.Span, dst unsafe.Pointer) bool {
	if int(sp.Off)+int(sp.Len)+records.Padding > cap(data) {
		assert.True(false, "text of %d bytes at %d lacks padding within %d", sp.Len, sp.Off, cap(data))
	}
	if d.bad != nil {
		return d.fail("header: " + d.bad.Error())
	}
	s := text{unsafe.Add(unsafe.Pointer(unsafe.SliceData(data)), sp.Off), int(sp.Len)}
	if !utf8.Valid(s.slice(0, s.n)) {
		return d.fail("invalid UTF-8")
	}
	i := 0
	for c, f := range d.order {
		if i > s.n {
			return d.fail(fmt.Sprintf("%d fields, want %d", c, len(d.order)))
		}
		b, quoted, next := d.field(s, i)
		if next < 0 {
			return d.fail(fmt.Sprintf("field %d: quotes do not match", c+1))
		}
		i = next
		if f >= 0 && !d.column(&d.plan.root.fields[f], f, dst, b, quoted) {
			return false
		}
	}
	if i <= s.n {
		return d.fail(fmt.Sprintf("more than %d fields", len(d.order)))
	}
	return true
}

// Reason is why the last Decode was false.
func (d *CSVDecoder) Reason() string { return d.why }

func (d *CSVDecoder) fail(why string) bool {
	d.why = why
	return false
}

// field is the field at i, whether it was quoted, and the start of the next: s.n+1 behind the last, -1 where quotes do not match.
func (d *CSVDecoder) field(s text, i int) (b []byte, quoted bool, next int) {
	comma := d.plan.o.Comma
	if s.at(i) != '"' {
		j := i
		for j < s.n && s.byte(j) != comma {
			if s.byte(j) == '"' {
				return nil, false, -1
			}
			j++
		}
		return s.slice(i, j), false, j + 1
	}
	i++
	start, doubled := i, 0
	for ; ; i++ {
		if i >= s.n {
			return nil, true, -1
		}
		if s.byte(i) != '"' {
			continue
		}
		if s.at(i+1) != '"' {
			break
		}
		doubled++
		i++
	}
	if i+1 < s.n && s.byte(i+1) != comma {
		return nil, true, -1
	}
	b = s.slice(start, i)
	if doubled > 0 {
		out := d.arena.take(len(b) - doubled)[:0]
		for k := 0; k < len(b); k++ {
			if out = append(out, b[k]); b[k] == '"' {
				k++
			}
		}
		b = out
	}
	return b, true, i + 2
}

// column reads field b into the struct at dst.
func (d *CSVDecoder) column(c *field, f int, dst unsafe.Pointer, b []byte, quoted bool) bool {
	n, at := c.node, unsafe.Add(dst, c.off)
	isText := n.kind == kindString || n.kind == kindBytes
	null := !quoted && (len(b) == 0 && !isText || d.plan.o.Null != "" && string(b) == d.plan.o.Null)
	if null {
		if d.plan.root.required.has(f) {
			return d.fail(fmt.Sprintf("column %q: empty", c.name))
		}
		return true
	}
	if n.kind == kindPointer {
		p := d.text.slab(n.elem)
		*(*unsafe.Pointer)(at) = p
		n, at = n.elem, p
	}
	if !n.parse(b, at) {
		return d.fail(fmt.Sprintf("column %q: %q is not %s", c.name, clip(b), n.what()))
	}
	return true
}

// clip is b short enough for a message.
func clip(b []byte) []byte { return b[:min(len(b), 64)] }

// what names what a node reads.
func (n *node) what() string {
	switch n.kind {
	case kindTime:
		if n.unit == unitText {
			return "a time like " + layoutName(n.layout)
		}
		return "a time as a whole number since 1970"
	case kindInt, kindUint:
		return "an integer that fits " + n.typ.String()
	case kindDec:
		return fmt.Sprintf("a decimal of at most %d digits before the point and %d behind it", n.form.Digits-n.form.Scale, n.form.Scale)
	}
	return describe(n)
}

// parse reads the whole of b into dst. Strings alias b.
func (n *node) parse(b []byte, dst unsafe.Pointer) (ok bool) {
	s := text{unsafe.Pointer(unsafe.SliceData(b)), len(b)}
	switch n.kind {
	case kindString:
		*(*string)(dst) = s.str(0, s.n)
	case kindBytes:
		if s.n > 0 {
			*(*[]byte)(dst) = b
		}
	case kindBool:
		*(*bool)(dst) = string(b) == "true"
		return string(b) == "true" || string(b) == "false"
	case kindInt:
		var v int64
		v, ok = s.int(0, s.n, n.bits)
		storeInt(dst, n.bits, uint64(v))
		return ok
	case kindUint:
		var v uint64
		v, ok = s.uint(0, s.n)
		storeInt(dst, n.bits, v)
		return ok && (n.bits == 64 || v>>n.bits == 0)
	case kindFloat:
		if end, _ := s.number(0); end == 0 || end != s.n {
			return false
		}
		var v float64
		v, ok = s.float(0, s.n, n.bits)
		if n.bits == 32 {
			*(*float32)(dst) = float32(v)
		} else {
			*(*float64)(dst) = v
		}
		return ok
	case kindDec:
		if end, _ := s.number(0); end == 0 || end != s.n {
			return false
		}
		num, fit := n.form.Read(s.str(0, s.n))
		*(*decimal.Dec)(dst) = decimal.Dec{Num: num}
		return fit == decimal.Exact
	case kindTime:
		var t time.Time
		if n.unit == unitText {
			t, ok = parseTime(b, n.layout)
		} else {
			var v int64
			if v, ok = s.int(0, s.n, 64); ok {
				t, ok = epoch(v, n.unit)
			}
		}
		*(*time.Time)(dst) = t
		return ok
	}
	return true
}
