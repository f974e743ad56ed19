package ops

import (
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// The operators whose functions are told their task.

// MapTask gives f(task, row) for each row.
func MapTask[T, U any](val *row.Codec, f func(task.Task, T) U) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			rows, t := in.Vals.([]T), task.TaskOf(ctx)
			out := make([]U, len(rows))
			for i := range rows {
				out[i] = f(t, rows[i])
			}
			return task.Chunk{N: in.N, Vals: Normal(val, out)}, nil
		})
	}
}

// FilterTask keeps the rows that keep wants.
func FilterTask[T any](keep func(task.Task, T) bool) func() task.Kernel {
	return func() task.Kernel {
		var idx []int32
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			rows, t := in.Vals.([]T), task.TaskOf(ctx)
			idx = idx[:0]
			for i := range rows {
				if keep(t, rows[i]) {
					idx = append(idx, int32(i))
				}
			}
			return task.Chunk{N: len(idx), Vals: Take(rows, idx)}, nil
		})
	}
}

// FlatMapTask gives the elements of f(task, row) for each row, in order.
func FlatMapTask[T, U any](val *row.Codec, f func(task.Task, T) []U) func() task.Kernel {
	return func() task.Kernel {
		perRow := 1.0 // as in FlatMap
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			rows, t := in.Vals.([]T), task.TaskOf(ctx)
			out := make([]U, 0, int(perRow*float64(len(rows))*1.1)+16)
			for i := range rows {
				out = append(out, f(t, rows[i])...)
			}
			perRow = float64(len(out)) / float64(max(len(rows), 1))
			return task.Chunk{N: len(out), Vals: Normal(val, out)}, nil
		})
	}
}

// MapValuesTask gives f(task, key, value) under the same key for each row.
func MapValuesTask[K, V, U any](val *row.Codec, f func(task.Task, K, V) U) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			keys, vals, t := in.Keys.([]K), in.Vals.([]V), task.TaskOf(ctx)
			out := make([]U, len(vals))
			for i := range vals {
				out[i] = f(t, keys[i], vals[i])
			}
			return task.Chunk{N: in.N, Keys: in.Keys, Vals: Normal(val, out)}, nil
		})
	}
}

// MapPartitionsTask is MapPartitions with a function that is told its task.
func MapPartitionsTask[T, U any](in, out *row.Codec, f func(t task.Task, rows []T) []U) func() task.Kernel {
	return func() task.Kernel {
		g := &gathering[T]{val: in}
		g.f = func(rows []T) task.Chunk {
			us := append([]U(nil), f(g.task, rows)...)
			return task.Chunk{N: len(us), Vals: Normal(out, us)}
		}
		return g
	}
}

// Accumulate gives the rows as they are, and tells add of each chunk's values.
func Accumulate[T any](add func(t task.Task, rows []T)) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			add(task.TaskOf(ctx), in.Vals.([]T))
			return in, nil
		})
	}
}

// AccumulatePairs is Accumulate for rows with keys.
func AccumulatePairs[K, V any](add func(t task.Task, keys []K, vals []V)) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			add(task.TaskOf(ctx), in.Keys.([]K), in.Vals.([]V))
			return in, nil
		})
	}
}
