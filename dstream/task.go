package dstream

import "github.com/millrace/millrace/rdd"

// Task is what functions of MapTask and its like are told besides their rows: batch, batch time, partition. With it they reach
// accumulators and broadcasts.
type Task = rdd.Task

// MapTask is Map with a function that is told its task.
func (s Stream[T]) MapTask[U any](f func(t Task, v T) U) Stream[U] {
	return Stream[U]{s.job, s.r.MapTask(f)}
}

// FilterTask is Filter with a function that is told its task.
func (s Stream[T]) FilterTask[F func(t Task, v T) bool](keep F) Stream[T] {
	return Stream[T]{s.job, s.r.FilterTask(keep)}
}

// FlatMapTask is FlatMap with a function that is told its task.
func (s Stream[T]) FlatMapTask[U any](f func(t Task, v T) []U) Stream[U] {
	return Stream[U]{s.job, s.r.FlatMapTask(f)}
}

// MapPartitionsTask is MapPartitions with a function that is told its task.
func (s Stream[T]) MapPartitionsTask[U any](f func(t Task, rows []T) []U) Stream[U] {
	return Stream[U]{s.job, s.r.MapPartitionsTask(f)}
}

// MapValuesTask is MapValues with a function that is told its task and the key.
func (s Keyed[K, V]) MapValuesTask[U any](f func(t Task, k K, v V) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.MapValuesTask(f)}
}
