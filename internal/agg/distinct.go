package agg

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

func distinctOf(_ expr.Agg, args []arrow.DataType) (kind, error) {
	if _, err := scalar(args[0]); err != nil {
		return kind{}, err
	}
	return kind{
		partial: []arrow.Field{{Name: "values", Type: bytesType}}, result: arrow.Field{Type: int64Type},
		new: func() state { return &distinct{seen: row.NewDict(0)} },
	}, nil
}

// appendValue appends what makes value i different from others.
func appendValue(b []byte, v *col.Vec, i int32) []byte {
	switch v.Kind {
	case col.Text:
		return append(b, v.Texts[i]...)
	case col.Int:
		return binary.LittleEndian.AppendUint64(b, uint64(v.Ints[i]))
	case col.Uint:
		return binary.LittleEndian.AppendUint64(b, v.Uints[i])
	case col.Float:
		return binary.LittleEndian.AppendUint64(b, floatBits(v.Floats[i]))
	case col.Decimal:
		d := v.Decimals[i]
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, d.LowBits()), uint64(d.HighBits()))
	}
	if v.Bools[i] {
		return append(b, 1)
	}
	return append(b, 0)
}

// floatBits are a float's bits: one zero, one NaN.
func floatBits(f float64) uint64 {
	switch {
	case f == 0:
		f = 0
	case f != f:
		f = math.NaN()
	}
	return math.Float64bits(f)
}

// distinct is the different values of all groups: keys of group and value, and for each group a chain through those that are its own, in order of first appearance.
// The limit is that of a row.Dict: 4 GiB a task.
type distinct struct {
	seen  *row.Dict
	next  []int32 // by number of a key: the group's next, -1 the last
	heads []chain // by group

	keys row.Keys
	nums []int32
}

// chain is a list of numbers.
type chain struct {
	first, last int32
	n           int64 // 0: empty
}

func (s *distinct) grow(n int) { s.heads = grown(s.heads, n) }

func (s *distinct) reset() {
	s.seen.Reset()
	s.next, s.heads = s.next[:0], s.heads[:0]
}

func (s *distinct) add(args []*col.Vec, rows, idx []int32) {
	s.keys.Reset()
	var b []byte
	for i, g := range idx {
		b = appendValue(binary.LittleEndian.AppendUint32(b[:0], uint32(g)), args[0], rows[i])
		s.keys.Append(b)
	}
	s.take(idx)
}

// take links the keys that are new, each behind its group's last.
func (s *distinct) take(idx []int32) {
	s.nums = sized(s.nums, s.keys.Len())
	s.seen.Add(&s.keys, s.nums)
	for i, n := range s.nums {
		if int(n) == len(s.next) {
			s.next = s.heads[idx[i]].link(s.next)
		}
	}
}

// link appends the number len(next) to the chain.
func (c *chain) link(next []int32) []int32 {
	n := int32(len(next))
	if c.n == 0 {
		c.first = n
	} else {
		next[c.last] = n
	}
	c.last = n
	c.n++
	return append(next, -1)
}

func (s *distinct) merge(cols []*col.Vec, idx []int32) {
	s.keys.Reset()
	var b []byte
	var of []int32
	for i, g := range idx {
		for rest := cols[0].Texts[i]; rest != ""; {
			n, w := uvarint(rest)
			assert.True(w > 0 && n <= uint64(len(rest)-w), "values of a distinct count that end too early")
			b = append(binary.LittleEndian.AppendUint32(b[:0], uint32(g)), rest[w:w+int(n)]...)
			s.keys.Append(b)
			of = append(of, g)
			rest = rest[w+int(n):]
		}
	}
	s.take(of)
}

// uvarint is binary.Uvarint of a string.
func uvarint(s string) (uint64, int) {
	var x uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		x |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return x, i + 1
		}
	}
	return 0, 0
}

// partials are a group's values one behind the other, each behind its length.
func (s *distinct) partials(idx []int32) []*col.Vec {
	out, all := col.New(bytesType, len(idx)), s.seen.Keys()
	var b []byte
	for i, g := range idx {
		b = b[:0]
		c := s.heads[g]
		for n, at := c.n, c.first; n > 0; n, at = n-1, s.next[at] {
			v := all.Key(int(at))[4:]
			b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
		}
		out.Texts[i] = string(b)
	}
	return []*col.Vec{out}
}

func (s *distinct) results(idx []int32) *col.Vec {
	out := col.New(int64Type, len(idx))
	for i, g := range idx {
		out.Ints[i] = s.heads[g].n
	}
	return out
}

func sketchedDistinct(_ expr.Agg, args []arrow.DataType) (kind, error) {
	if _, err := scalar(args[0]); err != nil {
		return kind{}, err
	}
	return kind{
		partial: []arrow.Field{{Name: "hll", Type: bytesType}}, result: arrow.Field{Type: int64Type},
		new: func() state { return &sketches[hll, *hll]{typ: int64Type, put: hashed, result: estimated} },
	}, nil
}

func hashed(h *hll, v *col.Vec, row int32) {
	var room [64]byte
	h.add(xxh3.Hash(appendValue(room[:0], v, row)))
}

func estimated(h *hll, out *col.Vec, i int) { out.Ints[i] = int64(math.Round(h.estimate())) }
