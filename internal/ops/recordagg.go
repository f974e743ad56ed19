package ops

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// RecordAggregate combines the rows of each key in record batches, whoever computes it: into partial results, one a key, before anything is sent, and these into
// results behind it.
type RecordAggregate struct {
	*RowsByKey
	Fails   func(err error, doing string) error // err with the operator's name and what it was doing
	Partial *arrow.Schema                       // of partial results, without keys
	Result  *arrow.Schema                       // of results, without keys
	Out     *arrow.Schema                       // of the rows that go out: keys' columns, then results'
	Combine Combiner                            // rows to partial results
	Merge   Combiner                            // partial results to results
}

// Combiner gives one row a key: row i is made of the rows r with of[r] == i, in order.
type Combiner func(ctx *task.Context, in arrow.Record, of []int32, keys int) (arrow.Record, error)

// blocks is the schema of what is sent.
func (a *RecordAggregate) blocks() *arrow.Schema {
	n := a.Key.Schema().NumFields()
	return arrow.NewSchema(append(a.Key.Schema().Fields()[:n:n], a.Partial.Fields()...), nil)
}

// Shuffle is the operator.
func (a *RecordAggregate) Shuffle() Shuffle {
	schema := a.blocks()
	in := task.Input{Schema: schema, New: func() task.Writer { return &partialWriter{RecordAggregate: a, schema: schema, keys: NewVecs(a.Keys)} }}
	return Shuffle{Inputs: []task.Input{in}, New: func() task.Reducer { return mergeReducer{a, schema} }}
}

// call combines, and refuses what is not one row a key.
func (a *RecordAggregate) call(ctx *task.Context, f Combiner, what string, in arrow.Record, of []int32, keys int, schema *arrow.Schema) (arrow.Record, error) {
	var out arrow.Record
	err := Untouched(ctx, func() (err error) {
		out, err = f(ctx, in, of, keys)
		return err
	}, in)
	if err == nil {
		err = CheckRows(out, schema, keys)
	}
	if err != nil {
		return nil, a.Fails(err, fmt.Sprintf("%s of %d rows for %d keys", what, in.NumRows(), keys))
	}
	return AsRows(out), nil
}

// partialWriter combines the rows of a task, RecordRows of them at a time, cut as those of a RecordMap: sums of floats depend on it.
type partialWriter struct {
	*RecordAggregate
	schema *arrow.Schema
	keys   *Vecs
	pieces []*col.Batch
	rows   int
	out    [][]arrow.Record
}

// Add keeps the chunk's rows until there are enough.
func (w *partialWriter) Add(ctx *task.Context, in task.Chunk) error {
	b, limit := in.Vals.(*col.Batch), recordRows(ctx)
	for lo := 0; lo < in.N; {
		n := min(in.N-lo, limit-w.rows)
		w.pieces = append(w.pieces, rowsOf(b, lo, lo+n))
		w.rows += n
		lo += n
		if w.rows == limit {
			if err := w.combine(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// combine makes partial results of the rows that have come, and deals them out.
func (w *partialWriter) combine(ctx *task.Context) error {
	if w.rows == 0 {
		return nil
	}
	if w.out == nil {
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	list, of := make([]col.Piece, len(w.pieces)), make([]int32, 0, w.rows)
	err := WithScratch(func(s *Scratch) error {
		for i, p := range w.pieces {
			list[i].Batch = p
			of = append(of, s.AddVecs(w.Key, w.keyVecs(w.keys, p), p)...)
		}
		keys := s.Dict.Keys()
		part, err := w.call(ctx, w.Combine, "partial results", col.Gather(w.In, list), of, keys.Len(), w.Partial)
		if err != nil {
			return err
		}
		for p, idx := range Parts(ctx.Layout, keys.Hash) {
			if len(idx) == 0 {
				continue
			}
			cols, err := w.Key.KeyColumns(keys, idx)
			if err != nil {
				return err
			}
			cols = append(cols[:len(cols):len(cols)], batch.Take(part, idx).Columns()...)
			w.out[p] = append(w.out[p], array.NewRecord(w.schema, cols, int64(len(idx))))
		}
		return nil
	})
	w.pieces, w.rows = nil, 0
	return err
}

// Flush makes the blocks.
func (w *partialWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if err := w.combine(ctx); err != nil {
		return nil, err
	}
	out := Joined(ctx, w.out)
	w.out = nil
	return out, nil
}

type mergeReducer struct {
	*RecordAggregate
	schema *arrow.Schema
}

// Reduce emits one row a key, in order of first appearance.
func (r mergeReducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	return WithScratch(func(s *Scratch) error {
		all, of, err := gathered("partial results", r.Key, r.schema, in[0], s)
		if all == nil || err != nil {
			return err
		}
		partials := array.NewRecord(r.Partial, ValColumns(r.Key, all, 0), all.NumRows())
		keys := s.Dict.Keys()
		out, err := r.call(ctx, r.Merge, "results of partial results", partials, of, keys.Len(), r.Result)
		if err != nil {
			return err
		}
		return r.EmitRecord(emit, r.Out, keys, out, nil)
	})
}
