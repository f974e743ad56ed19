package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// Keyed is rows of type V, each with a key of type K, batch by batch. It is a value: methods give new streams and leave it as it is.
type Keyed[K, V any] struct {
	job  *Job
	node *rdd.Node
}

// Pair is a key with its value, as one row.
type Pair[K, V any] struct {
	Key   K `arrow:"key"`
	Value V `arrow:"value"`
}

// MapValues gives f(value) under the same key for each row.
func (s Keyed[K, V]) MapValues[U any](f func(V) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "MapValues", f == nil)
	val := codec[U](s.job, at)
	return Keyed[K, U]{s.job, s.job.narrow(at, "mapValues", []*rdd.Node{s.node}, s.node.Key, val, ops.MapValues(val, f))}
}

// FlatMapValues gives the elements of f(value), in order, under the same key for each row.
func (s Keyed[K, V]) FlatMapValues[U any](f func(V) []U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "FlatMapValues", f == nil)
	val := codec[U](s.job, at)
	return Keyed[K, U]{s.job, s.job.narrow(at, "flatMapValues", []*rdd.Node{s.node}, s.node.Key, val, ops.FlatMapValues[K](val, f))}
}

// Map gives f(key, value) for each row, without a key.
func (s Keyed[K, V]) Map[U any](f func(K, V) U) Stream[U] {
	at := caller()
	need(s.job, at, "Map", f == nil)
	val := codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "map", []*rdd.Node{s.node}, nil, val, ops.MapPairs(val, f))}
}

// Filter keeps the rows for whose value keep is true.
func (s Keyed[K, V]) Filter(keep func(V) bool) Keyed[K, V] {
	at := caller()
	need(s.job, at, "Filter", keep == nil)
	return Keyed[K, V]{s.job, s.job.narrow(at, "filter", []*rdd.Node{s.node}, s.node.Key, s.node.Val, ops.FilterValues[K](keep))}
}

// Values are the values without their keys.
func (s Keyed[K, V]) Values() Stream[V] {
	return Stream[V]{s.job, s.job.narrow(caller(), "values", []*rdd.Node{s.node}, nil, s.node.Val, ops.Values)}
}

// Keys are the keys without their values, one a row.
func (s Keyed[K, V]) Keys() Stream[K] {
	return Stream[K]{s.job, s.job.narrow(caller(), "keys", []*rdd.Node{s.node}, nil, s.node.Key, ops.Keys)}
}

// Pairs are keys and values as rows of Pair[K, V]; P follows from the call.
func (s Keyed[K, V]) Pairs[P Pair[K, V]]() Stream[P] {
	at := caller()
	val := codec[P](s.job, at)
	return Stream[P]{s.job, s.job.narrow(at, "pairs", []*rdd.Node{s.node}, nil, val, ops.Pairs(func(k K, v V) P { return P(Pair[K, V]{k, v}) }))}
}

// Union has the rows of s and of all others. Within a partition, rows of s come first.
func (s Keyed[K, V]) Union(others ...Keyed[K, V]) Keyed[K, V] {
	in := []*rdd.Node{s.node}
	for _, o := range others {
		in = append(in, o.node)
	}
	return Keyed[K, V]{s.job, s.job.union(caller(), in)}
}

// Name gives the operator behind the stream a name, for the plan and the screen. Operators that keep state have theirs already.
func (s Keyed[K, V]) Name(name string) Keyed[K, V] {
	if s.node.Kind == rdd.Wide && s.node.Wide.State {
		s.job.mistakef(caller(), "%s %q keeps its state under that name; Name cannot change it", s.node.Op, s.node.Name)
		return s
	}
	rename(s.node, name)
	return s
}
