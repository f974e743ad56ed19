package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Input is a side as an input of a shuffle: rows go to the partition of their keys, in order. Rows that match nothing because of a null in the key
// are left behind unless lonely, and go where the key with zero for null goes.
func (s *Side) Input(key *row.Codec, lonely bool) task.Input {
	return task.Input{Schema: s.Schema, New: func() task.Writer {
		return &writer{schema: s.Schema, lonely: lonely, keys: NewKeys(key, s.Keys)}
	}}
}

// writer deals the rows of a task out by their keys.
type writer struct {
	schema *arrow.Schema
	lonely bool
	keys   *Keys
	out    *col.Dealing
}

// Add deals a chunk's rows out.
func (w *writer) Add(ctx *task.Context, in task.Chunk) error {
	if w.out == nil {
		w.out = col.NewDealing(w.schema, ctx.Layout.Reduce)
	}
	b := in.Vals.(*col.Batch).Dense()
	null := w.keys.Read(b)
	for p, idx := range ops.Parts(ctx.Layout, w.keys.Hash) {
		if null != nil && !w.lonely {
			idx = without(idx, null)
		}
		if len(idx) > 0 {
			w.out.Add(b, p, idx)
		}
	}
	return nil
}

// without are the numbers idx whose flag is not set, in the memory of idx.
func without(idx []int32, flags []bool) []int32 {
	kept := idx[:0]
	for _, i := range idx {
		if !flags[i] {
			kept = append(kept, i)
		}
	}
	return kept
}

// Flush makes the blocks.
func (w *writer) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.out == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	return w.out.Records(), nil
}

// gather is blocks as one batch of a schema.
func gather(schema *arrow.Schema, in []arrow.Record) *col.Batch {
	if rec := batch.Concat(in); rec != nil {
		return col.FromRecord(rec)
	}
	return emptyBatch(schema)
}
