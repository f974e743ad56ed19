package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Reduce combines all rows of each batch into one by f, which must be associative: rows are combined in order of (source partition, offset),
// first within each task, then across tasks. A batch without rows gives nothing.
func (s Stream[T]) Reduce(f func(a, b T) T) Stream[T] {
	at := caller()
	need(s.job, at, "Reduce", f == nil)
	o := &fold[T]{val: s.node.Val, f: normalised(s.node.Val, f)}
	return Stream[T]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "reduce", In: []*rdd.Node{s.node}, Val: o.val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{{Schema: valSchema(o.val), New: func() rdd.Writer { return &foldWriter[T]{fold: o} }}},
			New:    func() rdd.Reducer { return o },
		},
	})}
}

type fold[T any] struct {
	val *row.Codec
	f   func(a, b T) T
}

// into combines rows with those of before, at most one, into one.
func (o *fold[T]) into(before, rows []T) []T {
	if len(before) == 0 && len(rows) > 0 {
		before, rows = []T{rows[0]}, rows[1:]
	}
	for i := range rows {
		before[0] = o.f(before[0], rows[i])
	}
	return before
}

// Reduce combines what the tasks sent to the first partition.
func (o *fold[T]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	var sum []T
	for _, rec := range in[0] {
		rows, err := rowsOf[T](o.val, rec.Columns())
		if err != nil {
			return err
		}
		sum = o.into(sum, rows)
	}
	return emitValues(emit, sum)
}

// foldWriter combines a task's rows before anything is sent.
type foldWriter[T any] struct {
	*fold[T]
	sum []T // one row at most
}

// Add combines the chunk's rows with those before it.
func (w *foldWriter[T]) Add(_ *rdd.Context, in rdd.Chunk) error {
	w.sum = w.into(w.sum, in.Vals.([]T))
	return nil
}

// Flush makes the one block.
func (w *foldWriter[T]) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	rows := w.sum
	w.sum = nil
	return toFirst(ctx, w.val, rows), nil
}

// toFirst are blocks that bring rows to the first reduce partition.
func toFirst[T any](ctx *rdd.Context, val *row.Codec, rows []T) []arrow.Record {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if len(rows) > 0 {
		out[0] = array.NewRecord(val.Schema(), val.Columns(rows, nil), int64(len(rows)))
	}
	return out
}
