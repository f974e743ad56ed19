package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/millrace/millrace/internal/decimal"
)

// maxColumns is how many columns a struct may have: the size of fieldSet.
const maxColumns = 256

// kind is how a value is read.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt
	kindUint
	kindFloat
	kindTime
	kindDec
	kindBytes // base64 in JSON
	kindRaw   // json.RawMessage: the value's text as it is
	kindStruct
	kindPointer
	kindSlice
	kindMap
)

// unit is how a time is written.
type unit uint8

const (
	unitText   unit = iota // RFC 3339, or the field's layout
	unitSecond             // a number since 1970 UTC, within quotes or not
	unitMilli
	unitMicro
)

// node is one type of a plan.
type node struct {
	kind     kind
	typ      reflect.Type
	bits     uint8  // kindInt, kindUint, kindFloat
	quoted   bool   // a number or boolean within a JSON string
	unit     unit   // kindTime
	layout   string // kindTime with unitText; "": RFC 3339
	form     decimal.Form
	elem     *node // of pointers, slices and maps
	fields   []field
	names    map[string]int
	required fieldSet
	id       int // kindStruct: index of the template
}

// nullable tells whether the value may be absent.
func (n *node) nullable() bool {
	switch n.kind {
	case kindPointer, kindSlice, kindMap, kindBytes, kindRaw:
		return true
	}
	return false
}

// field is a column of a struct.
type field struct {
	name string
	off  uintptr
	node *node
}

// fieldSet is a set of field numbers.
type fieldSet [maxColumns / 64]uint64

func (s *fieldSet) add(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s *fieldSet) remove(i int)   { s[i>>6] &^= 1 << (i & 63) }
func (s *fieldSet) has(i int) bool { return s[i>>6]>>(i&63)&1 != 0 }

// covers tells whether all of o is in s.
func (s *fieldSet) covers(o *fieldSet) bool {
	return o[0]&^s[0]|o[1]&^s[1]|o[2]&^s[2]|o[3]&^s[3] == 0
}

// compiler turns a Go type into nodes and collects all mistakes.
type compiler struct {
	tag     string // "json", "csv" or "proto"
	structs int
	errs    []error
	open    map[reflect.Type]bool // structs being compiled, to find recursive types
}

var (
	typeTime = reflect.TypeFor[time.Time]()
	typeRaw  = reflect.TypeFor[json.RawMessage]()
	typeDec  = reflect.TypeFor[decimal.Dec]()
)

// compile is the node of t, whose place is path in messages.
func compile(t reflect.Type, tag string) (*node, int, error) {
	c := &compiler{tag: tag, open: map[reflect.Type]bool{}}
	n := c.node(t, t.String(), options{})
	return n, c.structs, errors.Join(c.errs...)
}

func (c *compiler) fail(path, format string, args ...any) *node {
	c.errs = append(c.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	return &node{}
}

func (c *compiler) node(t reflect.Type, path string, o options) *node {
	n := &node{typ: t, quoted: o.quoted}
	switch {
	case t == typeTime:
		if o.quoted {
			return c.fail(path, "the option string is for numbers and booleans; times are read from numbers within strings as well")
		}
		n.kind, n.unit, n.layout = kindTime, o.unit, o.layout
		return n
	case t == typeDec:
		switch {
		case o.form == decimal.Form{}:
			return c.fail(path, "a decimal without its digits; tag the field, as in `decimal:\"18,2\"`")
		case o.quoted:
			return c.fail(path, "the option string is for numbers and booleans; decimals are read from within strings as well")
		}
		n.kind, n.form = kindDec, o.form
		return n
	case o.quoted && c.tag == "proto":
		return c.fail(path, "the option string is for JSON")
	case t == typeRaw && c.tag == "json":
		n.kind = kindRaw
		return n
	case o.unit != unitText || o.layout != "":
		if t.Kind() != reflect.Pointer {
			return c.fail(path, "the tag layout is for time.Time, not for %s", t)
		}
	}
	switch t.Kind() {
	case reflect.String:
		n.kind = kindString
		if o.quoted {
			return c.fail(path, "the option string is for numbers and booleans")
		}
	case reflect.Bool:
		n.kind = kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n.kind, n.bits = kindInt, uint8(t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n.kind, n.bits = kindUint, uint8(t.Bits())
	case reflect.Float32, reflect.Float64:
		n.kind, n.bits = kindFloat, uint8(t.Bits())
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Pointer {
			return c.fail(path, "pointer to pointer %s; use one pointer", t)
		}
		n.kind, n.elem = kindPointer, c.node(t.Elem(), path, o)
	default:
		return c.nested(n, path, o)
	}
	return n
}

// nested compiles the types that only JSON can hold.
func (c *compiler) nested(n *node, path string, o options) *node {
	t := n.typ
	switch {
	case o.quoted:
		return c.fail(path, "the option string is for numbers and booleans")
	case t.Kind() == reflect.Struct:
		return c.structNode(n, path)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		n.kind = kindBytes
	case c.tag == "csv":
		return c.fail(path, "a CSV column cannot be read into %s", t)
	case t.Kind() == reflect.Slice:
		n.kind, n.elem = kindSlice, c.node(t.Elem(), path+"[]", o)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		n.kind, n.elem = kindMap, c.node(t.Elem(), path+"{}", o)
	default:
		return c.fail(path, "cannot be read into %s; use a string, number, bool, time.Time, []byte, struct, slice, map with string keys or a pointer", t)
	}
	return n
}

func (c *compiler) structNode(n *node, path string) *node {
	if c.open[n.typ] {
		return c.fail(path, "recursive type %s has no columns", n.typ)
	}
	c.open[n.typ] = true
	defer delete(c.open, n.typ)
	n.kind, n.names, n.id = kindStruct, map[string]int{}, c.structs
	c.structs++
	c.addFields(n, n.typ, 0, path)
	if len(n.fields) > maxColumns {
		return c.fail(path, "%d columns; at most %d", len(n.fields), maxColumns)
	}
	return n
}

func (c *compiler) addFields(n *node, t reflect.Type, base uintptr, path string) {
	for i := range t.NumField() {
		f := t.Field(i)
		o := parseTag(f, c.tag)
		if !f.IsExported() || o.skip {
			continue
		}
		at := path + "." + f.Name
		if f.Anonymous && !o.named && f.Type.Kind() == reflect.Struct && f.Type != typeTime && f.Type != typeDec {
			c.addFields(n, f.Type, base+f.Offset, at)
			continue
		}
		if o.bad != "" {
			c.fail(at, "unknown option %q in the %s tag; known are string, omitempty, omitzero", o.bad, c.tag)
		}
		if _, ok := n.names[o.name]; ok {
			c.fail(at, "column %q is there twice", o.name)
		}
		child := c.node(f.Type, at, o)
		if child.kind == kindStruct && c.tag == "csv" {
			c.fail(at, "a CSV column cannot be read into %s", f.Type)
		}
		n.names[o.name] = len(n.fields)
		if !o.optional && !child.nullable() && len(n.fields) < maxColumns {
			n.required.add(len(n.fields))
		}
		n.fields = append(n.fields, field{o.name, base + f.Offset, child})
	}
}

// options are what the tags of a field say.
type options struct {
	name             string
	named, skip      bool
	optional, quoted bool
	unit             unit
	layout           string
	form             decimal.Form // of decimals
	bad              string       // an option that nobody knows
}

// parseTag reads `json:"name,…"` (or csv), falls back to the arrow tag for the name, and to the snake case of the field's name.
func parseTag(f reflect.StructField, tag string) options {
	var o options
	switch l := f.Tag.Get("layout"); l {
	case "seconds":
		o.unit = unitSecond
	case "millis":
		o.unit = unitMilli
	case "micros":
		o.unit = unitMicro
	default:
		o.layout = l
	}
	o.form, _ = decimal.ParseForm(f.Tag.Get("decimal")) // a tag that is wrong is none
	own, has := f.Tag.Lookup(tag)
	arrow, _, _ := strings.Cut(f.Tag.Get("arrow"), ",")
	name, rest, _ := strings.Cut(own, ",")
	o.skip = arrow == "-" || has && own == "-"
	switch {
	case name != "":
		o.name, o.named = name, true
	case arrow != "":
		o.name, o.named = arrow, true
	default:
		o.name = Snake(f.Name)
	}
	for opt := range strings.SplitSeq(rest, ",") {
		switch opt {
		case "":
		case "omitempty", "omitzero":
			o.optional = true
		case "string":
			o.quoted = true
		default:
			o.bad = opt
		}
	}
	return o
}

// Snake is a Go field's name as a column: UserID is user_id, HTTPPort is http_port.
func Snake(name string) string {
	rs := []rune(name)
	var b strings.Builder
	for i, r := range rs {
		if unicode.IsUpper(r) {
			if i > 0 && (!unicode.IsUpper(rs[i-1]) && rs[i-1] != '_' || i+1 < len(rs) && unicode.IsLower(rs[i+1]) && rs[i-1] != '_') {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// text appends what decides how n is read, in a canonical form: two plans of equal text read equal rows.
func (n *node) text(b []byte) []byte {
	switch n.kind {
	case kindStruct:
		b = append(b, '{')
		for i, f := range n.fields {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(append(b, f.name...), ':')
			b = f.node.text(b)
			if !n.required.has(i) && !f.node.nullable() {
				b = append(b, '?')
			}
		}
		return append(b, '}')
	case kindPointer:
		return append(n.elem.text(b), '?')
	case kindSlice:
		return n.elem.text(append(b, "[]"...))
	case kindMap:
		return n.elem.text(append(b, "map "...))
	}
	b = append(b, [...]string{kindString: "string", kindBool: "bool", kindInt: "int", kindUint: "uint", kindFloat: "float", kindTime: "time", kindDec: "decimal", kindBytes: "bytes", kindRaw: "raw"}[n.kind]...)
	if n.bits > 0 {
		b = strconv.AppendUint(b, uint64(n.bits), 10)
	}
	if n.kind == kindTime {
		b = append(b, [...]string{unitText: "", unitSecond: ",seconds", unitMilli: ",millis", unitMicro: ",micros"}[n.unit]...)
		if n.layout != "" {
			b = strconv.AppendQuote(append(b, ','), n.layout)
		}
	}
	if n.kind == kindDec {
		b = append(append(append(b, '('), n.form.String()...), ')')
	}
	if n.quoted {
		b = append(b, ",string"...)
	}
	return b
}

// Text is the plan in one canonical line: two plans of equal text read equal rows.
func (p *JSONPlan) Text() string { return "json" + string(p.root.text(nil)) }

// Text is the plan in one canonical line: two plans of equal text read equal rows.
func (p *CSVPlan) Text() string {
	s := "csv" + string(p.root.text(nil))
	if p.o.Comma != ',' {
		s += " comma " + strconv.QuoteRune(rune(p.o.Comma))
	}
	if p.o.Columns != nil {
		s += " columns " + strings.Join(p.o.Columns, ",")
	}
	if p.o.Null != "" {
		s += " null " + strconv.Quote(p.o.Null)
	}
	return s
}
