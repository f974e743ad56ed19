package dstream

import (
	"context"
	"iter"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// ForeachPartition calls f on the executors, once for each lane and batch that has rows there, when the batch is published, at least once (P12). Calls of one
// lane come one at a time and in order of batches; those of different lanes at once, in different processes where executors are. f may keep the rows. Limits are
// those of ForeachBatch; sink.CallbackLanes says how many lanes there are, by default one a slot. What f writes to captured variables stays
// in its process.
func (s Stream[T]) ForeachPartition[F func(ctx context.Context, b Batch, rows []T) error](f F, opts ...sink.CallbackOption) {
	at := rdd.Caller()
	s.job.b.Need(at, "ForeachPartition", f == nil)
	each(s.job, at, s.node(), sink.Partitions, opts, s.rows, f)
}

// ForeachPartition is Stream.ForeachPartition with keys and values. All rows of a key go through one lane, in order.
func (s Keyed[K, V]) ForeachPartition[F func(ctx context.Context, b Batch, rows iter.Seq2[K, V]) error](f F, opts ...sink.CallbackOption) {
	at := rdd.Caller()
	s.job.b.Need(at, "ForeachPartition", f == nil)
	each(s.job, at, s.node(), sink.Partitions, opts, s.rows, func(ctx context.Context, b Batch, rows keyedRows[K, V]) error {
		return f(ctx, b, func(yield func(K, V) bool) {
			for i := range rows.keys {
				if !yield(rows.keys[i], rows.vals[i]) {
					return
				}
			}
		})
	})
}
