package dstream

import (
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// Stream is rows of type T, batch by batch: an RDD in each. It is a value: methods give new streams and leave it as it is.
type Stream[T any] struct {
	job *Job
	r   rdd.RDD[T]
}

func (s Stream[T]) node() *rdd.Node { return s.r.Node() }

// Job is the job that the stream belongs to: for operators that are made of others and declare shared values of their own.
func (s Stream[T]) Job() *Job { return s.job }

// Name is the type of an operator's name. Operators that take one, or a function, have a type parameter for it, which follows from the call: Go compiles all
// methods of a type that a program mentions, but for those with type parameters of their own, which it compiles where they are called. A job is compiled with the operators
// that it uses.
type Name interface{ ~string }

// Self is the function that returns its argument, for KeyBy.
func Self[T any](v T) T { return v }

// Map gives f(row) for each row.
func (s Stream[T]) Map[U any](f func(T) U) Stream[U] { return Stream[U]{s.job, s.r.Map(f)} }

// Filter keeps the rows for which keep is true.
func (s Stream[T]) Filter[F func(T) bool](keep F) Stream[T] {
	return Stream[T]{s.job, s.r.Filter(keep)}
}

// FlatMap gives the elements of f(row) for each row, in order.
func (s Stream[T]) FlatMap[U any](f func(T) []U) Stream[U] { return Stream[U]{s.job, s.r.FlatMap(f)} }

// MapPartitions gives f(rows) for each partition of each batch that has rows: all of them at once, in order. It is for work that
// is dear to begin; what it gives may depend on the layout (P27). A partition is one of the source, or behind an operator that
// moves rows one of its own. The slice is f's own: it may sort it. A partition without rows is passed over.
func (s Stream[T]) MapPartitions[U any](f func(rows []T) []U) Stream[U] {
	return Stream[U]{s.job, s.r.MapPartitions(f)}
}

// Glom gives one row for each partition of each batch that has rows: the slice of them, in order. U follows from the call. What a partition is
// depends on the layout (P27), see MapPartitions.
func (s Stream[T]) Glom[U []T]() Stream[U] { return Stream[U]{s.job, s.r.Glom[U]()} }

// KeyBy gives each row the key f(row). Keys are scalars or structs of scalars; pointers, interfaces and floats are
// mistakes (P25). Nothing moves yet: the operators that need rows of one key together move them.
func (s Stream[T]) KeyBy[K comparable](f func(T) K) Keyed[K, T] {
	return Keyed[K, T]{s.job, s.r.KeyBy(f)}
}

// Union has the rows of s and of all others. Within a partition, rows of s come first.
func (s Stream[T]) Union(others ...Stream[T]) Stream[T] {
	var rs []rdd.RDD[T]
	for _, o := range others {
		rs = append(rs, o.r)
	}
	return Stream[T]{s.job, s.r.Union(rs...)}
}

// Reduce combines all rows of each batch into one by f, which must be associative: rows are combined in order of (source partition, offset),
// first within each task, then across tasks. A batch without rows gives nothing.
func (s Stream[T]) Reduce[F func(a, b T) T](f F) Stream[T] { return Stream[T]{s.job, s.r.Reduce(f)} }

// Count is the number of rows of each batch: one row, 0 for a batch without any. With a fixed interval it makes a batch at every tick (P28).
func (s Stream[T]) Count() Stream[int64] { return Stream[int64]{s.job, s.r.Count()} }

// CountByValue counts equal rows of this batch, in order of first appearance. Their type must be one that may be a key (P25).
func (s Stream[T]) CountByValue() Keyed[T, int64] { return Keyed[T, int64]{s.job, s.r.CountByValue()} }

// Distinct gives each different row of a batch once, in order of first appearance. Rows are compared as keys are: their type must be one
// that may be a key (P25).
func (s Stream[T]) Distinct() Stream[T] { return Stream[T]{s.job, s.r.Distinct()} }

// Sample keeps about fraction of the rows, 0 to 1. Which ones follows from the operator's name (Name; its place in the plan if
// it has none), the batch, the partition and the row's place in it, and from nothing else: a batch that is computed again
// has the same sample (I2), one under another layout has another (P27).
func (s Stream[T]) Sample(fraction float64) Stream[T] { return Stream[T]{s.job, s.r.Sample(fraction)} }

// SortBy puts the rows of each batch in order: all in one partition, ascending by compare, which says how a and b lie to each other as
// cmp.Compare does. Rows that are equal to compare stay in (upstream partition, row) order, which behind a shuffle depends on the
// layout (P27). Tasks sort what they have; one merges. A sink keeps the order if it has one lane.
func (s Stream[T]) SortBy[F func(a, b T) int](compare F) Stream[T] {
	return Stream[T]{s.job, s.r.SortBy(compare)}
}

// TopK gives the k greatest rows of each batch by compare, greatest first, in one partition. Of rows that are equal to compare the
// first in (upstream partition, row) order go first, which behind a shuffle depends on the layout (P27). Tasks send k rows at most.
func (s Stream[T]) TopK[F func(a, b T) int](k int, compare F) Stream[T] {
	return Stream[T]{s.job, s.r.TopK(k, compare)}
}

// Indexed is a row with its number in the batch, from 0.
type Indexed[T any] = rdd.Indexed[T]

// ZipWithIndex numbers the rows of each batch from 0, without gaps, in (upstream partition, row) order: for a source (partition,
// offset), behind a shuffle an order that depends on the layout (P27). U follows from the call. The rows stay spread over partitions;
// within one, numbers ascend.
func (s Stream[T]) ZipWithIndex[U Indexed[T]]() Stream[U] {
	return Stream[U]{s.job, s.r.ZipWithIndex[U]()}
}

// Repartition deals the rows of each batch out evenly to the job's partitions: for sources with few or uneven partitions in front of
// dear operators. Rows of a partition are in (upstream partition, row) order.
func (s Stream[T]) Repartition() Stream[T] { return Stream[T]{s.job, s.r.Repartition()} }

// Name gives the operator behind the stream a name, for the plan and the screen. A source gets it in place of its own.
func (s Stream[T]) Name(name string) Stream[T] { return Stream[T]{s.job, s.r.Name(name)} }

// DeadLetter sends the records of a source that could not be decoded, and those of rows that operators set aside, to out, in place of the job's default. The rows are rdd.DeadLetter's.
func (s Stream[T]) DeadLetter(out sink.Sink) Stream[T] {
	at, n := rdd.Caller(), s.node()
	switch spec := out.Spec(); {
	case n.Kind != rdd.Source:
		s.job.mistakef(at, "DeadLetter belongs directly behind From: only a source has records that cannot be decoded")
	case n.Dead != nil:
		s.job.mistakef(at, "source %q has a dead-letter sink already, from %s", n.Name, n.Dead.Site)
	case spec == nil:
		s.job.mistakef(at, "the sink is empty; make one with a function of package sink")
	default:
		s.job.deadLetter(at, n, spec)
	}
	return s
}
