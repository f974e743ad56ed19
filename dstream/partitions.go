package dstream

import (
	"fmt"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// MapPartitions gives f(rows) for each partition of each batch that has rows: all of them at once, in order. It is for work that
// is dear to begin; what it gives may depend on the layout (P27). A partition is one of the source, or behind an operator that
// moves rows one of its own. The slice is f's own: it may sort it. A partition without rows is passed over.
func (s Stream[T]) MapPartitions[U any](f func(rows []T) []U) Stream[U] {
	at := caller()
	need(s.job, at, "MapPartitions", f == nil)
	in, val := s.node.Val, codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "mapPartitions", []*rdd.Node{s.node}, nil, val, func() rdd.Kernel {
		return &gathering[T]{val: in, f: func(rows []T) rdd.Chunk {
			out := append([]U(nil), f(rows)...) // what f returned may be kept by the user, and is normalised in place
			return rdd.Chunk{N: len(out), Vals: normal(val, out)}
		}}
	})}
}

// Glom gives one row for each partition of each batch that has rows: the slice of them, in order. U follows from the call. What a partition is
// depends on the layout (P27), see MapPartitions.
func (s Stream[T]) Glom[U []T]() Stream[U] {
	at := caller()
	in, val := s.node.Val, codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "glom", []*rdd.Node{s.node}, nil, val, func() rdd.Kernel {
		return &gathering[T]{val: in, f: func(rows []T) rdd.Chunk { return rdd.Chunk{N: 1, Vals: []U{rows}} }}
	})}
}

// gathering holds the rows of a task until all have come. They are bounded by the batch.
type gathering[T any] struct {
	val    *row.Codec
	f      func(rows []T) rdd.Chunk
	chunks [][]T
	n      int
}

// Process keeps the chunk.
func (g *gathering[T]) Process(_ *rdd.Context, in rdd.Chunk) (rdd.Chunk, error) {
	g.chunks, g.n = append(g.chunks, in.Vals.([]T)), g.n+in.N
	return rdd.Chunk{}, nil
}

// Finish calls the function with all rows, in a slice that nobody else has.
func (g *gathering[T]) Finish(ctx *rdd.Context) (out rdd.Chunk, err error) {
	if g.n == 0 {
		return out, nil
	}
	rows := g.rows()
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
