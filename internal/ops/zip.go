package ops

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// ZipWithIndex gives index(rows, n) for runs of rows, n the number of the first of them: from 0, without gaps, in (upstream partition, row) order.
// The rows stay spread over the partitions; within one, numbers ascend. Both inputs are the same rows.
func ZipWithIndex[T, U any](val, count *row.Codec, index func(rows []T, first int64) []U) Shuffle {
	z := &zipper[T, U]{val: val, count: count, index: index}
	return Shuffle{
		Inputs: []task.Input{
			{Schema: ValSchema(count), New: func() task.Writer { return &taskCounter{rowCounter{val: count}} }},
			{Schema: ValSchema(val), New: func() task.Writer { return &sliceWriter{val: val} }},
		},
		New: func() task.Reducer { return z },
	}
}

// taskCounter tells every partition how many rows the task has.
type taskCounter struct{ rowCounter }

// Flush makes the blocks.
func (w *taskCounter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out, err := w.rowCounter.Flush(ctx)
	for p := range out {
		out[p] = out[0]
	}
	return out, err
}

// sliceOf is the part [lo, hi) of a task's n rows that goes to partition p.
func sliceOf(n int64, p int, l *task.Layout) (lo, hi int64) {
	return n * int64(p) / int64(l.Reduce), n * int64(p+1) / int64(l.Reduce)
}

// sliceWriter cuts a task's rows into equal slices, one a partition.
type sliceWriter struct {
	val  *row.Codec
	recs []arrow.Record
}

// Add keeps the chunk as columns.
func (w *sliceWriter) Add(_ *task.Context, in task.Chunk) error {
	w.recs = append(w.recs, array.NewRecord(w.val.Schema(), w.val.Columns(in.Vals, nil), int64(in.N)))
	return nil
}

// Flush makes the blocks.
func (w *sliceWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if len(w.recs) == 0 {
		return out, nil
	}
	all := batch.Concat(w.recs)
	w.recs = nil
	for p := range out {
		if lo, hi := sliceOf(all.NumRows(), p, ctx.Layout); lo < hi {
			out[p] = all.NewSlice(lo, hi)
		}
	}
	return out, nil
}

// zipper numbers the slices: those of a task begin behind all rows of the tasks before it.
type zipper[T, U any] struct {
	val, count *row.Codec
	index      func(rows []T, first int64) []U
}

// Reduce numbers the rows. in[0] is the tasks' numbers of rows; the tasks whose slice for this partition is not empty stand in in[1], in the same order.
func (r *zipper[T, U]) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	before, slices := int64(0), in[1]
	for _, rec := range in[0] {
		counts, err := RowsOf[int64](r.count, rec.Columns())
		if err != nil {
			return err
		}
		for _, n := range counts {
			lo, hi := sliceOf(n, ctx.Partition, ctx.Layout)
			if lo < hi {
				if len(slices) == 0 || slices[0].NumRows() != hi-lo {
					return fmt.Errorf("rows and numbers of rows do not agree: %d slices are left where one of %d rows is next", len(slices), hi-lo)
				}
				rows, err := RowsOf[T](r.val, slices[0].Columns())
				if err != nil {
					return err
				}
				if err := EmitValues(emit, r.index(rows, before+lo)); err != nil {
					return err
				}
				slices = slices[1:]
			}
			before += n
		}
	}
	return nil
}
