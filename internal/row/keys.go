package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
)

// Keys are canonical encodings of keys: key i is Data[Ends[i-1]:Ends[i]] (Ends[-1] = 0). Two keys are equal exactly if
// their encodings are equal bytes (P25). A single string or []byte column is its bytes as they are; a fixed-width
// column is its little-endian bytes; several columns are concatenated, with strings prefixed by their uvarint length.
// Hash[i] is xxh3 of the encoding with seed 0, the same in every process and version (state layout depends on it). Keys whose type begins with
// a GroupID say their key group themselves: it replaces the 7 highest bits.
type Keys struct {
	Data    []byte
	Ends    []uint32
	Hash    []uint64
	Grouped bool // the keys begin with a GroupID
}

// GroupID is a key group, below Groups. A key that is a struct whose first field has this type belongs to that key group, whatever else is in
// it: an operator that keeps one row for each (group, something) keeps it where the group's keys are, under every layout.
type GroupID uint8

var groupType = reflect.TypeFor[GroupID]()

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.Ends) }

// Key is the encoding of key i; it aliases Data.
func (k *Keys) Key(i int) []byte {
	lo := uint32(0)
	if i > 0 {
		lo = k.Ends[i-1]
	}
	return k.Data[lo:k.Ends[i]:k.Ends[i]]
}

// Reset empties k and keeps its memory.
func (k *Keys) Reset() { k.Data, k.Ends, k.Hash, k.Grouped = k.Data[:0], k.Ends[:0], k.Hash[:0], false }

// Append adds one encoded key.
func (k *Keys) Append(key []byte) { k.add(append(k.Data, key...), len(k.Data)) }

// AppendFrom adds keys idx of other, which are of the same type, with their hashes.
func (k *Keys) AppendFrom(other *Keys, idx []int32) {
	assert.True(k.Grouped == other.Grouped || k.Len() == 0, "keys with and without a group in one set")
	k.Grouped = other.Grouped
	k.grow(len(idx))
	for _, i := range idx {
		k.Data = append(k.Data, other.Key(int(i))...)
		k.Ends = append(k.Ends, uint32(len(k.Data)))
		k.Hash = append(k.Hash, other.Hash[i])
	}
}

// add ends the key that was appended to data behind start.
func (k *Keys) add(data []byte, start int) {
	if len(data) > math.MaxUint32 {
		assert.True(false, "keys of %d bytes pass the limit of 4 GiB of one set", len(data))
	}
	k.Data = data
	k.Ends = append(k.Ends, uint32(len(data)))
	h := xxh3.Hash(data[start:])
	if k.Grouped {
		h = grouped(h, data[start:])
	}
	k.Hash = append(k.Hash, h)
}

// grouped is a hash with the key group that the key begins with in place of its own.
func grouped(h uint64, key []byte) uint64 {
	if len(key) == 0 || fault.Planted("P27-group-id") {
		return h
	}
	return h&(1<<57-1) | uint64(key[0])<<57
}

// Groups is the fixed number of key groups of every job; it never changes.
const Groups = 128

// Group is the key group of a key with that hash: its 7 highest bits.
func Group(hash uint64) int { return int(hash >> 57) }

// keyPart is one scalar of a key.
type keyPart struct {
	kind kind
	off  uintptr      // in the row
	size int          // encoded, without the flag; 0 for strings
	null reflect.Type // of what a nullable scalar points to; nil: it is never null. Before it goes a flag, and what lies under a null is zero
}

// compileKey finds the scalars of the type as a key, or why it is none.
func (c *Codec) compileKey() {
	var errs []error
	for _, col := range c.cols {
		path := c.typ.String() + "." + col.field.Name
		if c.dynamic {
			path = fmt.Sprintf("column %q", col.field.Name)
		}
		c.addKeyParts(col, col.off, path, &errs)
	}
	if c.keyErr = errors.Join(errs...); c.keyErr != nil {
		return
	}
	c.grouped = c.typ.Kind() == reflect.Struct && len(c.cols) > 0 && c.cols[0].typ == groupType
	for _, p := range c.keys {
		if p.size == 0 {
			c.keyWidth = 0
			return
		}
		if c.keyWidth += p.size; p.null != nil {
			c.keyWidth++
		}
	}
}

func (c *Codec) addKeyParts(col *column, off uintptr, path string, errs *[]error) {
	refuse := func(what, fix string) {
		*errs = append(*errs, fmt.Errorf("%s: %s may not be part of a key (P25); %s", path, what, fix))
	}
	part := keyPart{kind: col.kind, off: off}
	if col.ptr {
		part.null = col.typ
	}
	switch id := col.field.Type.ID(); {
	case col.ptr && !c.dynamic:
		refuse("a pointer", "use the value itself")
	case col.ptr && col.kind == structKind:
		refuse("a struct that may be null", "use its columns")
	case id == arrow.FLOAT32 || id == arrow.FLOAT64:
		refuse("a float", "round it to an integer, or use its text")
	case col.kind == listKind:
		refuse("a slice", "join it to a string")
	case col.kind == mapKind:
		refuse("a map", "use one of its values")
	case col.kind == structKind:
		for _, kid := range col.kids {
			c.addKeyParts(kid, off+kid.off, path+"."+kid.field.Name, errs)
		}
	case col.kind == stringKind || col.kind == bytesKind:
		c.keys = append(c.keys, part)
	case col.kind == timeKind:
		part.size = 8
		c.keys = append(c.keys, part)
	default:
		part.size = int(col.size)
		c.keys = append(c.keys, part)
	}
}

// CheckKey is an error if the type may not be a key: pointers, interfaces, floats and slices other than []byte (P25).
func (c *Codec) CheckKey() error { return c.keyErr }

// KeyWidth is the size of every encoded key of this type, 0 if they vary.
func (c *Codec) KeyWidth() int { return c.keyWidth }

// KeyHash is the hash of an encoded key, as Keys.Hash has it.
func (c *Codec) KeyHash(key []byte) uint64 {
	h := xxh3.Hash(key)
	if c.grouped {
		h = grouped(h, key)
	}
	return h
}

// begin makes k one of keys of this type.
func (c *Codec) begin(k *Keys, n int) {
	assert.True(k.Grouped == c.grouped || k.Len() == 0, "keys with and without a group in one set")
	k.Grouped = c.grouped
	k.grow(n)
}

// textKey tells whether a key is the bytes of one string or []byte.
func (c *Codec) textKey() bool {
	return len(c.keys) == 1 && c.keys[0].size == 0 && c.keys[0].null == nil
}

// AppendKeys appends the encodings and hashes of rows, a []T. The type must pass CheckKey.
func (c *Codec) AppendKeys(rows any, k *Keys) {
	assert.True(c.keyErr == nil, "keys of a type that may not be one: %v", c.keyErr)
	base, n := c.memory(rows)
	if n == 0 {
		return
	}
	c.begin(k, n)
	first := unsafe.Add(base, c.keys[0].off)
	switch p := c.keys[0]; {
	case c.textKey() && p.kind == stringKind:
		for i := range n {
			start := len(k.Data)
			k.add(append(k.Data, *(*string)(unsafe.Add(first, uintptr(i)*c.size))...), start)
		}
	case len(c.keys) == 1 && p.kind == fixedKind && p.size == 8 && p.null == nil:
		for i := range n {
			start := len(k.Data)
			k.add(binary.LittleEndian.AppendUint64(k.Data, *(*uint64)(unsafe.Add(first, uintptr(i)*c.size))), start)
		}
	default:
		for i := range n {
			start := len(k.Data)
			k.add(c.appendKey(k.Data, unsafe.Add(base, uintptr(i)*c.size)), start)
		}
	}
}

// Reserve makes room for n more keys of so many bytes in all.
func (k *Keys) Reserve(n, size int) {
	k.grow(n)
	k.Data = slices.Grow(k.Data, size)
}

// grow makes room for n more keys.
func (k *Keys) grow(n int) {
	if need := len(k.Ends) + n; need > cap(k.Ends) {
		k.Ends = append(make([]uint32, 0, need), k.Ends...)
	}
	if need := len(k.Hash) + n; need > cap(k.Hash) {
		k.Hash = append(make([]uint64, 0, need), k.Hash...)
	}
}

// appendKey appends the encoding of the row at p.
func (c *Codec) appendKey(b []byte, p unsafe.Pointer) []byte {
	bare := c.textKey() || fault.Planted("P25-key")
	for _, part := range c.keys {
		q := unsafe.Add(p, part.off)
		if part.null != nil {
			if q = *(*unsafe.Pointer)(q); q == nil {
				b = part.appendNull(b)
				continue
			}
			b = append(b, 1)
		}
		switch {
		case part.size == 0:
			h := (*text)(q) // a slice begins as a string does
			if !bare {
				b = binary.AppendUvarint(b, uint64(h.len))
			}
			if h.len > 0 {
				b = append(b, unsafe.Slice((*byte)(h.data), h.len)...)
			}
		case part.kind == timeKind:
			b = binary.LittleEndian.AppendUint64(b, uint64((*time.Time)(q).UnixMicro()))
		case part.size == 1:
			b = append(b, *(*byte)(q))
		case part.size == 2:
			b = binary.LittleEndian.AppendUint16(b, *(*uint16)(q))
		case part.size == 4:
			b = binary.LittleEndian.AppendUint32(b, *(*uint32)(q))
		case part.size == 16: // a decimal: of one scale, so that equal numbers are equal bytes
			b = append(b, unsafe.Slice((*byte)(q), 16)...)
		default:
			b = binary.LittleEndian.AppendUint64(b, *(*uint64)(q))
		}
	}
	return b
}

// nullFlag goes before a null in a key, 1 before a value.
func nullFlag() byte {
	if fault.Planted("P25-null-key") {
		return 1
	}
	return 0
}

func (p *keyPart) appendNull(b []byte) []byte {
	flag := nullFlag()
	b = append(append(b, flag), make([]byte, p.size)...)
	if p.size == 0 && flag == 1 {
		b = append(b, 0) // the fault: it looks like an empty string
	}
	return b
}

// AppendKeyColumns is AppendKeys from columns of this codec's schema.
func (c *Codec) AppendKeyColumns(cols []arrow.Array, k *Keys) error {
	assert.True(c.keyErr == nil, "keys of a type that may not be one: %v", c.keyErr)
	if c.flatKey() {
		_, err := c.check(cols)
		if err == nil {
			c.AppendVecKeys(col.FromArrays(c.schema, cols).Cols, nil, k)
		}
		return err
	}
	if len(c.keys) > 1 || c.cols[0].kind == structKind || !(c.textKey() || c.keyWidth == 8) {
		rows, err := c.Rows(cols, nil)
		if err == nil {
			c.AppendKeys(rows, k)
		}
		return err
	}
	n, err := c.check(cols)
	if err != nil || n == 0 {
		return err
	}
	c.begin(k, n)
	in := whole(cols[0].Data())
	if c.textKey() {
		offs, b := in.offsets(), in.buf(2)
		for i := range n {
			start := len(k.Data)
			k.add(append(k.Data, b[offs[i]:offs[i+1]]...), start)
		}
		return nil
	}
	for _, v := range batch.As[uint64](in.buf(1))[in.off : in.off+n] {
		start := len(k.Data)
		k.add(binary.LittleEndian.AppendUint64(k.Data, v), start)
	}
	return nil
}
