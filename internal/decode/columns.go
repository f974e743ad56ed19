package decode

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
	"github.com/millrace/millrace/internal/records"
)

// Columns reads JSON objects one after another into columns, without a row in between, and refuses exactly what JSONDecoder refuses, for the same
// reasons. One goroutine at a time.
//
// It expects the layout of the last object: the same names in the same order, and texts of the same length. What is as expected is compared and not searched.
// An object that is different is read by the JSONDecoder into a row, whose values are then put into the columns.
type Columns struct {
	d      *JSONDecoder
	root   *node
	vecs   []*col.Vec // by field, nil for those that no column is wanted of
	n      int        // objects that were read
	layout layout
	marked marked
	row    reflect.Value  // a pointer to the row that others are read into
	zero   unsafe.Pointer // a row of zeros
}

// layout is what the last object looked like.
type layout struct {
	items  []member
	tail   templateKey // the text behind the last value
	absent []int       // fields that it has not
	wait   int         // objects with another layout to let pass before the next is learned
}

// member is a name with the value behind it.
type member struct {
	key    templateKey // the text in front of the value; its field is that of the struct
	op     op          // how the value is read
	length int         // of the text that was there last
	node   *node       // of the field, nil where there is none
	vec    *col.Vec    // of the field, nil where it has none
}

// op is how a value is read where it is of the usual form.
type op uint8

const (
	opPass   op = iota // a text that no column wants
	opText             // a text
	opInt              // an integer of 64 bits
	opQuoted           // the same within a text
	opTime             // a time as RFC 3339
	opOther            // as JSONDecoder does
)

// opOf is how values of n are read into v.
func opOf(n *node, v *col.Vec) op {
	switch {
	case n == nil:
		return opPass
	case v == nil:
		return opOther
	case n.kind == kindString:
		return opText
	case n.kind == kindInt && n.bits == 64 && n.quoted:
		return opQuoted
	case n.kind == kindInt && n.bits == 64:
		return opInt
	case n.kind == kindTime && n.unit == unitText && n.layout == "":
		return opTime
	}
	return opOther
}

// Columns is a new reader of objects into columns. vec is the column for the field at an offset of the struct and of a type, nil where none is wanted; its
// type must hold the field's values. It is false where p is not of a struct, or a column is wanted for lists, maps or structs.
func (p *JSONPlan) Columns(vec func(off uintptr, typ reflect.Type) *col.Vec) (*Columns, bool) {
	if p.root.kind != kindStruct {
		return nil, false
	}
	c := &Columns{d: p.Decoder(), root: p.root, vecs: make([]*col.Vec, len(p.root.fields)), row: reflect.New(p.root.typ), zero: reflect.New(p.root.typ).UnsafePointer()}
	for i, f := range p.root.fields {
		if c.vecs[i] = vec(f.off, f.node.typ); c.vecs[i] != nil && !flat(f.node) {
			return nil, false
		}
	}
	return c, true
}

// flat tells whether values of n are single ones.
func flat(n *node) bool {
	switch n.kind {
	case kindStruct, kindSlice, kindMap:
		return false
	case kindPointer:
		return flat(n.elem)
	}
	return true
}

// Reset makes room for n objects and forgets those that were read: the columns have n values of any content.
func (c *Columns) Reset(n int) {
	c.n = 0
	for _, v := range c.vecs {
		if v != nil {
			v.Resize(n)
		}
	}
}

// Rest forgets the objects that were read and the block that they stand in. The layout stays.
func (c *Columns) Rest() {
	c.n, c.marked.data = 0, nil
	for _, v := range c.vecs {
		if v != nil {
			clear(v.Texts[:cap(v.Texts)])
		}
	}
}

// Len is how many objects were read since Reset.
func (c *Columns) Len() int { return c.n }

// Reason is why the last Add was false.
func (c *Columns) Reason() string { return c.d.Reason() }

// Add reads the one object that data[sp] holds; there must be room. Texts in columns may alias data. It is false where the object cannot be
// read; then nothing is added.
func (c *Columns) Add(data []byte, sp records.Span) bool {
	if int(sp.Off)+int(sp.Len)+records.Padding > cap(data) { // the arguments of assert.True would be allocated for each record
		assert.True(false, "text of %d bytes at %d lacks padding within %d", sp.Len, sp.Off, cap(data))
	}
	s := text{unsafe.Add(unsafe.Pointer(unsafe.SliceData(data)), sp.Off), int(sp.Len)}
	bit := -1
	if hasMarks {
		bit = c.marked.cover(data, sp)
	}
	if !c.expected(s, bit) && !c.other(s, data, sp) {
		return false
	}
	c.n++
	return true
}

// expected reads an object of the layout, which begins at a bit of c.marked (-1: there is none). It is false where it has another, or cannot be read. Without marks, a text that is as long as the last one is found without a search, and
// checked for plain characters without a branch within, so that the processor need not wait for one value before it looks at the next.
func (c *Columns) expected(s text, bit int) bool {
	if len(c.layout.items) == 0 {
		return false
	}
	i, n := 0, c.n
	for k := range c.layout.items {
		m := &c.layout.items[k]
		if !m.key.match(s, i) {
			return false
		}
		i += m.key.n
		if m.op <= opText && s.byte(i) == '"' {
			i++
			var j int
			if bit >= 0 {
				j = i + c.marked.next(bit+i)
				if j >= i+56 {
					j = i + c.marked.find(bit+i, s.n-i)
				}
			} else if j = i + m.length; j >= s.n || s.byte(j) != '"' || !s.allPlain(i, m.length) {
				j = s.plain(i)
				m.length = j - i
			}
			if j >= s.n || s.byte(j) != '"' {
				if i = c.unusual(s, m, i-1); i < 0 {
					return false
				}
				continue
			}
			if m.op == opText {
				m.vec.Texts[n] = s.str(i, j)
				c.there(m.vec)
			}
			i = j + 1
			continue
		}
		if i = c.value(s, m, i); i < 0 {
			return false
		}
	}
	if i+c.layout.tail.n != s.n || !c.layout.tail.match(s, i) {
		return false
	}
	for _, f := range c.layout.absent {
		if v := c.vecs[f]; v != nil {
			c.put(v, c.root.fields[f].node, unsafe.Add(c.zero, c.root.fields[f].off))
		}
	}
	return true
}

// value reads the value at i, which is no text of plain characters, and is the index behind it or -1.
func (c *Columns) value(s text, m *member, i int) int {
	switch m.op {
	case opInt:
		v, j := s.few(i)
		if b := s.at(j); j == i || b != ',' && b != '}' {
			break
		}
		m.vec.Ints[c.n] = v
		c.there(m.vec)
		return j
	case opQuoted:
		v, j := s.few(i + 1)
		if s.at(i) != '"' || j == i+1 || s.at(j) != '"' {
			break
		}
		m.vec.Ints[c.n] = v
		c.there(m.vec)
		return j + 1
	case opTime:
		if s.at(i) != '"' {
			break
		}
		j := s.plain(i + 1)
		if j >= s.n || s.byte(j) != '"' {
			break
		}
		us, ok := zulu(s.slice(i+1, j))
		if !ok {
			break
		}
		m.vec.Ints[c.n] = us
		c.there(m.vec)
		return j + 1
	}
	return c.unusual(s, m, i)
}

// unusual is value for all forms.
func (c *Columns) unusual(s text, m *member, i int) int {
	c.d.depth = 1
	switch b := s.at(i); {
	case b <= ' ', m.node != nil && b == 'n' && !m.node.nullable(): // other has the rules
		return -1
	case m.node == nil:
		return c.d.skip(s, i)
	}
	at := unsafe.Add(c.row.UnsafePointer(), c.root.fields[m.key.field].off)
	reflect.NewAt(m.node.typ, at).Elem().SetZero()
	j := c.d.value(s, m.node, at, i)
	if j >= 0 && m.vec != nil {
		c.put(m.vec, m.node, at)
	}
	return j
}

// other reads an object into a row and puts its values into the columns.
func (c *Columns) other(s text, data []byte, sp records.Span) bool {
	c.row.Elem().SetZero()
	if !c.d.Decode(data, sp, c.row.UnsafePointer()) {
		return false
	}
	for i, v := range c.vecs {
		if v != nil {
			c.put(v, c.root.fields[i].node, unsafe.Add(c.row.UnsafePointer(), c.root.fields[i].off))
		}
	}
	if c.layout.wait--; c.layout.wait < 0 {
		c.layout.wait = relearnAfter
		if !c.learn(s) {
			c.layout.items = c.layout.items[:0]
		}
	}
	return true
}

// learn takes the layout of an object that was read. It is false where that cannot be expected again: a name occurs twice, or there are long gaps.
func (c *Columns) learn(s text) bool {
	l, d, i := &c.layout, c.d, 0
	l.items, l.absent = l.items[:0], l.absent[:0]
	var have fieldSet
	d.depth = 0
	for {
		at, more := d.item(s, i, len(l.items), braces)
		if !more {
			break
		}
		name, at := d.name(s, at)
		m := member{}
		field, ok := c.root.names[name]
		if !ok {
			field = -1
		} else if have.has(field) {
			return false
		} else {
			have.add(field)
			m.node, m.vec = c.root.fields[field].node, c.vecs[field]
		}
		if m.key, ok = newKey(s, i, at, field); !ok {
			return false
		}
		m.op = opOf(m.node, m.vec)
		if i = d.skip(s, at); i < 0 {
			return false
		}
		m.length = max(i-at-2, 0)
		l.items = append(l.items, m)
	}
	for f := range c.vecs {
		if !have.has(f) {
			l.absent = append(l.absent, f)
		}
	}
	var ok bool
	l.tail, ok = newKey(s, i, s.n, -1)
	return ok
}

// there says that the value of the object that is being read is no null.
func (c *Columns) there(v *col.Vec) {
	if v.Null != nil {
		v.Null[c.n] = false
	}
}

// put sets the value of the object that is being read to the one of type n at a place in memory.
func (c *Columns) put(v *col.Vec, n *node, at unsafe.Pointer) {
	c.there(v)
	if n.kind == kindPointer {
		if n, at = n.elem, *(*unsafe.Pointer)(at); at == nil {
			v.SetNull(c.n)
			return
		}
	}
	switch n.kind {
	case kindString:
		v.Texts[c.n] = *(*string)(at)
	case kindBytes, kindRaw:
		b := *(*[]byte)(at)
		v.Texts[c.n] = unsafe.String(unsafe.SliceData(b), len(b))
	case kindBool:
		v.Bools[c.n] = *(*bool)(at)
	case kindTime:
		v.Ints[c.n] = (*time.Time)(at).UnixMicro()
	case kindDec:
		v.Decimals[c.n] = (*decimal.Dec)(at).Num
	case kindInt:
		v.Ints[c.n] = loadInt(at, n.bits)
	case kindUint:
		v.Uints[c.n] = uint64(loadInt(at, n.bits)) & (1<<n.bits - 1)
	case kindFloat:
		if n.bits == 32 {
			v.Floats[c.n] = float64(*(*float32)(at))
		} else {
			v.Floats[c.n] = *(*float64)(at)
		}
	}
}

// loadInt is the integer of that many bits at a place in memory, with its sign.
func loadInt(at unsafe.Pointer, bits uint8) int64 {
	switch bits {
	case 64:
		return *(*int64)(at)
	case 32:
		return int64(*(*int32)(at))
	case 16:
		return int64(*(*int16)(at))
	}
	return int64(*(*int8)(at))
}
