package rdd

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/task"
)

// Parallelize is rows of the program's own as an RDD: each partition has a run of them, in order. What they refer to must not change afterwards.
func Parallelize[T any](rows []T) RDD[T] { return inMemory(&Builder{}, Caller(), slices.Clone(rows)) }

// inMemory is Parallelize of rows that belong to the RDD from now on.
func inMemory[T any](b *Builder, at Site, rows []T) RDD[T] {
	val := CodecOf[T](b, at)
	if val != nil {
		val.Normalize(rows) // what a source gives has been through columns too (P24)
	}
	n := &Node{Kind: Wide, Op: "parallelize", Val: val, Held: rows}
	n.Wide = &WideSpec{OnEmpty: true, Facts: fmt.Sprintf("%d rows", len(rows)), New: func() Reducer { return giver[T]{rows} }}
	return RDD[T]{b, b.Add(at, n)}
}

// giver emits rows from memory.
type giver[T any] struct{ rows []T }

// Reduce gives the partition's run of the rows.
func (g giver[T]) Reduce(ctx *Context, _ [][]Record, emit func(Chunk) error) error {
	n, parts := len(g.rows), ctx.Layout.Reduce
	lo, hi := ctx.Partition*n/parts, (ctx.Partition+1)*n/parts
	for ; lo < hi; lo += task.ChunkRows {
		end := min(lo+task.ChunkRows, hi)
		if err := emit(Chunk{N: end - lo, Vals: g.rows[lo:end:end]}); err != nil {
			return err
		}
	}
	return nil
}
