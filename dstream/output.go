package dstream

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// To sends the rows to a sink. A stream may have any number of sinks.
func (s Stream[T]) To(out sink.Sink) { s.job.output(caller(), s.node, out) }

// To sends the rows to a sink, keys and values. A stream may have any number of sinks.
func (s Keyed[K, V]) To(out sink.Sink) { s.job.output(caller(), s.node, out) }

func (j *Job) output(at site, in *rdd.Node, out sink.Sink) {
	spec := out.Spec()
	if spec == nil {
		j.mistakef(at, "the sink is empty; make one with a function of package sink")
		return
	}
	n := j.add(at, &rdd.Node{Kind: rdd.Sink, Op: "sink", Name: spec.Name, In: []*rdd.Node{in}, Key: in.Key, Val: in.Val, Outlet: spec})
	if spec.Name == "" {
		j.mistakef(at, "the sink has no name; give it one with .Named")
	}
	j.checkSink(at, n, spec)
}

// checkSink reports options and row types that the sink cannot work with.
func (j *Job) checkSink(at site, n *rdd.Node, spec *sink.Spec) {
	if spec.Err != nil {
		j.mistakef(at, "sink %q: %v", spec.Name, spec.Err)
	}
	if n.Val == nil || spec.Check == nil {
		return
	}
	if err := spec.Check(SinkSchema(n)); err != nil {
		j.mistakef(at, "sink %q: %v", spec.Name, err)
	}
}

// SinkSchema is the form of the rows that a sink node's connector gets.
func SinkSchema(n *rdd.Node) sink.Schema {
	s := sink.Schema{Arrow: row.Pair(n.Key, n.Val), ScalarValue: n.Val.Scalar()}
	if n.Key != nil {
		s.Keys, s.ScalarKey = n.Key.Schema().NumFields(), n.Key.Scalar()
	}
	return s
}

// Batch says which batch a callback is called for. Callbacks are called at least once a batch: a batch that is called again has the same
// number and rows and, maybe, another attempt.
type Batch struct {
	Number  int64
	Time    time.Time
	Attempt int
	Final   bool // the job is finished: no other batch follows
}

// The limits of a callback (P12): a batch beyond them stops the job.
const (
	CallbackRows    = 1 << 20
	CallbackTimeout = 30 * time.Second
)

// ForeachBatch calls f in the driver's process for each batch, in order, with all its rows, at least once (P12). A batch of more than
// CallbackRows rows and a call that ignores its context beyond CallbackTimeout are errors. f may keep the rows.
func (s Stream[T]) ForeachBatch(f func(ctx context.Context, b Batch, rows []T) error) {
	at := caller()
	need(s.job, at, "ForeachBatch", f == nil)
	val := s.node.Val
	s.job.callback(at, s.node, "callback", func(ctx context.Context, b Batch, recs []arrow.Record) error {
		rows, err := allRows[T](val, recs, 0)
		if err != nil {
			return err
		}
		return f(ctx, b, rows)
	})
}

// ForeachBatch calls f in the driver's process for each batch, in order, with all its keys and values, at least once (P12). Limits are
// those of Stream.ForeachBatch.
func (s Keyed[K, V]) ForeachBatch(f func(ctx context.Context, b Batch, rows iter.Seq2[K, V]) error) {
	at := caller()
	need(s.job, at, "ForeachBatch", f == nil)
	key, val := s.node.Key, s.node.Val
	s.job.callback(at, s.node, "callback", func(ctx context.Context, b Batch, recs []arrow.Record) error {
		keys, err := allRows[K](key, recs, 0)
		if err != nil {
			return err
		}
		vals, err := allRows[V](val, recs, key.Schema().NumFields())
		if err != nil {
			return err
		}
		return f(ctx, b, func(yield func(K, V) bool) {
			for i := range keys {
				if !yield(keys[i], vals[i]) {
					return
				}
			}
		})
	})
}

// allRows are the rows of records, from column first on.
func allRows[T any](c *row.Codec, recs []arrow.Record, first int) ([]T, error) {
	var rows []T
	for _, rec := range recs {
		part, err := rowsOf[T](c, rec.Columns()[first:first+c.Schema().NumFields()])
		if err != nil {
			return nil, err
		}
		rows = append(rows, part...)
	}
	return rows, nil
}

// printTo is where Print writes; tests change it.
var printTo io.Writer = os.Stdout

// Print writes the first n rows of each batch that has rows to standard output, at least once.
func (s Stream[T]) Print(n int) {
	val := s.node.Val
	s.job.callback(caller(), s.node, "print", func(_ context.Context, b Batch, recs []arrow.Record) error {
		rows, err := allRows[T](val, recs, 0)
		return printed(b, n, len(rows), err, func(i int) string { return fmt.Sprintf("%+v", rows[i]) })
	})
}

// Print writes the first n keys and values of each batch that has rows to standard output, at least once.
func (s Keyed[K, V]) Print(n int) {
	key, val := s.node.Key, s.node.Val
	s.job.callback(caller(), s.node, "print", func(_ context.Context, b Batch, recs []arrow.Record) error {
		keys, err := allRows[K](key, recs, 0)
		if err != nil {
			return err
		}
		vals, err := allRows[V](val, recs, key.Schema().NumFields())
		return printed(b, n, len(keys), err, func(i int) string { return fmt.Sprintf("%+v: %+v", keys[i], vals[i]) })
	})
}

func printed(b Batch, n, rows int, err error, line func(i int) string) error {
	if err != nil || rows == 0 {
		return err
	}
	text := fmt.Sprintf("batch %d, %s, %d rows\n", b.Number, b.Time.UTC().Format(time.RFC3339Nano), rows)
	for i := range min(n, rows) {
		text += "  " + line(i) + "\n"
	}
	if rows > n {
		text += fmt.Sprintf("  … %d more\n", rows-n)
	}
	_, err = io.WriteString(printTo, text)
	return err
}
