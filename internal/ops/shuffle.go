package ops

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Shuffle is an operator that gathers rows: what the tasks above write, input by input, and what is made of it.
type Shuffle struct {
	Inputs []task.Input
	New    func() task.Reducer // one a task
}

// Parts deals numbers 0, 1, 2, … out to reduce partitions by their keys' hashes.
func Parts(l *task.Layout, hashes []uint64) [][]int32 {
	if l.Reduce == 1 {
		all := make([]int32, len(hashes))
		for i := range all {
			all[i] = int32(i)
		}
		return [][]int32{all}
	}
	out := make([][]int32, l.Reduce)
	for p := range out {
		out[p] = make([]int32, 0, len(hashes)/l.Reduce+len(hashes)/l.Reduce/8+8)
	}
	for i, h := range hashes {
		p := l.PartitionOf(h)
		out[p] = append(out[p], int32(i))
	}
	return out
}

// Blocks makes one block a reduce partition from the keys of a dictionary; values gives the columns behind the key.
func Blocks(ctx *task.Context, schema *arrow.Schema, key *row.Codec, d *row.Dict, values func(idx []int32) []arrow.Array) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if d.Len() == 0 {
		return out, nil
	}
	keys := d.Keys()
	for p, idx := range Parts(ctx.Layout, keys.Hash) {
		if len(idx) == 0 {
			continue
		}
		cols, err := key.KeyColumns(keys, idx)
		if err != nil {
			return nil, err
		}
		out[p] = array.NewRecord(schema, append(cols, values(idx)...), int64(len(idx)))
	}
	return out, nil
}

// Joined makes one block a reduce partition of what a writer has gathered for each, in order.
func Joined(ctx *task.Context, parts [][]arrow.Record) []arrow.Record {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	for p, recs := range parts {
		out[p] = batch.Concat(recs)
	}
	return out
}

// rowWriter sends every row to the partition of its key, in order. It turns rows into columns a group of chunks at a time: then
// they hold no pointers any more, and a large batch costs the collector little.
type rowWriter[K, V any] struct {
	key, val *row.Codec
	schema   *arrow.Schema
	chunks   []task.Chunk // not yet columns
	rows     int          // of chunks
	s        *Scratch     // its keys are those of chunks
	out      [][]arrow.Record
}

// groupRows is how many rows become columns at a time, at least.
const groupRows = 8 * task.ChunkRows

// RowInput is the input of an operator that needs all rows of a key.
func RowInput[K, V any](key, val *row.Codec) task.Input {
	schema := PairSchema(key, val)
	return task.Input{Schema: schema, New: func() task.Writer {
		return &rowWriter[K, V]{key: key, val: val, schema: schema}
	}}
}

// Add keeps the chunk.
func (w *rowWriter[K, V]) Add(ctx *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s = NewScratch()
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	w.key.AppendKeys(in.Keys, &w.s.Keys)
	w.chunks, w.rows = append(w.chunks, in), w.rows+in.N
	if w.rows >= groupRows {
		w.convert(ctx)
	}
	return nil
}

// convert turns the chunks into columns.
func (w *rowWriter[K, V]) convert(ctx *task.Context) {
	if w.rows == 0 {
		return
	}
	keys, vals := w.chunks[0].Keys.([]K), w.chunks[0].Vals.([]V)
	if len(w.chunks) > 1 {
		keys, vals = make([]K, 0, w.rows), make([]V, 0, w.rows)
		for _, c := range w.chunks {
			keys, vals = append(keys, c.Keys.([]K)...), append(vals, c.Vals.([]V)...)
		}
	}
	for p, idx := range Parts(ctx.Layout, w.s.Keys.Hash) {
		if len(idx) > 0 {
			cols := append(w.key.Columns(keys, idx), w.val.Columns(vals, idx)...)
			w.out[p] = append(w.out[p], array.NewRecord(w.schema, cols, int64(len(idx))))
		}
	}
	clear(w.chunks)
	w.chunks, w.rows = w.chunks[:0], 0
	w.s.Keys.Reset()
}

// Flush makes the blocks.
func (w *rowWriter[K, V]) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return Joined(ctx, nil), nil
	}
	w.convert(ctx)
	out := Joined(ctx, w.out)
	w.s.Free()
	w.s, w.out = nil, nil
	return out, nil
}

// PairSchema is row.Pair, nil for a job whose types are mistakes.
func PairSchema(key, val *row.Codec) *arrow.Schema {
	if key == nil || val == nil {
		return nil
	}
	return row.Pair(key, val)
}

// ValSchema is a row's columns, nil for a job whose types are mistakes.
func ValSchema(val *row.Codec) *arrow.Schema {
	if val == nil {
		return nil
	}
	return val.Schema()
}

// ToFirst are blocks that bring rows to the first reduce partition.
func ToFirst[T any](ctx *task.Context, val *row.Codec, rows []T) []arrow.Record {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if len(rows) > 0 {
		out[0] = array.NewRecord(val.Schema(), val.Columns(rows, nil), int64(len(rows)))
	}
	return out
}
