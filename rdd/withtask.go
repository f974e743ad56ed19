package rdd

import "github.com/millrace/millrace/internal/ops"

// MapTask is Map with a function that is told its task.
func (r RDD[T]) MapTask[U any](f func(t Task, v T) U) RDD[U] {
	at := Caller()
	r.b.Need(at, "MapTask", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "map", nil, val, ops.MapTask(val, f), r.node)}
}

// FilterTask is Filter with a function that is told its task.
func (r RDD[T]) FilterTask[F func(t Task, v T) bool](keep F) RDD[T] {
	at := Caller()
	r.b.Need(at, "FilterTask", keep == nil)
	return RDD[T]{r.b, r.b.narrow(at, "filter", nil, r.node.Val, ops.FilterTask(keep), r.node)}
}

// FlatMapTask is FlatMap with a function that is told its task.
func (r RDD[T]) FlatMapTask[U any](f func(t Task, v T) []U) RDD[U] {
	at := Caller()
	r.b.Need(at, "FlatMapTask", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "flatMap", nil, val, ops.FlatMapTask(val, f), r.node)}
}

// MapPartitionsTask is MapPartitions with a function that is told its task.
func (r RDD[T]) MapPartitionsTask[U any](f func(t Task, rows []T) []U) RDD[U] {
	at := Caller()
	r.b.Need(at, "MapPartitionsTask", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "mapPartitions", nil, val, ops.MapPartitionsTask(r.node.Val, val, f), r.node)}
}

// MapValuesTask is MapValues with a function that is told its task and the key.
func (r Keyed[K, V]) MapValuesTask[U any](f func(t Task, k K, v V) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "MapValuesTask", f == nil)
	val := CodecOf[U](r.b, at)
	return Keyed[K, U]{r.b, r.b.narrow(at, "mapValues", r.node.Key, val, ops.MapValuesTask(val, f), r.node)}
}
