package rdd

import "github.com/millrace/millrace/internal/ops"

// Keyed is an RDD of rows of type V, each with a key of type K. It is a value: methods give new ones and leave it as it is.
type Keyed[K, V any] struct {
	b    *Builder
	node *Node
}

// KeyedOf is a node of b whose keys are of type K and values of type V as a Keyed; for packages that make operators.
func KeyedOf[K, V any](b *Builder, n *Node) Keyed[K, V] { return Keyed[K, V]{b, n} }

// Node is the plan's node behind r, nil for the zero value.
func (r Keyed[K, V]) Node() *Node { return r.node }

// Builder collects what is described; r is part of it.
func (r Keyed[K, V]) Builder() *Builder { return r.b.whole() }

// Pair is a key with its value, as one row.
type Pair[K, V any] struct {
	Key   K `arrow:"key"`
	Value V `arrow:"value"`
}

// Map gives f(key, value) for each row, without a key.
func (r Keyed[K, V]) Map[U any](f func(K, V) U) RDD[U] {
	at := Caller()
	r.b.Need(at, "Map", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "map", nil, val, ops.MapPairs(val, f), r.node)}
}

// MapValues gives f(value) under the same key for each row.
func (r Keyed[K, V]) MapValues[U any](f func(V) U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "MapValues", f == nil)
	val := CodecOf[U](r.b, at)
	return Keyed[K, U]{r.b, r.b.narrow(at, "mapValues", r.node.Key, val, ops.MapValues(val, f), r.node)}
}

// FlatMapValues gives the elements of f(value), in order, under the same key for each row.
func (r Keyed[K, V]) FlatMapValues[U any](f func(V) []U) Keyed[K, U] {
	at := Caller()
	r.b.Need(at, "FlatMapValues", f == nil)
	val := CodecOf[U](r.b, at)
	return Keyed[K, U]{r.b, r.b.narrow(at, "flatMapValues", r.node.Key, val, ops.FlatMapValues[K](val, f), r.node)}
}

// Filter keeps the rows for whose value keep is true.
func (r Keyed[K, V]) Filter[F func(V) bool](keep F) Keyed[K, V] {
	at := Caller()
	r.b.Need(at, "Filter", keep == nil)
	return Keyed[K, V]{r.b, r.b.narrow(at, "filter", r.node.Key, r.node.Val, ops.FilterValues[K](keep), r.node)}
}

// Values are the values without their keys.
func (r Keyed[K, V]) Values() RDD[V] {
	return RDD[V]{r.b, r.b.narrow(Caller(), "values", nil, r.node.Val, ops.Values, r.node)}
}

// Keys are the keys without their values, one a row.
func (r Keyed[K, V]) Keys() RDD[K] {
	return RDD[K]{r.b, r.b.narrow(Caller(), "keys", nil, r.node.Key, ops.Keys, r.node)}
}

// Pairs are keys and values as rows of Pair[K, V]; P follows from the call.
func (r Keyed[K, V]) Pairs[P Pair[K, V]]() RDD[P] {
	at := Caller()
	val := CodecOf[P](r.b, at)
	return RDD[P]{r.b, r.b.narrow(at, "pairs", nil, val, ops.Pairs(func(k K, v V) P { return P(Pair[K, V]{k, v}) }), r.node)}
}

// Union has the rows of r and of all others. Within a partition, rows of r come first.
func (r Keyed[K, V]) Union(others ...Keyed[K, V]) Keyed[K, V] {
	b, in := r.b, []*Node{r.node}
	for _, o := range others {
		b, in = b.with(o.b), append(in, o.node)
	}
	return Keyed[K, V]{b, b.narrow(Caller(), "union", r.node.Key, r.node.Val, ops.Pass, in...)}
}

// Name gives the operator behind r a name, for the plan and the screen. Operators that keep state have theirs already.
func (r Keyed[K, V]) Name(name string) Keyed[K, V] {
	if r.node.Kind == Wide && r.node.Wide.State {
		r.b.Mistakef(Caller(), "%s %q keeps its state under that name; Name cannot change it", r.node.Op, r.node.Name)
		return r
	}
	r.b.rename(r.node, name)
	return r
}
