package dstream

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Indexed is a row with its number in the batch, from 0.
type Indexed[T any] struct {
	Index int64 `arrow:"index"`
	Value T     `arrow:"value"`
}

// ZipWithIndex numbers the rows of each batch from 0, without gaps, in (upstream partition, row) order: for a source (partition,
// offset), behind a shuffle an order that depends on the layout (P27). U follows from the call. The rows stay spread over partitions;
// within one, numbers ascend.
func (s Stream[T]) ZipWithIndex[U Indexed[T]]() Stream[U] {
	at := caller()
	val, count, out := s.node.Val, codec[int64](s.job, at), codec[U](s.job, at)
	z := &zipper[T]{val: val, count: count, emit: func(rows []T, first int64, emit func(rdd.Chunk) error) error {
		us := make([]U, len(rows))
		for i := range rows {
			us[i] = U(Indexed[T]{first + int64(i), rows[i]})
		}
		return emitValues(emit, us)
	}}
	return Stream[U]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "zipWithIndex", In: []*rdd.Node{s.node, s.node}, Val: out,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{
				{Schema: valSchema(count), New: func() rdd.Writer { return &taskCounter{rowCounter{val: count}} }},
				{Schema: valSchema(val), New: func() rdd.Writer { return &sliceWriter{val: val} }},
			},
			New: func() rdd.Reducer { return z },
		},
	})}
}

// taskCounter tells every partition how many rows the task has.
type taskCounter struct{ rowCounter }

// Flush makes the blocks.
func (w *taskCounter) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	out, err := w.rowCounter.Flush(ctx)
	for p := range out {
		out[p] = out[0]
	}
	return out, err
}

// sliceOf is the part [lo, hi) of a task's n rows that goes to partition p.
func sliceOf(n int64, p int, l *rdd.Layout) (lo, hi int64) {
	return n * int64(p) / int64(l.Reduce), n * int64(p+1) / int64(l.Reduce)
}

// sliceWriter cuts a task's rows into equal slices, one a partition.
type sliceWriter struct {
	val  *row.Codec
	recs []arrow.Record
}

// Add keeps the chunk as columns.
func (w *sliceWriter) Add(_ *rdd.Context, in rdd.Chunk) error {
	w.recs = append(w.recs, array.NewRecord(w.val.Schema(), w.val.Columns(in.Vals, nil), int64(in.N)))
	return nil
}

// Flush makes the blocks.
func (w *sliceWriter) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
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
type zipper[T any] struct {
	val, count *row.Codec
	emit       func(rows []T, first int64, emit func(rdd.Chunk) error) error
}

// Reduce numbers the rows. in[0] is the tasks' numbers of rows; the tasks whose slice for this partition is not empty stand in in[1], in the same order.
func (r *zipper[T]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	before, slices := int64(0), in[1]
	for _, rec := range in[0] {
		counts, err := rowsOf[int64](r.count, rec.Columns())
		if err != nil {
			return err
		}
		for _, n := range counts {
			lo, hi := sliceOf(n, ctx.Partition, ctx.Layout)
			if lo < hi {
				if len(slices) == 0 || slices[0].NumRows() != hi-lo {
					return fmt.Errorf("rows and numbers of rows do not agree: %d slices are left where one of %d rows is next", len(slices), hi-lo)
				}
				rows, err := rowsOf[T](r.val, slices[0].Columns())
				if err != nil {
					return err
				}
				if err := r.emit(rows, before+lo, emit); err != nil {
					return err
				}
				slices = slices[1:]
			}
			before += n
		}
	}
	return nil
}
