package ops

import (
	"fmt"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// MapPartitions gives f(rows) for all rows of the task at once, if there are any; in and out are the codecs of rows and results.
func MapPartitions[T, U any](in, out *row.Codec, f func(rows []T) []U) func() task.Kernel {
	return func() task.Kernel {
		return &gathering[T]{val: in, f: func(rows []T) task.Chunk {
			us := append([]U(nil), f(rows)...) // what f returned may be kept by the user, and is normalised in place
			return task.Chunk{N: len(us), Vals: Normal(out, us)}
		}}
	}
}

// Glom gives all rows of the task as one, if there are any.
func Glom[T any, U []T](val *row.Codec) func() task.Kernel {
	return func() task.Kernel {
		return &gathering[T]{val: val, f: func(rows []T) task.Chunk { return task.Chunk{N: 1, Vals: []U{rows}} }}
	}
}

// gathering holds the rows of a task until all have come. They are bounded by the batch.
type gathering[T any] struct {
	val    *row.Codec
	f      func(rows []T) task.Chunk
	chunks [][]T
	n      int
	task   task.Task // while f runs
}

// Process keeps the chunk.
func (g *gathering[T]) Process(_ *task.Context, in task.Chunk) (task.Chunk, error) {
	g.chunks, g.n = append(g.chunks, in.Vals.([]T)), g.n+in.N
	return task.Chunk{}, nil
}

// Finish calls the function with all rows, in a slice that nobody else has.
func (g *gathering[T]) Finish(ctx *task.Context) (out task.Chunk, err error) {
	if g.n == 0 {
		return out, nil
	}
	rows := g.rows()
	g.task = task.TaskOf(ctx)
	if ctx.Debug { // P24: other operators read what the rows refer to
		same := g.rows()
		before := g.val.Fingerprint(same)
		if out = g.f(rows); g.val.Fingerprint(same) != before {
			return out, fmt.Errorf("the function changed what its rows refer to; copy what you change: other operators read the same rows")
		}
	} else {
		out = g.f(rows)
	}
	g.chunks, g.n = nil, 0
	return out, nil
}

func (g *gathering[T]) rows() []T {
	rows := make([]T, 0, g.n)
	for _, c := range g.chunks {
		rows = append(rows, c...)
	}
	return rows
}
