package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// MapTask is Map with a function that is told its task.
func (s Stream[T]) MapTask[U any](f func(t Task, v T) U) Stream[U] {
	at := rdd.Caller()
	s.job.b.Need(at, "MapTask", f == nil)
	val := rdd.CodecOf[U](s.job.b, at)
	return Stream[U]{s.job, rdd.Of[U](s.job.b, s.job.narrow(at, "map", []*rdd.Node{s.node()}, nil, val, ops.MapTask(val, f)))}
}

// FilterTask is Filter with a function that is told its task.
func (s Stream[T]) FilterTask(keep func(t Task, v T) bool) Stream[T] {
	at := rdd.Caller()
	s.job.b.Need(at, "FilterTask", keep == nil)
	return Stream[T]{s.job, rdd.Of[T](s.job.b, s.job.narrow(at, "filter", []*rdd.Node{s.node()}, nil, s.node().Val, ops.FilterTask(keep)))}
}

// FlatMapTask is FlatMap with a function that is told its task.
func (s Stream[T]) FlatMapTask[U any](f func(t Task, v T) []U) Stream[U] {
	at := rdd.Caller()
	s.job.b.Need(at, "FlatMapTask", f == nil)
	val := rdd.CodecOf[U](s.job.b, at)
	return Stream[U]{s.job, rdd.Of[U](s.job.b, s.job.narrow(at, "flatMap", []*rdd.Node{s.node()}, nil, val, ops.FlatMapTask(val, f)))}
}

// MapValuesTask is MapValues with a function that is told its task and the key.
func (s Keyed[K, V]) MapValuesTask[U any](f func(t Task, k K, v V) U) Keyed[K, U] {
	at := rdd.Caller()
	s.job.b.Need(at, "MapValuesTask", f == nil)
	val := rdd.CodecOf[U](s.job.b, at)
	return Keyed[K, U]{s.job, rdd.KeyedOf[K, U](s.job.b, s.job.narrow(at, "mapValues", []*rdd.Node{s.node()}, s.node().Key, val, ops.MapValuesTask(val, f)))}
}

// MapPartitionsTask is MapPartitions with a function that is told its task.
func (s Stream[T]) MapPartitionsTask[U any](f func(t Task, rows []T) []U) Stream[U] {
	at := rdd.Caller()
	s.job.b.Need(at, "MapPartitionsTask", f == nil)
	val := rdd.CodecOf[U](s.job.b, at)
	return Stream[U]{s.job, rdd.Of[U](s.job.b, s.job.narrow(at, "mapPartitions", []*rdd.Node{s.node()}, nil, val, ops.MapPartitionsTask(s.node().Val, val, f)))}
}

// narrow adds an operator that is fused into the task of its input.
func (j *Job) narrow(at rdd.Site, op string, in []*rdd.Node, key, val *row.Codec, k func() rdd.Kernel) *rdd.Node {
	return j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: op, In: in, Key: key, Val: val, Kernel: k})
}
