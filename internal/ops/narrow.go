package ops

import (
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Map gives f(row) for each row.
func Map[T, U any](val *row.Codec, f func(T) U) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			return task.Chunk{N: in.N, Vals: Normal(val, MapRows(in.Vals.([]T), f))}, nil
		})
	}
}

// Filter keeps the rows that keep wants.
func Filter[T any](keep func(T) bool) func() task.Kernel {
	return func() task.Kernel {
		var idx []int32
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			rows := in.Vals.([]T)
			idx = choose(rows, keep, idx[:0])
			return task.Chunk{N: len(idx), Vals: Take(rows, idx)}, nil
		})
	}
}

// FlatMap gives the elements of f(row) for each row, in order.
func FlatMap[T, U any](val *row.Codec, f func(T) []U) func() task.Kernel {
	return func() task.Kernel {
		var reused []U
		perRow := 1.0 // results a row so far, to allocate the next chunk's result at its size
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			rows := in.Vals.([]T)
			out := make([]U, 0, int(perRow*float64(len(rows))*1.1)+16)
			if fault.Planted("P26-reuse") {
				if out = reused[:0]; out == nil {
					out = make([]U, 0, 1024)
				}
				reused = out
			}
			for i := range rows {
				out = append(out, f(rows[i])...)
			}
			perRow = float64(len(out)) / float64(max(len(rows), 1))
			return task.Chunk{N: len(out), Vals: Normal(val, out)}, nil
		})
	}
}

// KeyBy gives each row the key f(row).
func KeyBy[T, K any](key *row.Codec, f func(T) K) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			return task.Chunk{N: in.N, Keys: Normal(key, MapRows(in.Vals.([]T), f)), Vals: in.Vals}, nil
		})
	}
}

// KeyBySelf gives each row itself as its key.
func KeyBySelf() task.Kernel {
	return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
		return task.Chunk{N: in.N, Keys: in.Vals, Vals: in.Vals}, nil
	})
}

// Pass gives the rows as they are.
func Pass() task.Kernel {
	return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) { return in, nil })
}

// Values gives the values without their keys.
func Values() task.Kernel {
	return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
		return task.Chunk{N: in.N, Vals: in.Vals}, nil
	})
}

// Keys gives the keys as values.
func Keys() task.Kernel {
	return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
		return task.Chunk{N: in.N, Vals: in.Keys}, nil
	})
}

// Pairs gives pair(key, value) for each row. Unlike MapPairs it takes what comes as it is: parts of rows that are normal already.
func Pairs[K, V, P any](pair func(K, V) P) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			return task.Chunk{N: in.N, Vals: mapPairs(in.Keys.([]K), in.Vals.([]V), pair)}, nil
		})
	}
}

// MapPairs gives f(key, value) for each row, without a key.
func MapPairs[K, V, U any](val *row.Codec, f func(K, V) U) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			return task.Chunk{N: in.N, Vals: Normal(val, mapPairs(in.Keys.([]K), in.Vals.([]V), f))}, nil
		})
	}
}

// MapValues gives f(value) under the same key for each row.
func MapValues[V, U any](val *row.Codec, f func(V) U) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			return task.Chunk{N: in.N, Keys: in.Keys, Vals: Normal(val, MapRows(in.Vals.([]V), f))}, nil
		})
	}
}

// FlatMapValues gives the elements of f(value), in order, under the same key for each row.
func FlatMapValues[K, V, U any](val *row.Codec, f func(V) []U) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			keys, vals := in.Keys.([]K), in.Vals.([]V)
			outKeys, out := make([]K, 0, len(vals)), make([]U, 0, len(vals))
			for i := range vals {
				for _, u := range f(vals[i]) {
					outKeys, out = append(outKeys, keys[i]), append(out, u)
				}
			}
			return task.Chunk{N: len(out), Keys: outKeys, Vals: Normal(val, out)}, nil
		})
	}
}

// FilterValues keeps the keyed rows whose value keep wants.
func FilterValues[K, V any](keep func(V) bool) func() task.Kernel {
	return func() task.Kernel {
		var idx []int32
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			vals := in.Vals.([]V)
			idx = choose(vals, keep, idx[:0])
			return task.Chunk{N: len(idx), Keys: Take(in.Keys.([]K), idx), Vals: Take(vals, idx)}, nil
		})
	}
}
