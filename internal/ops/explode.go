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
	list := b.Cols[at].Array.(*array.List)
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
