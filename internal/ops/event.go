package ops

import (
	"time"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// EventTime is the kernel of rows whose event time a function gives; the zero time means none.
func EventTime[T any](f func(T) time.Time) func() task.Kernel {
	return func() task.Kernel { return &rowDates[T]{f} }
}

// rowDates finds event times row by row.
type rowDates[T any] struct{ f func(T) time.Time }

// Process implements task.Kernel, for whoever does not ask for dates.
func (k *rowDates[T]) Process(_ *task.Context, in task.Chunk) (task.Chunk, error) {
	out, _ := k.Date(in, task.EndOfTime)
	return out, nil
}

// Date implements task.Dated.
func (k *rowDates[T]) Date(in task.Chunk, limit int64) (task.Chunk, task.Dates) {
	rows := in.Vals.([]T)
	found := task.Dates{Highest: task.NoTime}
	var kept []int32 // of the rows, once one has no event time
	for i := range rows {
		at := k.f(rows[i])
		if at.IsZero() {
			if found.Without == 0 {
				kept = numbers(i)
			}
			found.Without++
			continue
		}
		if µs := at.UnixMicro(); µs > limit {
			found.Ahead++
		} else {
			found.Highest = max(found.Highest, µs)
		}
		if found.Without > 0 {
			kept = append(kept, int32(i))
		}
	}
	if found.Without == 0 {
		return in, found
	}
	return task.Chunk{N: len(kept), Vals: Take(rows, kept)}, found
}

// numbers are 0 to n-1.
func numbers(n int) []int32 {
	idx := make([]int32, n)
	for i := range idx {
		idx[i] = int32(i)
	}
	return idx
}

// EventColumn is the kernel of columns of which one, of timestamps, is the rows' event time.
func EventColumn(column int) func() task.Kernel {
	return func() task.Kernel { return columnDates(column) }
}

// columnDates finds event times in a column.
type columnDates int

// Process implements task.Kernel, for whoever does not ask for dates.
func (k columnDates) Process(_ *task.Context, in task.Chunk) (task.Chunk, error) {
	out, _ := k.Date(in, task.EndOfTime)
	return out, nil
}

// Date implements task.Dated.
func (k columnDates) Date(in task.Chunk, limit int64) (task.Chunk, task.Dates) {
	b := in.Vals.(*col.Batch)
	v := b.Cols[k]
	found := task.Dates{Highest: task.NoTime}
	if b.Sel == nil && v.Null == nil {
		for _, at := range v.Ints[:b.N] {
			if at > limit {
				found.Ahead++
			} else if at > found.Highest {
				found.Highest = at
			}
		}
		return in, found
	}
	rows := b.Sel
	if rows == nil {
		rows = numbers(b.N)
	}
	kept := make([]int32, 0, len(rows))
	for _, i := range rows {
		if v.IsNull(int(i)) {
			found.Without++
			continue
		}
		kept = append(kept, i)
		if at := v.Ints[i]; at > limit {
			found.Ahead++
		} else if at > found.Highest {
			found.Highest = at
		}
	}
	if found.Without == 0 {
		return in, found
	}
	return task.Chunk{N: len(kept), Vals: b.Where(kept)}, found
}
