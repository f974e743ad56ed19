package expr

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// Split is a text as a list of its parts between separators. An empty separator parts all characters.
func (e Expr) Split(separator string) Expr { return newCall("split", e).set(separator) }

// At is element i of a list, counted from 0; from the end where i is negative. It is null where there is none.
func (e Expr) At(i any) Expr { return newCall("at", e, i) }

// Field is a field of a struct.
func (e Expr) Field(name string) Expr { return newCall("field", e).set(name) }

// Get is the value of a key in a map, null where it has none.
func (e Expr) Get(key string) Expr { return newCall("get", e).set(key) }

func init() {
	register(bindSplit, "split")
	register(bindAt, "at")
	register(bindField, "field")
	register(bindGet, "get")
}

// offsetsOf are the places in the child where the rows of a list or map begin and end.
func offsetsOf(a arrow.Array) []int32 {
	d := a.Data()
	if d.Len() == 0 {
		return []int32{0}
	}
	return batch.As[int32](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()+1]
}

func listLengths(f *frame, out *col.Vec, in []*col.Vec) {
	at := offsetsOf(in[0].Arrow())
	for i := range f.n {
		out.Ints[i] = int64(at[i+1] - at[i])
	}
}

// textList is the type of what Split makes.
var textList = arrow.ListOfNonNullable(textType)

func bindSplit(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	separator := c.text(0)
	return heavy(viewed(textList, args[0], args[0].nullable, func(f *frame, v *col.Vec) *col.Vec {
		p := &col.Parts{Ends: make([]int32, f.n), Null: nullsIn(v.Null, f.n)}
		if len(separator) == 1 {
			splitAt(p, v.Texts[:f.n], separator)
		} else {
			for i, s := range v.Texts[:f.n] {
				if p.Null == nil || !p.Null[i] {
					p.Texts = appendParts(p.Texts, s, separator)
				}
				p.Ends[i] = int32(len(p.Texts))
			}
		}
		return col.OfParts(textList, p)
	})), nil
}

// nullsIn are the first n flags of nulls, nil if none is set.
func nullsIn(null []bool, n int) []bool {
	if null == nil || !slices.Contains(null[:n], true) {
		return nil
	}
	return slices.Clone(null[:n])
}

// splitAt is Split at one byte, with memory of the right size. The parts are those of the texts, not copies.
func splitAt(p *col.Parts, texts []string, separator string) {
	parts := 0
	for _, s := range texts {
		parts += strings.Count(s, separator) + 1
	}
	p.Texts = make([]string, parts)
	n := 0
	for i, s := range texts {
		if p.Null == nil || !p.Null[i] {
			n += cutAt(p.Texts[n:], s, separator[0])
		}
		p.Ends[i] = int32(n)
	}
	p.Texts = p.Texts[:n]
}

// cutAt writes the parts of a text to out, and is their number. It looks at eight bytes at a time: behind the last eight, at the last eight again, without what it has seen.
func cutAt(out []string, s string, sep byte) (n int) {
	from := 0
	if len(s) >= 8 {
		in := unsafe.Slice(unsafe.StringData(s), len(s))
		for i := 0; i < len(in); i += 8 {
			seen := max(0, i+8-len(in))
			at := i - seen
			x := binary.LittleEndian.Uint64(in[at:]) ^ everyByte*uint64(sep)
			found := ^(x&^highBits + ^uint64(highBits) | x) & highBits
			for found = found >> (8 * seen) << (8 * seen); found != 0; found &= found - 1 {
				to := at + bits.TrailingZeros64(found)>>3
				out[n] = s[from:to]
				n, from = n+1, to+1
			}
		}
	} else {
		for i := range len(s) {
			if s[i] == sep {
				out[n] = s[from:i]
				n, from = n+1, i+1
			}
		}
	}
	out[n] = s[from:]
	return n + 1
}

func appendParts(parts []string, s, separator string) []string {
	if separator == "" {
		for s != "" {
			n := skip(s, 1)
			parts, s = append(parts, s[:n]), s[n:]
		}
		return parts
	}
	for {
		part, rest, more := strings.Cut(s, separator)
		if parts = append(parts, part); !more {
			return parts
		}
		s = rest
	}
}

// bitmap is the validity of n values with the given nulls; nil if there are none.
func bitmap(null []bool, n int) (*memory.Buffer, int) {
	if null == nil || !slices.Contains(null[:n], true) {
		return nil, 0
	}
	valid, nulls := batch.Alloc((n+7)/8), 0
	for i, is := range null[:n] {
		if is {
			nulls++
		} else {
			valid[i>>3] |= 1 << (i & 7)
		}
	}
	return memory.NewBufferBytes(valid), nulls
}

// elementKind is the kind of what is taken out of a list or map, which must be plain.
func elementKind(what *Bound, t arrow.DataType) error {
	if k, ok := col.KindOf(t); !ok || k == col.Nested {
		return fmt.Errorf("%s is %s; only plain values are taken out", what.expr, words(what.typ))
	}
	return nil
}

func bindAt(c *call) (*Bound, error) {
	args, err := c.texts(1)
	if c.args[0].typ.ID() != arrow.LIST {
		return nil, fmt.Errorf("%s is %s, not a list", c.args[0].expr, words(c.args[0].typ))
	}
	if index := c.args[1]; numeric(index) || index.isNull() { // texts refuses the list
		args, err = (&call{args: []*Bound{nullOf(textType), index}}).texts(1)
	}
	if err != nil {
		return nil, err
	}
	list := c.args[0]
	t := list.typ.(*arrow.ListType).Elem()
	if err := elementKind(list, t); err != nil {
		return nil, err
	}
	return looped(t, []*Bound{list, args[1]}, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		at := offsetsOf(in[0].Arrow())
		places := make([]int32, f.n)
		for i := range places {
			n, index := int64(at[i+1]-at[i]), in[1].Ints[i]
			if index < 0 {
				index += n
			}
			if places[i] = -1; index >= 0 && index < n {
				places[i] = at[i] + int32(index)
			}
		}
		pickFrom(out, in[0].Arrow().Data().Children()[0], places)
	}), nil
}

// pickFrom sets out to the values at the places of an array, null for -1.
func pickFrom(out *col.Vec, data arrow.ArrayData, places []int32) {
	from := col.FromArray(array.MakeFromData(data))
	var rows, idx []int32
	for i, p := range places {
		if p < 0 || from.IsNull(int(p)) || out.Null != nil && out.Null[i] {
			out.SetNull(i)
			continue
		}
		rows, idx = append(rows, int32(i)), append(idx, p)
	}
	out.Put(rows, from.Take(idx))
}

func bindField(c *call) (*Bound, error) {
	a, name := c.args[0], c.text(0)
	t, ok := a.typ.(*arrow.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is %s, not a struct", a.expr, words(a.typ))
	}
	at, ok := t.FieldIdx(name)
	if !ok {
		return nil, unknownColumn(arrow.NewSchema(t.Fields(), nil), name)
	}
	f := t.Field(at)
	if _, ok := col.KindOf(f.Type); !ok {
		return nil, fmt.Errorf("field %q is %s, which expressions do not read", name, f.Type)
	}
	return viewed(f.Type, a, a.nullable || f.Nullable, func(_ *frame, v *col.Vec) *col.Vec {
		kid := v.Arrow().(*array.Struct).Field(at)
		if v.Arrow().NullN() == 0 {
			return col.FromArray(kid)
		}
		null := nullsOf(v)
		for i := range null {
			null[i] = null[i] || kid.IsNull(i)
		}
		if kid.DataType().ID() == arrow.STRUCT || kid.DataType().ID() == arrow.LIST || kid.DataType().ID() == arrow.MAP {
			return &col.Vec{Type: f.Type, Kind: col.Nested, N: v.N, Array: withNulls(kid, null)}
		}
		out := *col.FromArray(kid)
		all := make([]int32, v.N)
		for i := range all {
			all[i] = int32(i)
		}
		out = *out.Take(all) // its own memory
		out.Null = null
		out.ZeroNulls()
		return &out
	}), nil
}

// withNulls is an array with other nulls.
func withNulls(a arrow.Array, null []bool) arrow.Array {
	d := a.Data()
	shifted := make([]bool, d.Offset()+d.Len())
	copy(shifted[d.Offset():], null)
	valid, nulls := bitmap(shifted, len(shifted))
	bufs := append([]*memory.Buffer{valid}, d.Buffers()[1:]...)
	return array.MakeFromData(array.NewData(d.DataType(), d.Len(), bufs, d.Children(), nulls, d.Offset()))
}

func bindGet(c *call) (*Bound, error) {
	a, key := c.args[0], c.text(0)
	t, ok := a.typ.(*arrow.MapType)
	if !ok || t.KeyType().ID() != arrow.STRING {
		return nil, fmt.Errorf("%s is %s, not a map", a.expr, words(a.typ))
	}
	if err := elementKind(a, t.ItemType()); err != nil {
		return nil, err
	}
	return looped(t.ItemType(), []*Bound{a}, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		at := offsetsOf(in[0].Arrow())
		pairs := in[0].Arrow().(*array.Map).ListValues().(*array.Struct)
		keys := pairs.Field(0).(*array.String)
		places := make([]int32, f.n)
		for i := range places {
			places[i] = -1
			for j := at[i]; j < at[i+1]; j++ {
				if keys.Value(int(j)) == key {
					places[i] = j
					break
				}
			}
		}
		pickFrom(out, pairs.Field(1).Data(), places)
	}), nil
}
