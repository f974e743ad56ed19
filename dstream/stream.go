package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Stream is rows of type T, batch by batch. It is a value: methods give new streams and leave it as it is.
type Stream[T any] struct {
	job  *Job
	node *rdd.Node
}

// Self is the function that returns its argument, for KeyBy.
func Self[T any](v T) T { return v }

// Map gives f(row) for each row.
func (s Stream[T]) Map[U any](f func(T) U) Stream[U] {
	at := caller()
	need(s.job, at, "Map", f == nil)
	val := codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "map", []*rdd.Node{s.node}, nil, val, ops.Map(val, f))}
}

// Filter keeps the rows for which keep is true.
func (s Stream[T]) Filter(keep func(T) bool) Stream[T] {
	at := caller()
	need(s.job, at, "Filter", keep == nil)
	return Stream[T]{s.job, s.job.narrow(at, "filter", []*rdd.Node{s.node}, nil, s.node.Val, ops.Filter(keep))}
}

// FlatMap gives the elements of f(row) for each row, in order.
func (s Stream[T]) FlatMap[U any](f func(T) []U) Stream[U] {
	at := caller()
	need(s.job, at, "FlatMap", f == nil)
	val := codec[U](s.job, at)
	return Stream[U]{s.job, s.job.narrow(at, "flatMap", []*rdd.Node{s.node}, nil, val, ops.FlatMap(val, f))}
}

// KeyBy gives each row the key f(row). Keys are scalars or structs of scalars; pointers, interfaces and floats are
// mistakes (P25). Nothing moves yet: the operators that need rows of one key together move them.
func (s Stream[T]) KeyBy[K comparable](f func(T) K) Keyed[K, T] {
	at := caller()
	need(s.job, at, "KeyBy", f == nil)
	key := keyCodec[K](s.job, at)
	return Keyed[K, T]{s.job, s.job.narrow(at, "keyBy", []*rdd.Node{s.node}, key, s.node.Val, ops.KeyBy(key, f))}
}

// Union has the rows of s and of all others. Within a partition, rows of s come first.
func (s Stream[T]) Union(others ...Stream[T]) Stream[T] {
	in := []*rdd.Node{s.node}
	for _, o := range others {
		in = append(in, o.node)
	}
	return Stream[T]{s.job, s.job.union(caller(), in)}
}

// Name gives the operator behind the stream a name, for the plan and the screen. A source gets it in place of its own.
func (s Stream[T]) Name(name string) Stream[T] {
	rename(s.node, name)
	return s
}

// DeadLetter sends the records of a source that could not be decoded to out, in place of the job's default. The rows are rdd.DeadLetter's.
func (s Stream[T]) DeadLetter(out sink.Sink) Stream[T] {
	at := caller()
	switch spec := out.Spec(); {
	case s.node.Kind != rdd.Source:
		s.job.mistakef(at, "DeadLetter belongs directly behind From: only a source has records that cannot be decoded")
	case s.node.Dead != nil:
		s.job.mistakef(at, "source %q has a dead-letter sink already, from %s", s.node.Name, s.node.Dead.Site)
	case spec == nil:
		s.job.mistakef(at, "the sink is empty; make one with a function of package sink")
	default:
		s.job.deadLetter(at, s.node, spec)
	}
	return s
}

// rename names a node; a source's connector is told too.
func rename(n *rdd.Node, name string) {
	n.Name = name
	if spec, ok := n.Leaf.(*source.Spec); ok {
		named := *spec
		named.Name = name
		n.Leaf = &named
	}
}

// need reports an operator that was given no function.
func need(j *Job, at site, op string, missing bool) {
	if missing {
		j.mistakef(at, "%s needs a function, not nil", op)
	}
}

func (j *Job) narrow(at site, op string, in []*rdd.Node, key, val *row.Codec, k func() rdd.Kernel) *rdd.Node {
	return j.add(at, &rdd.Node{Kind: rdd.Narrow, Op: op, In: in, Key: key, Val: val, Kernel: k})
}

func (j *Job) union(at site, in []*rdd.Node) *rdd.Node {
	return j.narrow(at, "union", in, in[0].Key, in[0].Val, ops.Pass)
}
