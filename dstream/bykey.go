package dstream

// ReduceByKey combines the values of each key in this batch into one by f, which must be associative: values are combined
// in order of (source partition, offset), first within each task, then across tasks. A key without rows gives nothing.
// Results are in order of the keys' first appearance.
func (s Keyed[K, V]) ReduceByKey[F func(a, b V) V](f F) Keyed[K, V] {
	return Keyed[K, V]{s.job, s.r.ReduceByKey(f)}
}

// CombineByKey makes one C of the values of each key in this batch: create begins with the first value that a task has of the key, add takes
// further ones of the task, in order of (source partition, offset), merge combines those of two tasks, in order. What it gives
// is defined only if it does not matter where a key's values are cut into tasks. Results are in order of the keys' first appearance.
func (s Keyed[K, V]) CombineByKey[C any](create func(V) C, add func(C, V) C, merge func(a, b C) C) Keyed[K, C] {
	return Keyed[K, C]{s.job, s.r.CombineByKey(create, add, merge)}
}

// AggregateByKey adds the values of each key in this batch to zero, task by task, in order of (source partition, offset), and merges
// what the tasks have, in order: merging with zero must change nothing. add and merge may change their first argument and return it:
// each key has a zero of its own. Results are in order of the keys' first appearance.
func (s Keyed[K, V]) AggregateByKey[A any](zero A, add func(A, V) A, merge func(a, b A) A) Keyed[K, A] {
	return Keyed[K, A]{s.job, s.r.AggregateByKey(zero, add, merge)}
}

// GroupByKey gathers the values of each key in this batch in one row: keys in order of first appearance, values in order of (source
// partition, offset). G follows from the call. All values are moved; where one value a key is wanted in the end, ReduceByKey and
// AggregateByKey move less.
func (s Keyed[K, V]) GroupByKey[G []V]() Keyed[K, G] { return Keyed[K, G]{s.job, s.r.GroupByKey[G]()} }

// CountByKey counts the rows of each key in this batch, in order of first appearance.
func (s Keyed[K, V]) CountByKey() Keyed[K, int64] { return Keyed[K, int64]{s.job, s.r.CountByKey()} }

// CoGroup gives f(values in s, values in o) for each key that this batch has in s or in o, under that key. Keys come in order of first
// appearance in s, then those that are in o only; values in order of (source partition, offset). The slices are f's own.
func (s Keyed[K, V]) CoGroup[W, U any](o Keyed[K, W], f func([]V, []W) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.CoGroup(o.r, f)}
}

// Join gives f(v, w) for each pair of a row of s and a row of o that have the same key in this batch, under that key. Keys come in order of
// first appearance in s; the rows of a key by s first, then by o, each in order of (source partition, offset).
func (s Keyed[K, V]) Join[W, U any](o Keyed[K, W], f func(V, W) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.Join(o.r, f)}
}

// LeftOuterJoin is Join that also gives f(v, nil) for each row of s whose key this batch has not in o. What the pointer refers to must not
// be changed: other rows of the key have the same.
func (s Keyed[K, V]) LeftOuterJoin[W, U any](o Keyed[K, W], f func(V, *W) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.LeftOuterJoin(o.r, f)}
}

// RightOuterJoin is Join that also gives f(nil, w) for each row of o whose key this batch has not in s: those keys come last, in order of
// first appearance in o. What the pointer refers to must not be changed.
func (s Keyed[K, V]) RightOuterJoin[W, U any](o Keyed[K, W], f func(*V, W) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.RightOuterJoin(o.r, f)}
}

// FullOuterJoin is Join that also gives f(&v, nil) for each row of s whose key this batch has not in o, and f(nil, &w) the other way round:
// those keys come last, in order of first appearance in o. What the pointers refer to must not be changed.
func (s Keyed[K, V]) FullOuterJoin[W, U any](o Keyed[K, W], f func(*V, *W) U) Keyed[K, U] {
	return Keyed[K, U]{s.job, s.r.FullOuterJoin(o.r, f)}
}

// SubtractByKey gives the rows of s whose key this batch has not in o, in (upstream partition, row) order. Of o only keys are moved, each once a task.
func (s Keyed[K, V]) SubtractByKey[W any](o Keyed[K, W]) Keyed[K, V] {
	return Keyed[K, V]{s.job, s.r.SubtractByKey(o.r)}
}

// PartitionByKey brings the rows of a key together in one partition, for operators that see partitions (MapPartitions). Operators with ByKey in
// their name do this by themselves.
func (s Keyed[K, V]) PartitionByKey() Keyed[K, V] { return Keyed[K, V]{s.job, s.r.PartitionByKey()} }

// PartitionBy puts each row into partition f(key), modulo the number of the job's partitions: for operators that see partitions
// (MapPartitions). Which of them there are is the layout's business: operators that gather by key use the key's hash, before and after.
func (s Keyed[K, V]) PartitionBy[F func(key K) int](f F) Keyed[K, V] {
	return Keyed[K, V]{s.job, s.r.PartitionBy(f)}
}
