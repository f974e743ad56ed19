package dstream

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// To sends the rows to a sink. A stream may have any number of sinks.
func (s Stream[T]) To(out sink.Sink) { s.job.output(rdd.Caller(), s.node(), out) }

// To sends the rows to a sink, keys and values. A stream may have any number of sinks.
func (s Keyed[K, V]) To(out sink.Sink) { s.job.output(rdd.Caller(), s.node(), out) }

func (j *Job) output(at rdd.Site, in *rdd.Node, out sink.Sink) {
	spec := out.Spec()
	if spec == nil {
		j.mistakef(at, "the sink is empty; make one with a function of package sink")
		return
	}
	n := j.b.Add(at, &rdd.Node{Kind: rdd.Sink, Op: "sink", Name: spec.Name, In: []*rdd.Node{in}, Key: in.Key, Val: in.Val, Outlet: spec})
	if spec.Name == "" {
		j.mistakef(at, "the sink has no name; give it one with .Named")
	}
	j.checkSink(at, n, spec)
}

// checkSink reports options and row types that the sink cannot work with.
func (j *Job) checkSink(at rdd.Site, n *rdd.Node, spec *sink.Spec) {
	if spec.Err != nil {
		j.mistakef(at, "sink %q: %v", spec.Name, spec.Err)
	}
	if n.Val == nil || spec.Check == nil {
		return
	}
	if err := spec.Check(sink.SchemaOf(n.Key, n.Val)); err != nil && !j.b.Doubted(n) {
		j.mistakef(at, "sink %q: %v", spec.Name, err)
	}
}

// Batch says which batch a callback is called for. Callbacks are called at least once a batch: a batch that is called again has the same
// number and rows and, maybe, another attempt.
type Batch struct {
	Number  int64
	Time    time.Time
	Attempt int
	Final   bool // the job is finished: no other batch follows
}

// ForeachBatch calls f in the driver's process for each batch, in order, with all its rows, at least once (P12). The rows are in memory: Collect, Take,
// NumRows and Rows of rows give them, and more can be computed of them (rows.KeyBy(…).CountByKey().Collect(ctx)), with the ctx that f is given. f may keep them.
// sink.CallbackRows and sink.CallbackTimeout are its limits; an error of f fails the batch.
func (s Stream[T]) ForeachBatch[F func(ctx context.Context, b Batch, rows rdd.RDD[T]) error](f F, opts ...sink.CallbackOption) {
	at := rdd.Caller()
	s.job.b.Need(at, "ForeachBatch", f == nil)
	each(s.job, at, s.node(), sink.Callback, opts, s.rows, func(ctx context.Context, b Batch, rows []T) error { return f(ctx, b, rdd.Parallelize(rows)) })
}

// ForeachBatch calls f in the driver's process for each batch, in order, with all its keys and values, at least once (P12). See
// Stream.ForeachBatch.
func (s Keyed[K, V]) ForeachBatch[F func(ctx context.Context, b Batch, rows rdd.Keyed[K, V]) error](f F, opts ...sink.CallbackOption) {
	at := rdd.Caller()
	s.job.b.Need(at, "ForeachBatch", f == nil)
	each(s.job, at, s.node(), sink.Callback, opts, s.rows, func(ctx context.Context, b Batch, rows keyedRows[K, V]) error {
		return f(ctx, b, rdd.ParallelizeKeyed(rows.keys, rows.vals))
	})
}

// called is a sink that calls a function when a batch is published: sink.Callback or sink.Partitions.
type called func(name string, f func(context.Context, sink.Batch, []arrow.Record) error, opts ...sink.CallbackOption) sink.Sink

// callback ends in a sink that calls f when a batch is published.
func (j *Job) callback(at rdd.Site, in *rdd.Node, out called, opts []sink.CallbackOption, f func(context.Context, Batch, []arrow.Record) error) {
	opts = append([]sink.CallbackOption{sink.CallbackSite(at.String())}, opts...)
	j.output(at, in, out(j.numbered("callback"), func(ctx context.Context, b sink.Batch, recs []arrow.Record) error {
		if j.options.Runner != nil {
			ctx = rdd.WithRunner(ctx, j.options.Runner)
		}
		return f(ctx, Batch{Number: b.Number, Time: time.UnixMicro(b.Time).UTC(), Attempt: b.Attempt, Final: b.Final}, recs)
	}, opts...))
}

// numbered is the name of an output that the user did not name.
func (j *Job) numbered(kind string) string {
	j.unnamed++
	return fmt.Sprintf("%s-%d", kind, j.unnamed)
}

// each ends in a sink that calls f with a batch's rows, as read makes them of columns.
func each[R any](j *Job, at rdd.Site, in *rdd.Node, out called, opts []sink.CallbackOption, read func([]arrow.Record) (R, error), f func(context.Context, Batch, R) error) {
	j.callback(at, in, out, opts, func(ctx context.Context, b Batch, recs []arrow.Record) error {
		rows, err := read(recs)
		if err != nil {
			return err
		}
		return f(ctx, b, rows)
	})
}

// rows are the stream's rows in records that reached a sink.
func (s Stream[T]) rows(recs []arrow.Record) ([]T, error) { return allRows[T](s.node().Val, recs, 0) }

type keyedRows[K, V any] struct {
	keys []K
	vals []V
}

func (s Keyed[K, V]) rows(recs []arrow.Record) (rows keyedRows[K, V], err error) {
	key, val := s.node().Key, s.node().Val
	if rows.keys, err = allRows[K](key, recs, 0); err == nil {
		rows.vals, err = allRows[V](val, recs, key.Schema().NumFields())
	}
	return rows, err
}

// allRows are the rows of records, from column first on.
func allRows[T any](c *row.Codec, recs []arrow.Record, first int) ([]T, error) {
	var rows []T
	for _, rec := range recs {
		part, err := ops.RowsOf[T](c, rec.Columns()[first:first+c.Schema().NumFields()])
		if err != nil {
			return nil, err
		}
		rows = append(rows, part...)
	}
	return rows, nil
}

// Print shows the first n rows of each batch as a table on the driver's standard output, at least once.
func (s Stream[T]) Print(n int) { s.job.print(rdd.Caller(), s.node(), n) }

// Print shows the first n keys and values of each batch as a table on the driver's standard output, at least once.
func (s Keyed[K, V]) Print(n int) { s.job.print(rdd.Caller(), s.node(), n) }

func (j *Job) print(at rdd.Site, in *rdd.Node, n int) {
	j.output(at, in, sink.Console(sink.ConsoleRows(n)).Named(j.numbered("print")))
}
