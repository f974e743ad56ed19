package rdd

import "github.com/millrace/millrace/internal/ops"

// RDD is rows of type T in partitions, and how they are computed: the rows of one batch, or bounded data that is read without a job. Methods describe what
// is made of them; nothing runs before a plan does. It is a value: methods give new RDDs and leave it as it is.
//
// Order is defined (I7), and said per operator. "Source order" is that of (source partition, offset), and behind an operator that moves
// rows that of (upstream partition, row), which depends on the layout (P27).
type RDD[T any] struct {
	b    *Builder
	node *Node
}

// From is the rows of a source, of that name, which is unique in a program; for packages that make sources. leaf's decoders yield []T.
func From[T any](b *Builder, name string, leaf Leaf) RDD[T] {
	at := Caller()
	return Of[T](b, b.Add(at, &Node{Kind: Source, Op: "source", Name: name, Leaf: leaf, Val: CodecOf[T](b, at)}))
}

// Of is a node of b whose rows are of type T as an RDD; for packages that make operators.
func Of[T any](b *Builder, n *Node) RDD[T] { return RDD[T]{b, n} }

// Node is the plan's node behind r, nil for the zero value.
func (r RDD[T]) Node() *Node { return r.node }

// Builder collects what is described; r is part of it.
func (r RDD[T]) Builder() *Builder { return r.b.whole() }

// Self is the function that returns its argument, for KeyBy.
func Self[T any](v T) T { return v }

// Map gives f(row) for each row.
func (r RDD[T]) Map[U any](f func(T) U) RDD[U] {
	at := Caller()
	r.b.Need(at, "Map", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "map", nil, val, ops.Map(val, f), r.node)}
}

// Filter keeps the rows for which keep is true.
func (r RDD[T]) Filter[F func(T) bool](keep F) RDD[T] {
	at := Caller()
	r.b.Need(at, "Filter", keep == nil)
	return RDD[T]{r.b, r.b.narrow(at, "filter", nil, r.node.Val, ops.Filter(keep), r.node)}
}

// FlatMap gives the elements of f(row) for each row, in order.
func (r RDD[T]) FlatMap[U any](f func(T) []U) RDD[U] {
	at := Caller()
	r.b.Need(at, "FlatMap", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "flatMap", nil, val, ops.FlatMap(val, f), r.node)}
}

// MapPartitions gives f(rows) for each partition that has rows: all of them at once, in order. It is for work that
// is dear to begin; what it gives may depend on the layout (P27). A partition is one of the source, or behind an operator that
// moves rows one of its own. The slice is f's own: it may sort it. A partition without rows is passed over.
func (r RDD[T]) MapPartitions[U any](f func(rows []T) []U) RDD[U] {
	at := Caller()
	r.b.Need(at, "MapPartitions", f == nil)
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "mapPartitions", nil, val, ops.MapPartitions(r.node.Val, val, f), r.node)}
}

// Glom gives one row for each partition that has rows: the slice of them, in order. U follows from the call. What a partition is
// depends on the layout (P27), see MapPartitions.
func (r RDD[T]) Glom[U []T]() RDD[U] {
	at := Caller()
	val := CodecOf[U](r.b, at)
	return RDD[U]{r.b, r.b.narrow(at, "glom", nil, val, ops.Glom[T, U](r.node.Val), r.node)}
}

// KeyBy gives each row the key f(row). Keys are scalars or structs of scalars; pointers, interfaces and floats are
// mistakes (P25). Nothing moves yet: the operators that need rows of one key together move them.
func (r RDD[T]) KeyBy[K comparable](f func(T) K) Keyed[K, T] {
	at := Caller()
	r.b.Need(at, "KeyBy", f == nil)
	key := KeyCodecOf[K](r.b, at)
	return Keyed[K, T]{r.b, r.b.narrow(at, "keyBy", key, r.node.Val, ops.KeyBy(key, f), r.node)}
}

// Union has the rows of r and of all others. Within a partition, rows of r come first.
func (r RDD[T]) Union(others ...RDD[T]) RDD[T] {
	b, in := r.b, []*Node{r.node}
	for _, o := range others {
		b, in = b.with(o.b), append(in, o.node)
	}
	return RDD[T]{b, b.narrow(Caller(), "union", nil, r.node.Val, ops.Pass, in...)}
}

// Name gives the operator behind r a name, for the plan and the screen. A source gets it in place of its own.
func (r RDD[T]) Name(name string) RDD[T] {
	r.b.rename(r.node, name)
	return r
}

// renamed are leaves that know the name of their source.
type renamed interface{ Renamed(name string) Leaf }

// rename names a node; a source's connector is told too.
func (b *Builder) rename(n *Node, name string) {
	if n.owned {
		b.Mistakef(Caller(), "%s%s has a name where it comes from; name what is built of it", n.Op, quoted(n.Name))
		return
	}
	n.Name = name
	if leaf, ok := n.Leaf.(renamed); ok {
		n.Leaf = leaf.Renamed(name)
	}
}
