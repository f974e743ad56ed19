package ops

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Fold combines all rows into one by f, in the first reduce partition: in order, first within each task, then across tasks. No rows give nothing.
func Fold[T any](val *row.Codec, f func(a, b T) T) Shuffle {
	o := &fold[T]{val: val, f: Normalised(val, f)}
	return Shuffle{
		Inputs: []task.Input{{Schema: ValSchema(val), New: func() task.Writer { return &foldWriter[T]{fold: o} }}},
		New:    func() task.Reducer { return o },
	}
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
func (o *fold[T]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	var sum []T
	for _, rec := range in[0] {
		rows, err := RowsOf[T](o.val, rec.Columns())
		if err != nil {
			return err
		}
		sum = o.into(sum, rows)
	}
	return EmitValues(emit, sum)
}

// foldWriter combines a task's rows before anything is sent.
type foldWriter[T any] struct {
	*fold[T]
	sum []T // one row at most
}

// Add combines the chunk's rows with those before it.
func (w *foldWriter[T]) Add(_ *task.Context, in task.Chunk) error {
	w.sum = w.into(w.sum, in.Vals.([]T))
	return nil
}

// Flush makes the one block.
func (w *foldWriter[T]) Flush(ctx *task.Context) ([]arrow.Record, error) {
	rows := w.sum
	w.sum = nil
	return ToFirst(ctx, w.val, rows), nil
}
