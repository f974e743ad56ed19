package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// ReduceByKey combines the values of each key in this batch into one by f, which must be associative: values are combined
// in order of (source partition, offset), first within each task, then across tasks. A key without rows gives nothing.
// Results are in order of the keys' first appearance.
func (s Keyed[K, V]) ReduceByKey(f func(a, b V) V) Keyed[K, V] {
	at := caller()
	need(s.job, at, "ReduceByKey", f == nil)
	return s.gather(at, "reduceByKey", ops.ReduceByKey[K](s.node.Key, s.node.Val, f))
}

// CombineByKey makes one C of the values of each key in this batch: create begins with the first value that a task has of the key, add takes
// further ones of the task, in order of (source partition, offset), merge combines those of two tasks, in order. What it gives
// is defined only if it does not matter where a key's values are cut into tasks. Results are in order of the keys' first appearance.
func (s Keyed[K, V]) CombineByKey[C any](create func(V) C, add func(C, V) C, merge func(a, b C) C) Keyed[K, C] {
	at := caller()
	need(s.job, at, "CombineByKey", create == nil || add == nil || merge == nil)
	key, acc := s.node.Key, codec[C](s.job, at)
	return Keyed[K, C]{s.job, s.job.wide(at, "combineByKey", []*rdd.Node{s.node}, key, acc, ops.CombineByKey[K](key, acc, create, add, merge))}
}

// AggregateByKey adds the values of each key in this batch to zero, task by task, in order of (source partition, offset), and merges
// what the tasks have, in order: merging with zero must change nothing. add and merge may change their first argument and return it:
// each key has a zero of its own. Results are in order of the keys' first appearance.
func (s Keyed[K, V]) AggregateByKey[A any](zero A, add func(A, V) A, merge func(a, b A) A) Keyed[K, A] {
	at := caller()
	need(s.job, at, "AggregateByKey", add == nil || merge == nil)
	key, acc := s.node.Key, codec[A](s.job, at)
	fresh := ops.Copies(acc, zero)
	create := func(v V) A { return add(fresh(), v) }
	return Keyed[K, A]{s.job, s.job.wide(at, "aggregateByKey", []*rdd.Node{s.node}, key, acc, ops.CombineByKey[K](key, acc, create, add, merge))}
}

// GroupByKey gathers the values of each key in this batch in one row: keys in order of first appearance, values in order of (source
// partition, offset). G follows from the call. All values are moved; where one value a key is wanted in the end, ReduceByKey and
// AggregateByKey move less.
func (s Keyed[K, V]) GroupByKey[G []V]() Keyed[K, G] {
	at := caller()
	key, out := s.node.Key, codec[G](s.job, at)
	return Keyed[K, G]{s.job, s.job.wide(at, "groupByKey", []*rdd.Node{s.node}, key, out, ops.GroupByKey[K, V, G](key, s.node.Val))}
}

// CountByKey counts the rows of each key in this batch, in order of first appearance.
func (s Keyed[K, V]) CountByKey() Keyed[K, int64] {
	return Keyed[K, int64]{s.job, countByKey[K](s.job, caller(), s.node)}
}

func countByKey[K any](j *Job, at site, in *rdd.Node) *rdd.Node {
	val := codec[int64](j, at)
	return j.wide(at, "countByKey", []*rdd.Node{in}, in.Key, val, ops.CountByKey[K](in.Key, val))
}

// CoGroup gives f(values in s, values in o) for each key that this batch has in s or in o, under that key. Keys come in order of first
// appearance in s, then those that are in o only; values in order of (source partition, offset). The slices are f's own.
func (s Keyed[K, V]) CoGroup[W, U any](o Keyed[K, W], f func([]V, []W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "CoGroup", f == nil)
	return coGroup[K](s.job, at, "coGroup", s.node, o.node, func(vs []V, ws []W, out func(U)) { out(f(vs, ws)) })
}

// Join gives f(v, w) for each pair of a row of s and a row of o that have the same key in this batch, under that key. Keys come in order of
// first appearance in s; the rows of a key by s first, then by o, each in order of (source partition, offset).
func (s Keyed[K, V]) Join[W, U any](o Keyed[K, W], f func(V, W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "Join", f == nil)
	return coGroup[K](s.job, at, "join", s.node, o.node, ops.Inner(f))
}

// LeftOuterJoin is Join that also gives f(v, nil) for each row of s whose key this batch has not in o. What the pointer refers to must not
// be changed: other rows of the key have the same.
func (s Keyed[K, V]) LeftOuterJoin[W, U any](o Keyed[K, W], f func(V, *W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "LeftOuterJoin", f == nil)
	return coGroup[K](s.job, at, "leftOuterJoin", s.node, o.node, ops.LeftOuter(f))
}

// RightOuterJoin is Join that also gives f(nil, w) for each row of o whose key this batch has not in s: those keys come last, in order of
// first appearance in o. What the pointer refers to must not be changed.
func (s Keyed[K, V]) RightOuterJoin[W, U any](o Keyed[K, W], f func(*V, W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "RightOuterJoin", f == nil)
	return coGroup[K](s.job, at, "rightOuterJoin", s.node, o.node, ops.RightOuter(f))
}

// FullOuterJoin is Join that also gives f(&v, nil) for each row of s whose key this batch has not in o, and f(nil, &w) the other way round:
// those keys come last, in order of first appearance in o. What the pointers refer to must not be changed.
func (s Keyed[K, V]) FullOuterJoin[W, U any](o Keyed[K, W], f func(*V, *W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "FullOuterJoin", f == nil)
	return coGroup[K](s.job, at, "fullOuterJoin", s.node, o.node, ops.FullOuter(f))
}

// coGroup is the node under CoGroup and the joins of this batch: each is called once a key.
func coGroup[K, V, W, U any](j *Job, at site, op string, left, right *rdd.Node, each func(vs []V, ws []W, out func(U))) Keyed[K, U] {
	key, out := left.Key, codec[U](j, at)
	return Keyed[K, U]{j, j.wide(at, op, []*rdd.Node{left, right}, key, out, ops.CoGroup[K](key, left.Val, right.Val, out, each))}
}

// SubtractByKey gives the rows of s whose key this batch has not in o, in (upstream partition, row) order. Of o only keys are moved, each once a task.
func (s Keyed[K, V]) SubtractByKey[W any](o Keyed[K, W]) Keyed[K, V] {
	key, val := s.node.Key, s.node.Val
	return Keyed[K, V]{s.job, s.job.wide(caller(), "subtractByKey", []*rdd.Node{s.node, o.node}, key, val, ops.SubtractByKey[K, V](key, val))}
}

// PartitionByKey brings the rows of a key together in one partition, for operators that see partitions (MapPartitions). Operators with ByKey in
// their name do this by themselves.
func (s Keyed[K, V]) PartitionByKey() Keyed[K, V] {
	return s.gather(caller(), "partitionByKey", ops.PartitionByKey[K, V](s.node.Key, s.node.Val))
}

// PartitionBy puts each row into partition f(key), modulo the number of the job's partitions: for operators that see partitions
// (MapPartitions). Which of them there are is the layout's business: operators that gather by key use the key's hash, before and after.
func (s Keyed[K, V]) PartitionBy(f func(key K) int) Keyed[K, V] {
	at := caller()
	need(s.job, at, "PartitionBy", f == nil)
	return s.gather(at, "partitionBy", ops.PartitionBy[K, V](s.node.Key, s.node.Val, f))
}

// gather is a wide node whose rows have the types of its input's.
func (s Keyed[K, V]) gather(at site, op string, how ops.Shuffle) Keyed[K, V] {
	return Keyed[K, V]{s.job, s.job.wide(at, op, []*rdd.Node{s.node}, s.node.Key, s.node.Val, how)}
}

// wide adds an operator that gathers rows.
func (j *Job) wide(at site, op string, in []*rdd.Node, key, val *row.Codec, how ops.Shuffle) *rdd.Node {
	return j.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, In: in, Key: key, Val: val,
		Wide: &rdd.WideSpec{Inputs: how.Inputs, New: how.New},
	})
}
