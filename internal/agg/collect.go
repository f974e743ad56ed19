package agg

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// maxCollect bounds a list of Collect.
const maxCollect = 1 << 20

func collectOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	if _, err := scalar(args[0]); err != nil {
		return kind{}, err
	}
	limit := a.Param().(int)
	if limit < 1 || limit > maxCollect {
		return kind{}, fmt.Errorf("a list of at most %d values; want 1 to %d", limit, maxCollect)
	}
	elem := args[0]
	list := arrow.ListOfField(arrow.Field{Name: "item", Type: elem})
	return kind{
		partial: []arrow.Field{{Name: "values", Type: list}}, result: arrow.Field{Type: list},
		new: func() state { return &collect{list: list, limit: int64(limit), vals: newCells(elem)} },
	}, nil
}

// collect is the first values of each group: all values in order, and a chain through those of each group.
type collect struct {
	list  *arrow.ListType
	limit int64
	vals  *cells
	next  []int32
	heads []chain

	rows, places []int32
}

func (s *collect) grow(n int) { s.heads = grown(s.heads, n) }

func (s *collect) reset() {
	s.vals.reset()
	s.next, s.heads = s.next[:0], s.heads[:0]
}

func (s *collect) add(args []*col.Vec, rows, idx []int32) {
	s.rows, s.places = s.rows[:0], s.places[:0]
	for i, g := range idx {
		if c := &s.heads[g]; c.n < s.limit {
			s.rows, s.places = append(s.rows, rows[i]), append(s.places, int32(len(s.next)))
			s.next = c.link(s.next)
		}
	}
	s.vals.grow(len(s.next))
	s.vals.put(args[0], s.rows, s.places)
}

func (s *collect) merge(cols []*col.Vec, idx []int32) {
	in := cols[0].Arrow().(*array.List)
	var rows, of []int32
	for i, g := range idx {
		from, until := in.ValueOffsets(i)
		for at := from; at < until; at++ {
			rows, of = append(rows, int32(at)), append(of, g)
		}
	}
	s.add([]*col.Vec{col.FromArray(in.ListValues())}, rows, of)
}

func (s *collect) partials(idx []int32) []*col.Vec { return []*col.Vec{s.results(idx)} }

func (s *collect) results(idx []int32) *col.Vec {
	ends := batch.Alloc(4 * (len(idx) + 1))
	offs := batch.As[int32](ends)
	var order []int32
	for i, g := range idx {
		c := s.heads[g]
		for n, at := c.n, c.first; n > 0; n, at = n-1, s.next[at] {
			order = append(order, at)
		}
		offs[i+1] = int32(len(order))
	}
	assert.True(len(order) < 1<<31, "lists of %d values in one batch", len(order))
	if order == nil {
		order = []int32{}
	}
	elems := s.vals.take(order).ToArray(nil)
	d := array.NewData(s.list, len(idx), []*memory.Buffer{nil, memory.NewBufferBytes(ends)}, []arrow.ArrayData{elems.Data()}, 0, 0)
	return &col.Vec{Type: s.list, Kind: col.Nested, N: len(idx), Array: array.MakeFromData(d)}
}
