// Package dstream answers: how does batch follow batch? It is the API that users write jobs in.
//
// A job is a function that is given a *Job and chains methods on four nouns: Stream[T], rows; Keyed[K, V], rows with a key;
// Table[K, V], the latest value of each key; and, later, Frame, columns. It describes what happens in every batch; nothing
// runs while it is built:
//
//	func wordCount(job *dstream.Job) {
//		lines := dstream.From(job, source.KafkaText("lines"))
//		counts := lines.FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words")
//		counts.To(sink.KafkaJSON("counts"))
//	}
//
// Methods do not return errors: the job collects them with the user's file and line, and Plan reports all of them at
// once. Forms without a name work on this batch (CountByKey, ReduceByKey); forms that keep state say so and carry a name
// (RunningCount, RunningReduce, Stateful, Latest), under which a checkpoint finds their state again.
//
// Functions that users pass run on executors, several tasks at a time; they must not share anything that they write, and
// must depend on nothing but their arguments: no clock, no environment, no random numbers (I2). What they capture
// before the job runs and only read is fine; what must be equal in every process goes through Value.
//
// A stream is an RDD of package rdd in each batch: operators that look at one batch are RDD's, and the methods here hand over to them. What
// reaches from batch to batch, and what enters and leaves, is this package's own. Go refuses a method of Stream[T] that mentions
// Stream[[]T] (an instantiation cycle), so results of such a shape are type parameters pinned by a constraint, see Keyed.Pairs.
package dstream
