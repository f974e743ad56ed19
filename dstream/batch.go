package dstream

import (
	"fmt"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// MapPartitions gives f(rows) for each partition of each batch that has rows: all of them at once, in order. It is for work that
// is dear to begin; what it gives may depend on the layout (P27). A partition is one of the source, or behind an operator that
// moves rows one of its own. The slice is f's own: it may sort it. A partition without rows is passed over.
func (s Stream[T]) MapPartitions[U any](f func(rows []T) []U) Stream[U] {
	at := caller()
	need(s.job, at, "MapPartitions", f == nil)
	val := codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "mapPartitions", []*rdd.Node{s.node}, nil, val, ops.MapPartitions(s.node.Val, val, f))}
}

// Glom gives one row for each partition of each batch that has rows: the slice of them, in order. U follows from the call. What a partition is
// depends on the layout (P27), see MapPartitions.
func (s Stream[T]) Glom[U []T]() Stream[U] {
	at := caller()
	val := codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "glom", []*rdd.Node{s.node}, nil, val, ops.Glom[T, U](s.node.Val))}
}

// Reduce combines all rows of each batch into one by f, which must be associative: rows are combined in order of (source partition, offset),
// first within each task, then across tasks. A batch without rows gives nothing.
func (s Stream[T]) Reduce(f func(a, b T) T) Stream[T] {
	at := caller()
	need(s.job, at, "Reduce", f == nil)
	return Stream[T]{s.job, s.job.wide(at, "reduce", []*rdd.Node{s.node}, nil, s.node.Val, ops.Fold(s.node.Val, f))}
}

// Count is the number of rows of each batch: one row, 0 for a batch without any. With a fixed interval it makes a batch at every tick (P28).
func (s Stream[T]) Count() Stream[int64] {
	at := caller()
	val := codec[int64](s.job, at)
	n := s.job.wide(at, "count", []*rdd.Node{s.node}, nil, val, ops.Count(val))
	n.Wide.OnEmpty = true
	return Stream[int64]{s.job, n}
}

// CountByValue counts equal rows of this batch.
func (s Stream[T]) CountByValue() Keyed[T, int64] {
	at := caller()
	key := keyCodec[T](s.job, at)
	n := s.job.narrow(at, "keyBySelf", []*rdd.Node{s.node}, key, s.node.Val, ops.KeyBySelf)
	return Keyed[T, int64]{s.job, countByKey[T](s.job, at, n)}
}

// Distinct gives each different row of a batch once, in order of first appearance. Rows are compared as keys are: their type must be one
// that may be a key (P25).
func (s Stream[T]) Distinct() Stream[T] {
	at := caller()
	c := keyCodec[T](s.job, at)
	return Stream[T]{s.job, s.job.wide(at, "distinct", []*rdd.Node{s.node}, nil, c, ops.Distinct[T](c))}
}

// Sample keeps about fraction of the rows, 0 to 1. Which ones follows from the operator's name (Name; its place in the plan if
// it has none), the batch, the partition and the row's place in it, and from nothing else: a batch that is computed again
// has the same sample (I2), one under another layout has another (P27).
func (s Stream[T]) Sample(fraction float64) Stream[T] {
	at := caller()
	if !(fraction >= 0 && fraction <= 1) {
		s.job.mistakef(at, "Sample(%v): a fraction of the rows is between 0 and 1", fraction)
	}
	var n *rdd.Node
	n = s.job.narrow(at, fmt.Sprintf("sample(%v)", fraction), []*rdd.Node{s.node}, nil, s.node.Val, func() rdd.Kernel {
		return ops.Sample[T](fraction, ops.Seed(nameOf(n)))
	})
	return Stream[T]{s.job, n}
}

// nameOf is a node's name, or its place in the plan.
func nameOf(n *rdd.Node) string {
	if n.Name == "" {
		return fmt.Sprintf("#%d", n.ID)
	}
	return n.Name
}

// SortBy puts the rows of each batch in order: all in one partition, ascending by compare, which says how a and b lie to each other as
// cmp.Compare does. Rows that are equal to compare stay in (upstream partition, row) order, which behind a shuffle depends on the
// layout (P27). Tasks sort what they have; one merges. A sink keeps the order if it has one lane.
func (s Stream[T]) SortBy(compare func(a, b T) int) Stream[T] {
	at := caller()
	need(s.job, at, "SortBy", compare == nil)
	return Stream[T]{s.job, s.job.wide(at, "sortBy", []*rdd.Node{s.node}, nil, s.node.Val, ops.Sort(s.node.Val, 0, compare))}
}

// TopK gives the k greatest rows of each batch by compare, greatest first, in one partition. Of rows that are equal to compare the
// first in (upstream partition, row) order go first, which behind a shuffle depends on the layout (P27). Tasks send k rows at most.
func (s Stream[T]) TopK(k int, compare func(a, b T) int) Stream[T] {
	at := caller()
	need(s.job, at, "TopK", compare == nil)
	if k < 1 {
		s.job.mistakef(at, "TopK(%d): at least 1", k)
	}
	sort := ops.Sort(s.node.Val, max(k, 1), func(a, b T) int { return compare(b, a) })
	n := s.job.wide(at, "topK", []*rdd.Node{s.node}, nil, s.node.Val, sort)
	n.Wide.Facts = fmt.Sprintf("k %d", k)
	return Stream[T]{s.job, n}
}

// Indexed is a row with its number in the batch, from 0.
type Indexed[T any] struct {
	Index int64 `arrow:"index"`
	Value T     `arrow:"value"`
}

// ZipWithIndex numbers the rows of each batch from 0, without gaps, in (upstream partition, row) order: for a source (partition,
// offset), behind a shuffle an order that depends on the layout (P27). U follows from the call. The rows stay spread over partitions;
// within one, numbers ascend.
func (s Stream[T]) ZipWithIndex[U Indexed[T]]() Stream[U] {
	at := caller()
	count, out := codec[int64](s.job, at), codec[U](s.job, at)
	zip := ops.ZipWithIndex(s.node.Val, count, func(rows []T, first int64) []U {
		us := make([]U, len(rows))
		for i := range rows {
			us[i] = U(Indexed[T]{first + int64(i), rows[i]})
		}
		return us
	})
	return Stream[U]{s.job, s.job.wide(at, "zipWithIndex", []*rdd.Node{s.node, s.node}, nil, out, zip)}
}

// Repartition deals the rows of each batch out evenly to the job's partitions: for sources with few or uneven partitions in front of
// dear operators. Rows of a partition are in (upstream partition, row) order.
func (s Stream[T]) Repartition() Stream[T] {
	return Stream[T]{s.job, s.job.wide(caller(), "repartition", []*rdd.Node{s.node}, nil, s.node.Val, ops.Repartition[T](s.node.Val))}
}
