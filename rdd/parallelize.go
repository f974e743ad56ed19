package rdd

import (
	"fmt"
	"slices"
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
	n.Wide = &WideSpec{OnEmpty: true, Facts: fmt.Sprintf("%d rows", len(rows)), New: func() Reducer {
		return giver(func(lo, hi int) Chunk { return Chunk{N: hi - lo, Vals: rows[lo:hi:hi]} }, len(rows))
	}}
	return RDD[T]{b, b.Add(at, n)}
}

// ParallelizeKeyed is keys with their values, of the program's own, as an RDD: each partition has a run of them, in order. The slices are of one
// length, and what they refer to must not change afterwards.
func ParallelizeKeyed[K, V any](keys []K, values []V) Keyed[K, V] {
	b, at := &Builder{}, Caller()
	if len(keys) != len(values) {
		b.Mistakef(at, "ParallelizeKeyed of %d keys and %d values: each key has one", len(keys), len(values))
		values = make([]V, len(keys))
	}
	p := pairs[K, V]{slices.Clone(keys), slices.Clone(values)}
	key, val := KeyCodecOf[K](b, at), CodecOf[V](b, at)
	if key != nil && val != nil {
		key.Normalize(p.keys)
		val.Normalize(p.values)
	}
	n := &Node{Kind: Wide, Op: "parallelize", Key: key, Val: val, Held: p}
	n.Wide = &WideSpec{OnEmpty: true, Facts: fmt.Sprintf("%d rows", len(keys)), New: func() Reducer {
		return giver(func(lo, hi int) Chunk { return Chunk{N: hi - lo, Keys: p.keys[lo:hi:hi], Vals: p.values[lo:hi:hi]} }, len(p.keys))
	}}
	return Keyed[K, V]{b, b.Add(at, n)}
}

// pairs are the rows of ParallelizeKeyed.
type pairs[K, V any] struct {
	keys   []K
	values []V
}

// giver emits n rows from memory, each partition a run of them.
func giver(rows func(lo, hi int) Chunk, n int) Reducer { return &gives{rows, n} }

type gives struct {
	rows func(lo, hi int) Chunk
	n    int
}

// Reduce gives the partition's run of the rows.
func (g *gives) Reduce(ctx *Context, _ [][]Record, emit func(Chunk) error) error {
	parts := ctx.Layout.Reduce
	lo, hi := ctx.Partition*g.n/parts, (ctx.Partition+1)*g.n/parts
	for ; lo < hi; lo += ChunkRows {
		if err := emit(g.rows(lo, min(lo+ChunkRows, hi))); err != nil {
			return err
		}
	}
	return nil
}
