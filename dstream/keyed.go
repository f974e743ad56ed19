package dstream

import "github.com/millrace/millrace/rdd"

// Keyed is rows of type V, each with a key of type K, batch by batch. It is a value: methods give new streams and leave it as it is.
type Keyed[K, V any] struct {
	job *Job
	r   rdd.Keyed[K, V]
}

// Job is the job that the stream belongs to: for operators that are made of others and declare shared values of their own.
func (s Keyed[K, V]) Job() *Job { return s.job }

func (s Keyed[K, V]) node() *rdd.Node { return s.r.Node() }

func keyed[K, V any](j *Job, n *rdd.Node) Keyed[K, V] {
	return Keyed[K, V]{j, rdd.KeyedOf[K, V](j.b, n)}
}

// Pair is a key with its value, as one row.
type Pair[K, V any] = rdd.Pair[K, V]

// Map gives f(key, value) for each row, without a key.
func (s Keyed[K, V]) Map[U any](f func(K, V) U) Stream[U] { return Stream[U]{s.job, s.r.Map(f)} }

// MapValues gives f(value) under the same key for each row.
func (s Keyed[K, V]) MapValues[U any](f func(V) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.MapValues(f)}
}

// FlatMapValues gives the elements of f(value), in order, under the same key for each row.
func (s Keyed[K, V]) FlatMapValues[U any](f func(V) []U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.FlatMapValues(f)}
}

// Filter keeps the rows for whose value keep is true.
func (s Keyed[K, V]) Filter[F func(V) bool](keep F) Keyed[K, V] {
	return Keyed[K, V]{s.job, s.r.Filter(keep)}
}

// Values are the values without their keys.
func (s Keyed[K, V]) Values() Stream[V] { return Stream[V]{s.job, s.r.Values()} }

// Keys are the keys without their values, one a row.
func (s Keyed[K, V]) Keys() Stream[K] { return Stream[K]{s.job, s.r.Keys()} }

// Pairs are keys and values as rows of Pair[K, V]; P follows from the call.
func (s Keyed[K, V]) Pairs[P Pair[K, V]]() Stream[P] { return Stream[P]{s.job, s.r.Pairs[P]()} }

// Union has the rows of s and of all others. Within a partition, rows of s come first.
func (s Keyed[K, V]) Union(others ...Keyed[K, V]) Keyed[K, V] {
	var rs []rdd.Keyed[K, V]
	for _, o := range others {
		rs = append(rs, o.r)
	}
	return Keyed[K, V]{s.job, s.r.Union(rs...)}
}

// Name gives the operator behind the stream a name, for the plan and the screen. Operators that keep state have theirs already.
func (s Keyed[K, V]) Name(name string) Keyed[K, V] { return Keyed[K, V]{s.job, s.r.Name(name)} }
