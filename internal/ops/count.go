package ops

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Count gives the number of rows, in the first reduce partition.
func Count(val *row.Codec) Shuffle {
	return Shuffle{
		Inputs: []task.Input{{Schema: ValSchema(val), New: func() task.Writer { return &rowCounter{val: val} }}},
		New:    func() task.Reducer { return rowCountReducer{val} },
	}
}

// rowCounter counts a task's rows and sends one number to the first reduce partition.
type rowCounter struct {
	val  *row.Codec
	rows int64
}

// Add counts the chunk.
func (w *rowCounter) Add(_ *task.Context, in task.Chunk) error {
	w.rows += int64(in.N)
	return nil
}

// Flush makes the one block.
func (w *rowCounter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if w.rows > 0 {
		out[0] = array.NewRecord(w.val.Schema(), w.val.Columns([]int64{w.rows}, nil), 1)
	}
	w.rows = 0
	return out, nil
}

// rowCountReducer adds the tasks' numbers up in the first reduce partition; the others emit nothing.
type rowCountReducer struct{ val *row.Codec }

// Reduce emits the sum.
func (r rowCountReducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if ctx.Partition != 0 {
		return nil
	}
	var sum int64
	for _, rec := range in[0] {
		counts, err := RowsOf[int64](r.val, rec.Columns())
		if err != nil {
			return err
		}
		for _, n := range counts {
			sum += n
		}
	}
	return emit(task.Chunk{N: 1, Vals: []int64{sum}})
}
