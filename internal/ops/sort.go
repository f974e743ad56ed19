package ops

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Sort puts all rows in order in the first reduce partition, and gives the first limit of them (0: all). Equal rows stay in (block, row) order.
// Tasks sort what they have and send limit rows at most; one merges.
func Sort[T any](val *row.Codec, limit int, compare func(a, b T) int) Shuffle {
	o := &sorting[T]{val: val, compare: compare, limit: limit}
	return Shuffle{
		Inputs: []task.Input{{Schema: ValSchema(val), New: func() task.Writer { return &sortWriter[T]{sorting: o} }}},
		New:    func() task.Reducer { return o },
	}
}

// sorting is an order, and how many of the first rows in it are wanted.
type sorting[T any] struct {
	val     *row.Codec
	compare func(a, b T) int
	limit   int // 0: all
}

// sort sorts rows in place and gives those that are wanted.
func (o *sorting[T]) sort(rows []T) []T {
	if fault.Planted("I7-unstable") {
		slices.SortFunc(rows, o.compare)
	} else {
		slices.SortStableFunc(rows, o.compare)
	}
	return o.first(rows)
}

func (o *sorting[T]) first(rows []T) []T {
	if o.limit > 0 && len(rows) > o.limit {
		clear(rows[o.limit:])
		return rows[:o.limit]
	}
	return rows
}

// merge makes one of two sorted runs. Of equal rows those of a go first.
func (o *sorting[T]) merge(a, b []T) []T {
	out, bound := make([]T, 0, len(a)+len(b)), 0
	if fault.Planted("I7-merge") {
		bound = 1
	}
	for len(a) > 0 && len(b) > 0 {
		if o.compare(b[0], a[0]) < bound {
			out, b = append(out, b[0]), b[1:]
		} else {
			out, a = append(out, a[0]), a[1:]
		}
	}
	return o.first(append(append(out, a...), b...))
}

// Reduce merges the tasks' runs, neighbours first, so that each row is moved log(tasks) times.
func (o *sorting[T]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	var runs [][]T
	for _, rec := range in[0] {
		rows, err := RowsOf[T](o.val, rec.Columns())
		if err != nil {
			return err
		}
		runs = append(runs, rows)
	}
	for len(runs) > 1 {
		merged := runs[:0]
		for i := 0; i < len(runs); i += 2 {
			if i+1 < len(runs) {
				merged = append(merged, o.merge(runs[i], runs[i+1]))
			} else {
				merged = append(merged, runs[i])
			}
		}
		runs = merged
	}
	if len(runs) == 0 {
		return nil
	}
	return EmitValues(emit, runs[0])
}

// sortWriter sorts a task's rows before they are sent.
type sortWriter[T any] struct {
	*sorting[T]
	rows []T
	full bool // the first rows, as many as are wanted, are sorted: what does not go before the last of them cannot come in
}

// Add keeps the chunk's rows: with a limit, at most so many and a few chunks more.
func (w *sortWriter[T]) Add(_ *task.Context, in task.Chunk) error {
	rows := in.Vals.([]T)
	if !w.full {
		w.rows = append(w.rows, rows...)
	} else {
		for last, i := w.rows[w.limit-1], 0; i < len(rows); i++ {
			if w.compare(rows[i], last) < 0 {
				w.rows = append(w.rows, rows[i])
			}
		}
	}
	if w.limit > 0 && len(w.rows) >= 2*w.limit+task.ChunkRows {
		w.rows, w.full = w.sort(w.rows), true
	}
	return nil
}

// Flush makes the one block.
func (w *sortWriter[T]) Flush(ctx *task.Context) ([]arrow.Record, error) {
	rows := w.sort(w.rows)
	w.rows, w.full = nil, false
	return ToFirst(ctx, w.val, rows), nil
}
