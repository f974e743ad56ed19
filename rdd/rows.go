package rdd

import (
	"fmt"

	"github.com/millrace/millrace/internal/ops"
)

// Reduce combines all rows into one by f, which must be associative: rows are combined in source order,
// first within each task, then across tasks. No rows give nothing.
func (r RDD[T]) Reduce[F func(a, b T) T](f F) RDD[T] {
	at := Caller()
	r.b.Need(at, "Reduce", f == nil)
	return RDD[T]{r.b, r.b.wide(at, "reduce", nil, r.node.Val, ops.Fold(r.node.Val, f), r.node)}
}

// Count is the number of rows: one row, 0 if there are none. In a job with a fixed interval it makes a batch at every tick (P28).
func (r RDD[T]) Count() RDD[int64] {
	at := Caller()
	val := CodecOf[int64](r.b, at)
	n := r.b.wide(at, "count", nil, val, ops.Count(val), r.node)
	n.Wide.OnEmpty = true
	return RDD[int64]{r.b, n}
}

// CountByValue counts equal rows, in order of first appearance. Their type must be one that may be a key (P25).
func (r RDD[T]) CountByValue() Keyed[T, int64] {
	at := Caller()
	key := KeyCodecOf[T](r.b, at)
	n := r.b.narrow(at, "keyBySelf", key, r.node.Val, ops.KeyBySelf, r.node)
	return Keyed[T, int64]{r.b, countByKey[T](r.b, at, n)}
}

// Distinct gives each different row once, in order of first appearance. Rows are compared as keys are: their type must be one
// that may be a key (P25).
func (r RDD[T]) Distinct() RDD[T] {
	at := Caller()
	val := KeyCodecOf[T](r.b, at)
	return RDD[T]{r.b, r.b.wide(at, "distinct", nil, val, ops.Distinct[T](val), r.node)}
}

// Sample keeps about fraction of the rows, 0 to 1. Which ones follows from the operator's name (Name; its place in the plan if
// it has none), the batch, the partition and the row's place in it, and from nothing else: a batch that is computed again
// has the same sample (I2), one under another layout has another (P27).
func (r RDD[T]) Sample(fraction float64) RDD[T] {
	at := Caller()
	if !(fraction >= 0 && fraction <= 1) {
		r.b.Mistakef(at, "Sample(%v): a fraction of the rows is between 0 and 1", fraction)
	}
	var n *Node
	n = r.b.narrow(at, fmt.Sprintf("sample(%v)", fraction), nil, r.node.Val, func() Kernel {
		return ops.Sample[T](fraction, ops.Seed(n.nameOrPlace()))
	}, r.node)
	return RDD[T]{r.b, n}
}

// nameOrPlace is a node's name, or its place in the plan.
func (n *Node) nameOrPlace() string {
	if n.Name == "" {
		return fmt.Sprintf("#%d", n.ID)
	}
	return n.Name
}

// SortBy puts the rows in order: all in one partition, ascending by compare, which says how a and b lie to each other as
// cmp.Compare does. Rows that are equal to compare stay in (upstream partition, row) order, which behind a shuffle depends on the
// layout (P27). Tasks sort what they have; one merges. A sink keeps the order if it has one lane.
func (r RDD[T]) SortBy[F func(a, b T) int](compare F) RDD[T] {
	at := Caller()
	r.b.Need(at, "SortBy", compare == nil)
	return RDD[T]{r.b, r.b.wide(at, "sortBy", nil, r.node.Val, ops.Sort(r.node.Val, 0, compare), r.node)}
}

// TopK gives the k greatest rows by compare, greatest first, in one partition. Of rows that are equal to compare the
// first in (upstream partition, row) order go first, which behind a shuffle depends on the layout (P27). Tasks send k rows at most.
func (r RDD[T]) TopK[F func(a, b T) int](k int, compare F) RDD[T] {
	at := Caller()
	r.b.Need(at, "TopK", compare == nil)
	if k < 1 {
		r.b.Mistakef(at, "TopK(%d): at least 1", k)
	}
	how := ops.Sort(r.node.Val, max(k, 1), func(a, b T) int { return compare(b, a) })
	n := r.b.wide(at, "topK", nil, r.node.Val, how, r.node)
	n.Wide.Facts = fmt.Sprintf("k %d", k)
	return RDD[T]{r.b, n}
}

// Indexed is a row with its number, from 0.
type Indexed[T any] struct {
	Index int64 `arrow:"index"`
	Value T     `arrow:"value"`
}

// ZipWithIndex numbers the rows from 0, without gaps, in (upstream partition, row) order: for a source (partition,
// offset), behind a shuffle an order that depends on the layout (P27). U follows from the call. The rows stay spread over partitions;
// within one, numbers ascend.
func (r RDD[T]) ZipWithIndex[U Indexed[T]]() RDD[U] {
	at := Caller()
	count, out := CodecOf[int64](r.b, at), CodecOf[U](r.b, at)
	how := ops.ZipWithIndex(r.node.Val, count, func(rows []T, first int64) []U {
		us := make([]U, len(rows))
		for i := range rows {
			us[i] = U(Indexed[T]{first + int64(i), rows[i]})
		}
		return us
	})
	return RDD[U]{r.b, r.b.wide(at, "zipWithIndex", nil, out, how, r.node, r.node)}
}

// Repartition deals the rows out evenly to the program's partitions: for sources with few or uneven partitions in front of
// dear operators. Rows of a partition are in (upstream partition, row) order.
func (r RDD[T]) Repartition() RDD[T] {
	return RDD[T]{r.b, r.b.wide(Caller(), "repartition", nil, r.node.Val, ops.Repartition[T](r.node.Val), r.node)}
}
