package decode

import (
	"fmt"
	"math/bits"
	"reflect"
	"unsafe"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/records"
)

// maxDepth is how deep objects and arrays may nest, the limit of encoding/json.
const maxDepth = 10000

// JSONPlan is how JSON values become values of one Go type. It is immutable and safe for concurrent use.
type JSONPlan struct {
	root    *node
	structs int
}

// JSON compiles a Go type. Columns are named by the json tag, else the arrow tag, else the field's name in snake case.
// Of the tag's options, omitempty and omitzero let a column be missing or null, and string reads a number or boolean from within a JSON
// string. A tag `layout:"2006-01-02"` reads a time in that layout, UTC where it has no zone; layout:"seconds", "millis" or "micros" reads it from
// a number since 1970 UTC, within a string or not; the default is RFC 3339. Times are truncated to microseconds UTC.
// Decimals are read exactly, from a number or one within a string.
// Errors name each field that cannot be read and are joined.
func JSON(t reflect.Type) (*JSONPlan, error) {
	root, structs, err := compile(t, "json")
	if err != nil {
		return nil, err
	}
	return &JSONPlan{root, structs}, nil
}

// JSONDecoder reads JSON values one after another. One goroutine at a time.
type JSONDecoder struct {
	plan      *JSONPlan
	templates []template // by node.id
	arena     arena
	slabs     map[*node]*slab
	scratch   []byte // a string while its escapes are read
	depth     int

	why  string // the last failure: what,
	at   int    // at which byte,
	path string // in which column
}

// Decoder is a new decoder of p.
func (p *JSONPlan) Decoder() *JSONDecoder {
	return &JSONDecoder{plan: p, templates: make([]template, p.structs), slabs: map[*node]*slab{}}
}

// Decode reads the one JSON value that data[sp] holds into dst, a pointer to a zero value of the plan's type. Strings
// in it may alias data. It is false where the value cannot be read; Reason then says why, and dst may be written in part.
func (d *JSONDecoder) Decode(data []byte, sp records.Span, dst unsafe.Pointer) bool {
	if int(sp.Off)+int(sp.Len)+records.Padding > cap(data) { // the arguments of assert.True would be allocated for each record
		assert.True(false, "text of %d bytes at %d lacks padding within %d", sp.Len, sp.Off, cap(data))
	}
	s := text{unsafe.Add(unsafe.Pointer(unsafe.SliceData(data)), sp.Off), int(sp.Len)}
	d.depth = 0
	i := s.space(0)
	if s.at(i) == 'n' && !d.plan.root.nullable() {
		return d.skip(s, i) >= 0 && d.fail(i, "null") >= 0
	}
	if i = d.value(s, d.plan.root, dst, i); i < 0 {
		return false
	}
	if i < s.n {
		if i = s.space(i); i < s.n {
			return d.fail(i, "text behind the value") >= 0
		}
	}
	return true
}

// Reason is why the last Decode was false.
func (d *JSONDecoder) Reason() string {
	if d.path != "" {
		return fmt.Sprintf("column %q: %s (byte %d)", d.path, d.why, d.at)
	}
	return fmt.Sprintf("not the JSON that was asked for: %s (byte %d)", d.why, d.at)
}

// fail notes a failure and is -1, which every reading function returns instead of an index.
func (d *JSONDecoder) fail(at int, why string) int {
	d.why, d.at, d.path = why, at, ""
	return -1
}

// within adds a column to the path of a failure.
func (d *JSONDecoder) within(name string) int {
	if d.path == "" {
		d.path = name
	} else {
		d.path = name + "." + d.path
	}
	return -1
}

// template is the layout of the last object of one struct type.
type template struct {
	keys []templateKey
	wait int // objects with another layout to let pass before the next is learned
}

// templateKey is the text between two values: comma or brace, white space, name, colon.
type templateKey struct {
	n      int // bytes of text
	field  int // -1: not a column of the type
	w0, m0 uint64
	w1, m1 uint64 // the first 16 bytes and which bits of them count
	rest   string // behind them
}

// relearnAfter is how many objects in other layouts pass between two templates: a stream that mixes layouts does not pay for learning each time.
const relearnAfter = 8

// maxTemplateText is the longest text between two values that a template keeps.
const maxTemplateText = 256

// match tells whether the text at i is k's.
func (k *templateKey) match(s text, i int) bool {
	return i+k.n <= s.n && (s.word(i)^k.w0)&k.m0|(s.word(i+8)^k.w1)&k.m1 == 0 &&
		(k.rest == "" || s.str(i+16, i+k.n) == k.rest)
}

// learn appends the text [from, i) in front of field's value. It is false where the template ends here.
func (t *template) learn(s text, from, i, field int) bool {
	k, ok := newKey(s, from, i, field)
	if ok {
		t.keys = append(t.keys, k)
	}
	return ok
}

// newKey is the text [from, i), and false where it is too long to be kept.
func newKey(s text, from, i, field int) (templateKey, bool) {
	n := i - from
	if n > maxTemplateText {
		return templateKey{}, false
	}
	k := templateKey{n: n, field: field, m0: lowBytes(n), m1: lowBytes(n - 8)}
	k.w0, k.w1 = s.word(from)&k.m0, s.word(from+8)&k.m1
	if n > 16 {
		k.rest = string(s.slice(from+16, i))
	}
	return k, true
}

// lowBytes is a mask of the first n bytes of a word.
func lowBytes(n int) uint64 {
	if n >= 8 {
		return ^uint64(0)
	}
	return 1<<(8*max(n, 0)) - 1
}

// object reads the object at i into the struct at dst, as far as possible by the template.
func (d *JSONDecoder) object(s text, n *node, dst unsafe.Pointer, i int) int {
	if d.depth++; d.depth > maxDepth {
		return d.fail(i, "nested too deep")
	}
	var have fieldSet
	t := &d.templates[n.id]
	k := 0
	for k < len(t.keys) {
		key := &t.keys[k]
		if !key.match(s, i) {
			break
		}
		i += key.n
		k++
		if s.at(i) <= ' ' { // white space that the last object did not have
			i = s.space(i)
		}
		if key.field < 0 {
			if s.at(i) == '"' {
				if j := s.plain(i + 1); j < s.n && s.byte(j) == '"' {
					i = j + 1
					continue
				}
			}
			if i = d.skip(s, i); i < 0 {
				return -1
			}
			continue
		}
		if j := s.quick(&n.fields[key.field], dst, i); j > i {
			have.add(key.field)
			i = j
			continue
		}
		if i = d.column(s, n, key.field, dst, i, &have); i < 0 {
			return -1
		}
	}
	if k > 0 && k == len(t.keys) && s.at(i) == '}' {
		i++
	} else if i = d.rest(s, n, dst, i, k, &have); i < 0 {
		return -1
	}
	d.depth--
	if !have.covers(&n.required) {
		return d.missing(n, &have, i)
	}
	return i
}

// quick reads the value at i into f's place in the struct at dst if it is of the simplest form: a string of plain characters, or an integer of a few digits. It
// is the index behind it, and i where it is not.
func (s text) quick(f *field, dst unsafe.Pointer, i int) int {
	switch {
	case f.node.kind == kindString && s.at(i) == '"':
		if j := s.plain(i + 1); j < s.n && s.byte(j) == '"' {
			*(*string)(unsafe.Add(dst, f.off)) = s.str(i+1, j)
			return j + 1
		}
	case f.node.kind == kindInt && f.node.bits == 64:
		from := i
		if f.node.quoted {
			if s.at(i) != '"' {
				return i
			}
			from++
		}
		v, j := s.few(from)
		switch c := s.at(j); {
		case j == from:
		case f.node.quoted && c == '"':
			*(*int64)(unsafe.Add(dst, f.off)) = v
			return j + 1
		case !f.node.quoted && (c == ',' || c == '}'):
			*(*int64)(unsafe.Add(dst, f.off)) = v
			return j
		}
	}
	return i
}

// rest reads an object from behind its k-th value on, or from its start where k is 0, without a template, and may learn a new one.
func (d *JSONDecoder) rest(s text, n *node, dst unsafe.Pointer, i, k int, have *fieldSet) int {
	t := &d.templates[n.id]
	learn := t.wait == 0
	if learn {
		t.wait, t.keys = relearnAfter, t.keys[:k]
	} else {
		t.wait--
	}
	for ; ; k++ {
		from := i
		var more bool
		if i, more = d.item(s, i, k, braces); !more {
			return i
		}
		name, j := d.name(s, i)
		if j < 0 {
			return -1
		}
		field, ok := n.names[name]
		if !ok {
			field = -1
		}
		i = j
		if learn {
			learn = t.learn(s, from, i, field)
		}
		if field < 0 {
			i = d.skip(s, i)
		} else {
			i = d.column(s, n, field, dst, i, have)
		}
		if i < 0 {
			return -1
		}
	}
}

// name reads a name and the colon behind it. The name is valid until the next string with escapes.
func (d *JSONDecoder) name(s text, i int) (string, int) {
	if s.at(i) != '"' {
		return "", d.fail(i, "want a name in quotes")
	}
	j := s.plain(i + 1)
	name, next := "", j+1
	if j < s.n && s.byte(j) == '"' {
		name = s.str(i+1, j)
	} else {
		b, end := d.text(s, i)
		if end < 0 {
			return "", -1
		}
		name, next = unsafe.String(unsafe.SliceData(b), len(b)), end
	}
	next = s.space(next)
	if s.at(next) != ':' {
		return "", d.fail(next, "want ':'")
	}
	return name, s.space(next + 1)
}

// column reads the value at i into field f of the struct at dst.
func (d *JSONDecoder) column(s text, n *node, f int, dst unsafe.Pointer, i int, have *fieldSet) int {
	c := &n.fields[f]
	at := unsafe.Add(dst, c.off)
	if have.has(f) { // the name occurs twice: the last value counts
		clear := reflect.NewAt(c.node.typ, at).Elem()
		clear.SetZero()
	}
	if s.at(i) == 'n' && !c.node.nullable() {
		have.remove(f)
		return d.skip(s, i)
	}
	have.add(f)
	if i = d.value(s, c.node, at, i); i < 0 {
		return d.within(c.name)
	}
	return i
}

// missing is the failure of an object that lacks columns; it names the first.
func (d *JSONDecoder) missing(n *node, have *fieldSet, i int) int {
	for w := range have {
		if m := n.required[w] &^ have[w]; m != 0 {
			d.fail(i, "missing or null")
			return d.within(n.fields[w*64+bits.TrailingZeros64(m)].name)
		}
	}
	return -1
}
