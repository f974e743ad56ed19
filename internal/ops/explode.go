package ops

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// Explode gives a row for each element of the list in column at, which the element takes the place of; schema is that of the result. outer keeps rows whose list
// is empty, with null.
func Explode(schema *arrow.Schema, at int, outer bool) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			out := exploded(schema, b, at, outer)
			return task.Chunk{N: out.N, Vals: out}, nil
		})
	}
}

func exploded(schema *arrow.Schema, b *col.Batch, at int, outer bool) *col.Batch {
	b = b.Dense()
	if p := b.Cols[at].Parts; p != nil && !outer {
		elems := &col.Vec{Type: schema.Field(at).Type, Kind: col.Text, N: len(p.Texts), Texts: p.Texts}
		return whole(schema, b, at, elems, func() []int32 { return owners(p.Ends, len(p.Texts)) })
	}
	list := b.Cols[at].Arrow().(*array.List)
	if !outer && list.NullN() == 0 {
		from, until := int64(0), int64(0)
		if b.N > 0 {
			from, _ = list.ValueOffsets(0)
			_, until = list.ValueOffsets(b.N - 1)
		}
		elems := col.FromArray(array.NewSlice(list.ListValues(), from, until))
		return whole(schema, b, at, elems, func() []int32 { return parents(list, b.N, elems.N) })
	}
	return picked(schema, b, at, list, outer)
}

// whole is exploded where all elements become rows: they lie one behind the other, and stay where they are. parents gives the row of each.
func whole(schema *arrow.Schema, b *col.Batch, at int, elems *col.Vec, parents func() []int32) *col.Batch {
	out := &col.Batch{Schema: schema, N: elems.N, Cols: make([]*col.Vec, len(b.Cols))}
	var rows []int32
	for i, v := range b.Cols {
		switch {
		case i == at:
			out.Cols[i] = elems
		case v != nil:
			if rows == nil {
				rows = parents()
			}
			out.Cols[i] = v.Take(rows)
		}
	}
	return out
}

// owners is the row of each of total elements of lists that end there.
func owners(ends []int32, total int) []int32 {
	rows := make([]int32, 0, total)
	for i, end := range ends {
		for len(rows) < int(end) {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

// parents is the row of each of total elements of n lists.
func parents(list *array.List, n, total int) []int32 {
	rows := make([]int32, 0, total)
	for i := range n {
		for from, until := list.ValueOffsets(i); from < until; from++ {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

// picked is exploded element by element.
func picked(schema *arrow.Schema, b *col.Batch, at int, list *array.List, outer bool) *col.Batch {
	rows, elems, empty := []int32{}, []int32{}, []int32(nil) // empty: places of rows without elements
	for i := range b.N {
		from, until := list.ValueOffsets(i)
		if list.IsNull(i) {
			until = from
		}
		for e := from; e < until; e++ {
			rows, elems = append(rows, int32(i)), append(elems, int32(e))
		}
		if from == until && outer {
			empty = append(empty, int32(len(rows)))
			rows, elems = append(rows, int32(i)), append(elems, 0)
		}
	}
	out := &col.Batch{Schema: schema, N: len(rows), Cols: make([]*col.Vec, len(b.Cols))}
	for i, v := range b.Cols {
		switch {
		case i != at:
			out.Cols[i] = v.Take(rows)
		case len(empty) == len(rows) && outer:
			out.Cols[i] = col.New(schema.Field(at).Type, len(rows))
		default:
			out.Cols[i] = col.FromArray(list.ListValues()).Take(elems)
		}
	}
	for _, i := range empty {
		out.Cols[at].SetNull(int(i))
	}
	return out
}
