package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Count is the number of rows of each batch: one row, 0 for a batch without any. With a fixed interval it makes a batch at every tick (P28).
func (s Stream[T]) Count() Stream[int64] {
	at := caller()
	val := codec[int64](s.job, at)
	return Stream[int64]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "count", In: []*rdd.Node{s.node}, Val: val,
		Wide: &rdd.WideSpec{
			Inputs:  []rdd.Input{{Schema: val.Schema(), New: func() rdd.Writer { return &rowCounter{val: val} }}},
			New:     func() rdd.Reducer { return rowCountReducer{val} },
			OnEmpty: true,
		},
	})}
}

// rowCounter counts a task's rows and sends one number to the first reduce partition.
type rowCounter struct {
	val  *row.Codec
	rows int64
}

// Add counts the chunk.
func (w *rowCounter) Add(_ *rdd.Context, in rdd.Chunk) error {
	w.rows += int64(in.N)
	return nil
}

// Flush makes the one block.
func (w *rowCounter) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
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
func (r rowCountReducer) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if ctx.Partition != 0 {
		return nil
	}
	var sum int64
	for _, rec := range in[0] {
		counts, err := rowsOf[int64](r.val, rec.Columns())
		if err != nil {
			return err
		}
		for _, n := range counts {
			sum += n
		}
	}
	return emit(rdd.Chunk{N: 1, Vals: []int64{sum}})
}
