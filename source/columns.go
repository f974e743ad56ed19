package source

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// columns is a Format's decoder for jobs that read columns. Records become rows as in decoder, so that the same ones are bad, in memory that stays in the
// cache and is used again for the next chunk; columns are made of those rows that are wanted. Columns share nothing with rows but the block's texts.
type columns[T any] struct {
	decoder[T]
	codec *row.Codec
	read  []bool
	where conditions

	rows []T        // of the last chunk
	cond *col.Batch // the columns of rows that conditions read
}

func newColumns[T any](f Format[T], codec *row.Codec, p rdd.Projection) *columns[T] {
	d := &columns[T]{decoder: decoder[T]{f.reader(), f.limit}, codec: codec, read: p.Read, where: newConditions(p)}
	d.cond = &col.Batch{Schema: codec.Schema(), Cols: make([]*col.Vec, codec.Schema().NumFields())}
	for i, read := range conditionsRead(codec.Schema(), p) {
		if read {
			d.cond.Cols[i] = codec.Vec(i, nil, nil)
		}
	}
	return d
}

// Decode implements rdd.Decoder.
func (d *columns[T]) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	if cap(d.rows) < hi-lo {
		d.rows = make([]T, hi-lo)
	} else {
		d.rows = d.rows[:hi-lo]
		clear(d.rows)
	}
	n, at, bad := d.into(d.rows, b, lo, hi)
	rows := d.rows[:n:n]
	d.readConditions(rows)
	return d.where.answer(d.cond, at, lo, bad, func(idx []int32) *col.Batch { return d.batch(rows, idx) })
}

// readConditions makes the columns that conditions read.
func (d *columns[T]) readConditions(rows []T) {
	d.cond.N = len(rows)
	for i, v := range d.cond.Cols {
		if v != nil {
			d.cond.Cols[i] = d.codec.Vec(i, rows, v)
		}
	}
}

// batch is rows idx (nil: all) as the columns that are read.
func (d *columns[T]) batch(rows []T, idx []int32) *col.Batch {
	if texts, ok := any(rows).([]string); ok && idx == nil && d.read[0] { // the rows are the column: it keeps their memory
		d.rows = nil
		f := d.codec.Schema().Field(0)
		return col.Of(d.codec.Schema(), len(texts), &col.Vec{Type: f.Type, Kind: col.Text, N: len(texts), Texts: texts})
	}
	return d.codec.Batch(rows, idx, d.read)
}

// answer is what a decoder gives for a chunk of records from lo on: the rows of all that conditions want, of which batch makes a copy (nil: of all rows). at are the records that
// the rows of all came from, nil: from lo on; bad are those that are no rows.
func (c *conditions) answer(all *col.Batch, at []int32, lo int, bad []rdd.Bad, batch func(idx []int32) *col.Batch) (rdd.Chunk, []int32, []rdd.Bad) {
	if c.none() {
		return rdd.Chunk{N: all.N, Vals: batch(nil)}, at, bad
	}
	idx := c.pass(all)
	if len(idx) == 0 && fault.Planted("P13-filtered") {
		bad = nil
	}
	return rdd.Chunk{N: len(idx), Vals: batch(idx)}, recordsOf(at, idx, lo), bad
}

// recordsOf are the records that rows idx came from; at are those of all rows, nil: from lo on.
func recordsOf(at, idx []int32, lo int) []int32 {
	out := make([]int32, len(idx))
	for i, j := range idx {
		if at == nil {
			out[i] = int32(lo) + j
		} else {
			out[i] = at[j]
		}
	}
	return out
}

// conditions are what a row must meet to be wanted.
type conditions struct {
	evals []*expr.Eval
	idx   [2][]int32 // rows that pass, before and after a condition
}

func newConditions(p rdd.Projection) (c conditions) {
	for _, w := range p.Where {
		c.evals = append(c.evals, w.Eval())
	}
	return c
}

// conditionsRead marks the columns that the conditions of p read.
func conditionsRead(schema *arrow.Schema, p rdd.Projection) []bool {
	read := make([]bool, schema.NumFields())
	for _, w := range p.Where {
		for _, name := range w.Expr().Columns() {
			for _, i := range schema.FieldIndices(name) {
				read[i] = true
			}
		}
	}
	return read
}

func (c *conditions) none() bool { return len(c.evals) == 0 }

// pass are the rows of all, which is dense, that meet all conditions; there is at least one condition. They are valid until the next call.
func (c *conditions) pass(all *col.Batch) []int32 {
	b := all
	for i, w := range c.evals {
		if c.idx[i&1] == nil {
			c.idx[i&1] = make([]int32, 0, all.N)
		}
		c.idx[i&1] = w.Where(b, c.idx[i&1][:0])
		b = all.Where(c.idx[i&1])
	}
	return b.Sel
}
