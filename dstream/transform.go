package dstream

import "github.com/millrace/millrace/rdd"

// BatchInfo is what a function given to Transform is told of the batch: Number, Time and Final.
type BatchInfo = rdd.BatchInfo

// Transform gives what f builds of each batch's rows: f is called for each batch and describes by r's methods what is to be computed
// of them in that batch. So which operators run may depend on the batch's number and time, on shared values (Value) and on pinned rows (Pin). f
// sees no rows: r is a description, as a Stream is.
//
//	busy := lines.Transform(func(b dstream.BatchInfo, r rdd.RDD[Line]) rdd.RDD[Line] {
//		if h := b.At().Hour(); h >= 9 && h < 17 {
//			return r.Sample(0.1)
//		}
//		return r
//	})
//
// Every executor calls f for itself, several calls may run at once, and a batch that is computed again is built again: f must be a function of its arguments,
// shared values and pinned rows alone, without clocks, random numbers or outside data. Executors compare what they built, operator by operator, and a difference
// stops the job (P22). What functions within it captured cannot be compared: take such numbers from b, Value or Pin too.
//
// What f builds may hold up to 64 operators and none that keeps state, reads a table or is an output: those stand before Transform or behind it. A panic in f, or
// an error that it makes, is tried again like one in a task and then stops the job; nothing of the batch is lost. With a fixed interval there is a batch at
// every tick (P28), since f may add rows to a batch without any.
//
// Where f gives rows with keys, use TransformToKeyed.
func (s Stream[T]) Transform[U any](f func(b BatchInfo, r rdd.RDD[T]) rdd.RDD[U]) Stream[U] {
	return stream[U](transform(s, "Transform", f))
}

// TransformToKeyed is Transform with an f that gives rows with keys.
func (s Stream[T]) TransformToKeyed[L, U any](f func(b BatchInfo, r rdd.RDD[T]) rdd.Keyed[L, U]) Keyed[L, U] {
	return streamOfKeys[L, U](transform(s, "TransformToKeyed", f))
}

// TransformWith is Transform with the rows of two streams in the same batch. The other one is a Stream[W], and f's o is an rdd.RDD[W], or
// a Keyed[J, W], and o is an rdd.Keyed[J, W].
func (s Stream[T]) TransformWith[O, U any](o Side[O], f func(b BatchInfo, r rdd.RDD[T], o O) rdd.RDD[U]) Stream[U] {
	return stream[U](transformWith(s, o, "TransformWith", f))
}

// TransformWithToKeyed is TransformWith with an f that gives rows with keys.
func (s Stream[T]) TransformWithToKeyed[O, L, U any](o Side[O], f func(b BatchInfo, r rdd.RDD[T], o O) rdd.Keyed[L, U]) Keyed[L, U] {
	return streamOfKeys[L, U](transformWith(s, o, "TransformWithToKeyed", f))
}

// Transform is that of a stream, with keys: f gives rows with keys, which may be others. Where it gives rows without, use TransformToStream.
func (s Keyed[K, V]) Transform[L, U any](f func(b BatchInfo, r rdd.Keyed[K, V]) rdd.Keyed[L, U]) Keyed[L, U] {
	return streamOfKeys[L, U](transform(s, "Transform", f))
}

// TransformToStream is Transform with an f that gives rows without keys.
func (s Keyed[K, V]) TransformToStream[U any](f func(b BatchInfo, r rdd.Keyed[K, V]) rdd.RDD[U]) Stream[U] {
	return stream[U](transform(s, "TransformToStream", f))
}

// TransformWith is Transform with the rows of two streams in the same batch, of which the other has keys or not, as with Stream.TransformWith.
func (s Keyed[K, V]) TransformWith[O, L, U any](o Side[O], f func(b BatchInfo, r rdd.Keyed[K, V], o O) rdd.Keyed[L, U]) Keyed[L, U] {
	return streamOfKeys[L, U](transformWith(s, o, "TransformWith", f))
}

// TransformWithToStream is TransformWith with an f that gives rows without keys.
func (s Keyed[K, V]) TransformWithToStream[O, U any](o Side[O], f func(b BatchInfo, r rdd.Keyed[K, V], o O) rdd.RDD[U]) Stream[U] {
	return stream[U](transformWith(s, o, "TransformWithToStream", f))
}

// Side is a stream that goes into a transform: a Stream[T] is a Side[rdd.RDD[T]], a Keyed[K, V] a Side[rdd.Keyed[K, V]]. R follows from the call.
type Side[R any] interface {
	Job() *Job
	node() *rdd.Node
	batch(b *rdd.Builder, n *rdd.Node) R // n, which stands for the stream in one batch, as what f gets
}

func (s Stream[T]) batch(b *rdd.Builder, n *rdd.Node) rdd.RDD[T] { return rdd.Of[T](b, n) }

func (s Keyed[K, V]) batch(b *rdd.Builder, n *rdd.Node) rdd.Keyed[K, V] {
	return rdd.KeyedOf[K, V](b, n)
}

// transforming is a transform without its result's type.
type transforming struct {
	job  *Job
	at   rdd.Site
	node *rdd.Node
}

func transform[R any, D rdd.Described](s Side[R], method string, f func(BatchInfo, R) D) transforming {
	t := transforming{s.Job(), rdd.Caller(), &rdd.Node{Kind: rdd.Narrow, Op: "transform", In: []*rdd.Node{s.node()}}}
	t.job.b.Need(t.at, method, f == nil)
	t.node.Expand = rdd.Expanding(func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described { return f(info, s.batch(b, in[0])) })
	return t
}

func transformWith[R, O any, D rdd.Described](s Side[R], o Side[O], method string, f func(BatchInfo, R, O) D) transforming {
	t := transforming{s.Job(), rdd.Caller(), &rdd.Node{Kind: rdd.Narrow, Op: "transformWith", In: []*rdd.Node{s.node(), o.node()}}}
	t.job.b.Need(t.at, method, f == nil)
	t.node.Expand = rdd.Expanding(func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described {
		return f(info, s.batch(b, in[0]), o.batch(b, in[1]))
	})
	return t
}

func stream[U any](t transforming) Stream[U] {
	t.node.Val = rdd.CodecOf[U](t.job.b, t.at)
	return Stream[U]{t.job, rdd.Of[U](t.job.b, t.job.b.Add(t.at, t.node))}
}

func streamOfKeys[L, U any](t transforming) Keyed[L, U] {
	t.node.Key, t.node.Val = rdd.KeyCodecOf[L](t.job.b, t.at), rdd.CodecOf[U](t.job.b, t.at)
	return keyed[L, U](t.job, t.job.b.Add(t.at, t.node))
}
