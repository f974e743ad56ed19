package window

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Windows of streams without keys have one key, false.
var singleCodec = row.Must[bool]()

// SingleKey is the codec of that key, and the key group that it lies in.
func SingleKey() (*row.Codec, row.GroupID) {
	return singleCodec, row.GroupID(row.Group(singleKeys().Hash[0]))
}

func singleKeys() *row.Keys {
	var k row.Keys
	singleCodec.AppendKeys([]bool{false}, &k)
	return &k
}

// SingleInput is the input of a reduction of all rows to one value: in adds a chunk to what a task has, at most one value.
func SingleInput[V any](val *row.Codec, in func(sum []V, c task.Chunk) []V) task.Input {
	schema := ops.PairSchema(singleCodec, val)
	return task.Input{Schema: schema, New: func() task.Writer { return &singleWriter[V]{val: val, schema: schema, in: in} }}
}

type singleWriter[V any] struct {
	val    *row.Codec
	schema *arrow.Schema
	in     func([]V, task.Chunk) []V
	sum    []V // one value at most
}

// Add adds the chunk's rows.
func (w *singleWriter[V]) Add(_ *task.Context, c task.Chunk) error {
	w.sum = w.in(w.sum, c)
	return nil
}

// Flush makes the one block, for the partition of the key.
func (w *singleWriter[V]) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if len(w.sum) > 0 {
		cols := append(singleCodec.Columns([]bool{false}, nil), w.val.Columns(w.sum, nil)...)
		out[ctx.Layout.PartitionOf(singleKeys().Hash[0])] = array.NewRecord(w.schema, cols, 1)
	}
	w.sum = nil
	return out, nil
}
