package join

import (
	"encoding/binary"
	"errors"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// packer writes rows of a schema in few bytes, one behind the other, so that rows can be added to those that are there and taken out without reading their
// values. A row is
//
//	length uvarint, of what follows │ flags 1 │ time uvarint, since a base │ bitmap of nulls │ values of columns that are not null
//
// in columns' order: integers as varints, floats as 8 bytes, text behind its length, lists and the like as row.Codec.Pack has them.
type packer struct {
	fields []arrow.Field
	skip   int          // the column of the time, which the row begins with
	nested []*row.Codec // by column; nil for plain ones
	bit    []int        // by column: its bit in the bitmap, -1 for none
	bitmap int          // bytes
}

// Flags of a packed row.
const (
	matched = 1 << iota // it has had a partner
	removed             // it is on its way out
)

func newPacker(schema *arrow.Schema, skip int) (*packer, error) {
	p := &packer{fields: schema.Fields(), skip: skip}
	bits := 0
	for i, f := range p.fields {
		bit := -1
		if f.Nullable && i != skip {
			bit = bits
			bits++
		}
		p.bit = append(p.bit, bit)
		var c *row.Codec
		if kind, _ := col.KindOf(f.Type); kind == col.Nested {
			var err error
			if c, err = row.OfSchema(arrow.NewSchema([]arrow.Field{f}, nil)); err != nil {
				return nil, err
			}
		}
		p.nested = append(p.nested, c)
	}
	p.bitmap = (bits + 7) / 8
	return p, nil
}

// packing is a packer at work on a batch.
type packing struct {
	*packer
	b    *col.Batch
	rows []any // by column: those of nested ones as Go values
	buf  []byte
}

func (p *packer) of(b *col.Batch) (*packing, error) {
	g := &packing{packer: p, b: b, rows: make([]any, len(p.fields))}
	for i, c := range p.nested {
		if c == nil {
			continue
		}
		var err error
		if g.rows[i], err = c.Rows([]arrow.Array{b.Cols[i].Array}, nil); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// append appends row i to out; since is its time since the base.
func (g *packing) append(out []byte, i int, flags byte, since uint64) []byte {
	b := append(g.buf[:0], flags)
	b = binary.AppendUvarint(b, since)
	nulls := len(b)
	for range g.bitmap {
		b = append(b, 0)
	}
	for c, v := range g.b.Cols {
		if c == g.skip {
			continue
		}
		if bit := g.bit[c]; bit >= 0 && v.IsNull(i) {
			b[nulls+bit>>3] |= 1 << (bit & 7)
			continue
		}
		if v.Kind == col.Nested {
			b = g.nested[c].Pack(b, g.rows[c], []int32{int32(i)})
			continue
		}
		b = appendValue(b, v, i)
	}
	g.buf = b
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func appendValue(b []byte, v *col.Vec, i int) []byte {
	switch v.Kind {
	case col.Bool:
		if v.Bools[i] {
			return append(b, 1)
		}
		return append(b, 0)
	case col.Int:
		return binary.AppendVarint(b, v.Ints[i])
	case col.Uint:
		return binary.AppendUvarint(b, v.Uints[i])
	case col.Float:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Floats[i]))
	case col.Text:
		return append(binary.AppendUvarint(b, uint64(len(v.Texts[i]))), v.Texts[i]...)
	}
	d := v.Decimals[i]
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, d.LowBits()), uint64(d.HighBits()))
}

var errPacked = errors.New("stored rows of a join are damaged")

// packed is a row as it was written.
type packed struct {
	flags int    // where they are in the data
	since uint64 // its time since the base
	rest  []byte // bitmap and values
	all   []byte // with its length
}

// next is the first row of data[at:], and where the one behind it begins.
func next(data []byte, at int) (r packed, end int, err error) {
	n, w := binary.Uvarint(data[at:])
	if w <= 0 || n < 2 || n > uint64(len(data)-at-w) {
		return r, 0, errPacked
	}
	r.flags = at + w
	end = r.flags + int(n)
	since, w := binary.Uvarint(data[r.flags+1 : end])
	if w <= 0 {
		return r, 0, errPacked
	}
	r.since, r.rest, r.all = since, data[r.flags+1+w:end], data[at:end]
	return r, end, nil
}

// unpack is packed rows as columns; times are the skipped column's values. Text aliases the rows' memory.
func (p *packer) unpack(schema *arrow.Schema, rows [][]byte, times []int64) (*col.Batch, error) {
	b := &col.Batch{Schema: schema, N: len(rows), Cols: make([]*col.Vec, len(p.fields))}
	at := make([]int, len(rows))
	for i, r := range rows {
		if at[i] = p.bitmap; len(r) < p.bitmap {
			return nil, errPacked
		}
	}
	for c, f := range p.fields {
		var err error
		switch {
		case c == p.skip:
			b.Cols[c] = &col.Vec{Type: f.Type, Kind: col.Int, N: len(rows), Ints: times}
		case p.nested[c] != nil:
			b.Cols[c], err = p.unpackNested(c, rows, at)
		default:
			b.Cols[c], err = p.unpackColumn(c, rows, at)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (p *packer) null(c int, row []byte) bool {
	bit := p.bit[c]
	return bit >= 0 && row[bit>>3]>>(bit&7)&1 == 1
}

func (p *packer) unpackColumn(c int, rows [][]byte, at []int) (*col.Vec, error) {
	v := col.New(p.fields[c].Type, len(rows))
	for i, r := range rows {
		if p.null(c, r) {
			v.SetNull(i)
			continue
		}
		n := readValue(v, i, r[at[i]:])
		if n <= 0 {
			return nil, errPacked
		}
		at[i] += n
	}
	return v, nil
}

// readValue sets value i to the one that b begins with, and is its length; 0: there is none.
func readValue(v *col.Vec, i int, b []byte) (n int) {
	switch v.Kind {
	case col.Bool:
		if len(b) > 0 {
			v.Bools[i], n = b[0] == 1, 1
		}
	case col.Int:
		v.Ints[i], n = binary.Varint(b)
	case col.Uint:
		v.Uints[i], n = binary.Uvarint(b)
	case col.Float:
		if len(b) >= 8 {
			v.Floats[i], n = math.Float64frombits(binary.LittleEndian.Uint64(b)), 8
		}
	case col.Text:
		size, w := binary.Uvarint(b)
		if w <= 0 || size > uint64(len(b)-w) {
			return 0
		}
		v.Texts[i] = ""
		if size > 0 {
			v.Texts[i] = unsafe.String(&b[w], int(size))
		}
		n = w + int(size)
	case col.Decimal:
		if len(b) >= 16 {
			v.Decimals[i], n = decimal128.New(int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint64(b)), 16
		}
	}
	return n
}

func (p *packer) unpackNested(c int, rows [][]byte, at []int) (*col.Vec, error) {
	codec := p.nested[c]
	var vals any
	for i, r := range rows {
		if p.null(c, r) {
			vals = codec.AppendZero(vals, 1)
			continue
		}
		all, rest, err := codec.Unpack(r[at[i]:], 1, vals)
		if err != nil {
			return nil, errPacked
		}
		vals, at[i] = all, len(r)-len(rest)
	}
	return col.FromArray(codec.Columns(vals, nil)[0]), nil
}
