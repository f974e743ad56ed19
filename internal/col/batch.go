package col

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
)

// Batch is a run of rows as columns: what task.Chunk.Vals holds in a Frame (a *Batch). It is immutable.
type Batch struct {
	Schema *arrow.Schema
	Cols   []*Vec  // in the schema's order, each of N values; nil for columns that nobody reads (rdd.Columns)
	N      int     // rows in the columns
	Sel    []int32 // the rows that count, ascending; nil: all N
}

// Len is how many rows count.
func (b *Batch) Len() int {
	if b.Sel != nil {
		return len(b.Sel)
	}
	return b.N
}

// Of is whole columns as a batch.
func Of(schema *arrow.Schema, n int, cols ...*Vec) *Batch {
	return &Batch{Schema: schema, Cols: cols, N: n}
}

// Dense is b with the rows that count only: Sel is nil. It is b where that is so already.
func (b *Batch) Dense() *Batch {
	if b.Sel == nil {
		return b
	}
	out := &Batch{Schema: b.Schema, N: len(b.Sel), Cols: make([]*Vec, len(b.Cols))}
	for i, c := range b.Cols {
		out.Cols[i] = c.Take(b.Sel)
	}
	return out
}

// Where is b with those of its rows that idx, numbers of physical rows, ascending, has.
func (b *Batch) Where(idx []int32) *Batch {
	return &Batch{Schema: b.Schema, Cols: b.Cols, N: b.N, Sel: idx}
}

// physical are the numbers of the rows idx (nil: all) among those that count.
func (b *Batch) physical(idx []int32) []int32 {
	switch {
	case b.Sel == nil:
		return idx
	case idx == nil:
		return b.Sel
	}
	return take(b.Sel, idx)
}

// Read is b with only the columns that are there.
func (b *Batch) Read() *Batch {
	if !slices.Contains(b.Cols, nil) {
		return b
	}
	var there []int
	for i, c := range b.Cols {
		if c != nil {
			there = append(there, i)
		}
	}
	return b.Choose(there)
}

// Marked are the numbers of the columns that are marked, not nil.
func Marked(marks []bool) []int {
	numbers := []int{}
	for i, m := range marks {
		if m {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// Choose is b with the columns of those numbers only.
func (b *Batch) Choose(numbers []int) *Batch {
	out := &Batch{Schema: batch.Columns(b.Schema, numbers), N: b.N, Sel: b.Sel, Cols: make([]*Vec, len(numbers))}
	for i, n := range numbers {
		out.Cols[i] = b.Cols[n]
	}
	return out
}

// Arrays are the rows idx of those that count (nil: all) as Arrow arrays that share no memory with b, nested columns apart.
func (b *Batch) Arrays(idx []int32) []arrow.Array {
	rows := b.physical(idx)
	out := make([]arrow.Array, len(b.Cols))
	for i, c := range b.Cols {
		out[i] = c.ToArray(rows)
	}
	return out
}

// Record is the rows that count as a record.
func (b *Batch) Record() arrow.Record {
	return array.NewRecord(b.Schema, b.Arrays(nil), int64(b.Len()))
}

// FromArrays is columns of a schema as a batch. Text aliases the arrays' memory. The arrays must be checked (row.Codec.Rows and batch.Unmarshal do) and of
// the schema's types.
func FromArrays(schema *arrow.Schema, cols []arrow.Array) *Batch {
	b := &Batch{Schema: schema, Cols: make([]*Vec, len(cols))}
	for i, c := range cols {
		b.Cols[i] = FromArray(c)
	}
	if len(cols) > 0 {
		b.N = cols[0].Len()
	}
	return b
}

// FromRecord is a record as a batch, as FromArrays is.
func FromRecord(rec arrow.Record) *Batch {
	b := FromArrays(rec.Schema(), rec.Columns())
	b.N = int(rec.NumRows())
	return b
}

// Spread is the opposite of Choose: b under a schema of more columns, its own at the places numbers, the others nil.
func (b *Batch) Spread(schema *arrow.Schema, numbers []int) *Batch {
	out := &Batch{Schema: schema, N: b.N, Sel: b.Sel, Cols: make([]*Vec, schema.NumFields())}
	for i, n := range numbers {
		out.Cols[n] = b.Cols[i]
	}
	return out
}
