package rdd

import "github.com/millrace/millrace/internal/ops"

// ReduceByKey combines the values of each key into one by f, which must be associative: values are combined
// in source order, first within each task, then across tasks. A key without rows gives nothing.
// Results are in order of the keys' first appearance.
func (r Keyed[K, V]) ReduceByKey[F func(a, b V) V](f F) Keyed[K, V] {
	at := Caller()
	r.b.Need(at, "ReduceByKey", f == nil)
	return r.gather(at, "reduceByKey", ops.ReduceByKey[K](r.node.Key, r.node.Val, f))
}

// CombineByKey makes one C of the values of each key: create begins with the first value that a task has of the key, add takes
// further ones of the task, in source order, merge combines those of two tasks, in order. What it gives
// is defined only if it does not matter where a key's values are cut into tasks. Results are in order of the keys' first appearance.
func (r Keyed[K, V]) CombineByKey[C any](create func(V) C, add func(C, V) C, merge func(a, b C) C) Keyed[K, C] {
	at := Caller()
	r.b.Need(at, "CombineByKey", create == nil || add == nil || merge == nil)
	key, acc := r.node.Key, CodecOf[C](r.b, at)
	return Keyed[K, C]{r.b, r.b.wide(at, "combineByKey", key, acc, ops.CombineByKey[K](key, acc, create, add, merge), r.node)}
}

// AggregateByKey adds the values of each key to zero, task by task, in source order, and merges
// what the tasks have, in order: merging with zero must change nothing. add and merge may change their first argument and return it:
// each key has a zero of its own. Results are in order of the keys' first appearance.
func (r Keyed[K, V]) AggregateByKey[A any](zero A, add func(A, V) A, merge func(a, b A) A) Keyed[K, A] {
	at := Caller()
	r.b.Need(at, "AggregateByKey", add == nil || merge == nil)
	key, acc := r.node.Key, CodecOf[A](r.b, at)
	fresh := ops.Copies(acc, zero)
	create := func(v V) A { return add(fresh(), v) }
	return Keyed[K, A]{r.b, r.b.wide(at, "aggregateByKey", key, acc, ops.CombineByKey[K](key, acc, create, add, merge), r.node)}
}

// GroupByKey gathers the values of each key in one row: keys in order of first appearance, values in source order. G follows from the
// call. All values are moved; where one value a key is wanted in the end, ReduceByKey and AggregateByKey move less.
func (r Keyed[K, V]) GroupByKey[G []V]() Keyed[K, G] {
	at := Caller()
	key, out := r.node.Key, CodecOf[G](r.b, at)
	return Keyed[K, G]{r.b, r.b.wide(at, "groupByKey", key, out, ops.GroupByKey[K, V, G](key, r.node.Val), r.node)}
}

// CountByKey counts the rows of each key, in order of first appearance.
func (r Keyed[K, V]) CountByKey() Keyed[K, int64] {
	return Keyed[K, int64]{r.b, countByKey[K](r.b, Caller(), r.node)}
}

func countByKey[K any](b *Builder, at Site, in *Node) *Node {
	val := CodecOf[int64](b, at)
	return b.wide(at, "countByKey", in.Key, val, ops.CountByKey[K](in.Key, val), in)
}

// CoGroup gives f(values in r, values in o) for each key in r or in o, under that key. Keys come in order of first
// appearance in r, then those that are in o only; values in source order. The slices are f's own.
func (r Keyed[K, V]) CoGroup[W, U any](o Keyed[K, W], f func([]V, []W) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "CoGroup", f == nil)
	return coGroup[K](r.b.with(o.b), at, "coGroup", r.node, o.node, func(vs []V, ws []W, out func(U)) { out(f(vs, ws)) })
}

// Join gives f(v, w) for each pair of a row of r and a row of o that have the same key, under that key. Keys come in order of
// first appearance in r; the rows of a key by r first, then by o, each in source order.
func (r Keyed[K, V]) Join[W, U any](o Keyed[K, W], f func(V, W) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "Join", f == nil)
	return coGroup[K](r.b.with(o.b), at, "join", r.node, o.node, ops.Inner(f))
}

// LeftOuterJoin is Join that also gives f(v, nil) for each row of r whose key is not in o. What the pointer refers to must not
// be changed: other rows of the key have the same.
func (r Keyed[K, V]) LeftOuterJoin[W, U any](o Keyed[K, W], f func(V, *W) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "LeftOuterJoin", f == nil)
	return coGroup[K](r.b.with(o.b), at, "leftOuterJoin", r.node, o.node, ops.LeftOuter(f))
}

// RightOuterJoin is Join that also gives f(nil, w) for each row of o whose key is not in r: those keys come last, in order of
// first appearance in o. What the pointer refers to must not be changed.
func (r Keyed[K, V]) RightOuterJoin[W, U any](o Keyed[K, W], f func(*V, W) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "RightOuterJoin", f == nil)
	return coGroup[K](r.b.with(o.b), at, "rightOuterJoin", r.node, o.node, ops.RightOuter(f))
}

// FullOuterJoin is Join that also gives f(&v, nil) for each row of r whose key is not in o, and f(nil, &w) the other way round:
// those keys come last, in order of first appearance in o. What the pointers refer to must not be changed.
func (r Keyed[K, V]) FullOuterJoin[W, U any](o Keyed[K, W], f func(*V, *W) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "FullOuterJoin", f == nil)
	return coGroup[K](r.b.with(o.b), at, "fullOuterJoin", r.node, o.node, ops.FullOuter(f))
}

// coGroup is the node under CoGroup and the joins: each is called once a key.
func coGroup[K, V, W, U any](b *Builder, at Site, op string, left, right *Node, each func(vs []V, ws []W, out func(U))) Keyed[K, U] {
	key, out := left.Key, CodecOf[U](b, at)
	return Keyed[K, U]{b, b.wide(at, op, key, out, ops.CoGroup[K](key, left.Val, right.Val, out, each), left, right)}
}

// SubtractByKey gives the rows of r whose key is not in o, in (upstream partition, row) order. Of o only keys are moved, each once a task.
func (r Keyed[K, V]) SubtractByKey[W any](o Keyed[K, W]) Keyed[K, V] {
	b, key, val := r.b.with(o.b), r.node.Key, r.node.Val
	return Keyed[K, V]{b, b.wide(Caller(), "subtractByKey", key, val, ops.SubtractByKey[K, V](key, val), r.node, o.node)}
}

// PartitionByKey brings the rows of a key together in one partition, for operators that see partitions (MapPartitions). Operators with ByKey in
// their name do this by themselves.
func (r Keyed[K, V]) PartitionByKey() Keyed[K, V] {
	return r.gather(Caller(), "partitionByKey", ops.PartitionByKey[K, V](r.node.Key, r.node.Val))
}

// PartitionBy puts each row into partition f(key), modulo the number of the program's partitions: for operators that see partitions
// (MapPartitions). Which of them there are is the layout's business: operators that gather by key use the key's hash, before and after.
func (r Keyed[K, V]) PartitionBy[F func(key K) int](f F) Keyed[K, V] {
	at := Caller()
	r.b.Need(at, "PartitionBy", f == nil)
	return r.gather(at, "partitionBy", ops.PartitionBy[K, V](r.node.Key, r.node.Val, f))
}

// gather is a wide node whose rows have the types of its input's.
func (r Keyed[K, V]) gather(at Site, op string, how ops.Shuffle) Keyed[K, V] {
	return Keyed[K, V]{r.b, r.b.wide(at, op, r.node.Key, r.node.Val, how, r.node)}
}
