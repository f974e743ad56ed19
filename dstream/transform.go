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
func (s Stream[T]) Transform[U any](f func(b BatchInfo, r rdd.RDD[T]) rdd.RDD[U]) Stream[U] {
	at := rdd.Caller()
	s.job.b.Need(at, "Transform", f == nil)
	return transformed[U](s.job, at, "transform", func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described {
		return f(info, rdd.Of[T](b, in[0]))
	}, s.node())
}

// TransformWith is Transform with the rows of two streams in the same batch. See there for what f may do.
func (s Stream[T]) TransformWith[W, U any](o Stream[W], f func(b BatchInfo, r rdd.RDD[T], o rdd.RDD[W]) rdd.RDD[U]) Stream[U] {
	at := rdd.Caller()
	s.job.b.Need(at, "TransformWith", f == nil)
	return transformed[U](s.job, at, "transformWith", func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described {
		return f(info, rdd.Of[T](b, in[0]), rdd.Of[W](b, in[1]))
	}, s.node(), o.node())
}

// Transform is that of a stream, with keys: f gives rows with keys, which may be others.
func (s Keyed[K, V]) Transform[L, U any](f func(b BatchInfo, r rdd.Keyed[K, V]) rdd.Keyed[L, U]) Keyed[L, U] {
	at := rdd.Caller()
	s.job.b.Need(at, "Transform", f == nil)
	return transformedKeyed[L, U](s.job, at, "transform", func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described {
		return f(info, rdd.KeyedOf[K, V](b, in[0]))
	}, s.node())
}

// TransformWith is Transform with the rows of two streams in the same batch.
func (s Keyed[K, V]) TransformWith[J, W, L, U any](o Keyed[J, W], f func(b BatchInfo, r rdd.Keyed[K, V], o rdd.Keyed[J, W]) rdd.Keyed[L, U]) Keyed[L, U] {
	at := rdd.Caller()
	s.job.b.Need(at, "TransformWith", f == nil)
	return transformedKeyed[L, U](s.job, at, "transformWith", func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described {
		return f(info, rdd.KeyedOf[K, V](b, in[0]), rdd.KeyedOf[J, W](b, in[1]))
	}, s.node(), o.node())
}

// builds is a user's function over the nodes of a batch.
type builds func(info BatchInfo, b *rdd.Builder, in []*rdd.Node) rdd.Described

func transformed[U any](j *Job, at rdd.Site, op string, f builds, in ...*rdd.Node) Stream[U] {
	return Stream[U]{j, rdd.Of[U](j.b, j.b.Add(at, &rdd.Node{
		Kind: rdd.Narrow, Op: op, In: in, Val: rdd.CodecOf[U](j.b, at), Expand: rdd.Expanding(f),
	}))}
}

func transformedKeyed[L, U any](j *Job, at rdd.Site, op string, f builds, in ...*rdd.Node) Keyed[L, U] {
	return keyed[L, U](j, j.b.Add(at, &rdd.Node{
		Kind: rdd.Narrow, Op: op, In: in, Key: rdd.KeyCodecOf[L](j.b, at), Val: rdd.CodecOf[U](j.b, at), Expand: rdd.Expanding(f),
	}))
}
