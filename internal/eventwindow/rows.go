package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// RowInput is the input of an operator that needs whole rows: they go to the partition of their keys, in order. owner is the codec of the keys, or of a constant
// where there are none.
func RowInput(schema *arrow.Schema, owner *row.Codec, keys []*expr.Bound) task.Input {
	return task.Input{Schema: schema, New: func() task.Writer { return &rowWriter{schema: schema, owner: owner, keys: evals(keys)} }}
}

func evals(list []*expr.Bound) []*expr.Eval {
	out := make([]*expr.Eval, len(list))
	for i, b := range list {
		out[i] = b.Eval()
	}
	return out
}

// rowWriter deals rows out by their keys.
type rowWriter struct {
	schema *arrow.Schema
	owner  *row.Codec
	keys   []*expr.Eval
	k      row.Keys
	out    [][]arrow.Record
}

// Add deals a chunk's rows out.
func (w *rowWriter) Add(ctx *task.Context, in task.Chunk) error {
	if w.out == nil {
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	b := in.Vals.(*col.Batch)
	w.k.Reset()
	w.owner.AppendVecKeys(ownerCols(w.keys, b), nil, &w.k)
	for p, idx := range ops.Parts(ctx.Layout, w.k.Hash) {
		if len(idx) > 0 {
			w.out[p] = append(w.out[p], array.NewRecord(w.schema, b.Arrays(idx), int64(len(idx))))
		}
	}
	return nil
}

// Flush makes the blocks.
func (w *rowWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := ops.Joined(ctx, w.out)
	w.out = nil
	return out, nil
}

// ownerCols are the keys of the rows of b that count: a constant where there are none.
func ownerCols(keys []*expr.Eval, b *col.Batch) []*col.Vec {
	if len(keys) == 0 {
		return []*col.Vec{col.New(arrow.FixedWidthTypes.Boolean, b.Len())}
	}
	out := make([]*col.Vec, len(keys))
	for i, k := range keys {
		out[i] = k.Vec(b).Take(b.Sel)
	}
	return out
}

// ownerFields are the columns of keys: a constant where there are none.
func ownerFields(keys []arrow.Field) []arrow.Field {
	if len(keys) > 0 {
		return keys
	}
	return []arrow.Field{{Name: "_all", Type: arrow.FixedWidthTypes.Boolean}}
}
