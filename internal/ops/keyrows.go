package ops

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// RowsByKey are the rows of a Frame by keys: whole, for operators that gather them.
type RowsByKey struct {
	Keys []*expr.Bound // none: all rows have one key
	Key  *row.Codec
	In   *arrow.Schema // of the rows

	sent   []int // the columns of In that blocks have behind the keys
	keyOf  []int // by column of In: the column of the key that it is, -1: none
	schema *arrow.Schema
}

// NewRowsByKey gathers rows of a schema by keys. A column that is a key is sent once.
func NewRowsByKey(keys []*expr.Bound, key *row.Codec, in *arrow.Schema) *RowsByKey {
	k := &RowsByKey{Keys: keys, Key: key, In: in, keyOf: make([]int, in.NumFields())}
	fields := key.Schema().Fields()[:key.Schema().NumFields():key.Schema().NumFields()]
	for i, f := range in.Fields() {
		k.keyOf[i] = -1
		for j, e := range keys {
			if name, ok := e.Expr().Column(); ok && name == f.Name {
				k.keyOf[i] = j
			}
		}
		if k.keyOf[i] < 0 {
			k.sent, fields = append(k.sent, i), append(fields, f)
		}
	}
	k.schema = arrow.NewSchema(fields, nil)
	return k
}

// KeySchema is the columns of the keys, as operators see them.
func (k *RowsByKey) KeySchema() *arrow.Schema {
	if len(k.Keys) == 0 {
		return arrow.NewSchema(nil, nil)
	}
	return k.Key.Schema()
}

// KeyColumns are keys idx (nil: all) as columns.
func (k *RowsByKey) KeyColumns(keys *row.Keys, idx []int32) ([]*col.Vec, error) {
	if len(k.Keys) == 0 {
		return nil, nil
	}
	return k.Key.KeyVecs(keys, idx)
}

// Input is the side of the shuffle that sends rows to the partitions of their keys, in order.
func (k *RowsByKey) Input() task.Input {
	return task.Input{Schema: k.schema, New: func() task.Writer { return &keyRowsWriter{RowsByKey: k, keys: NewVecs(k.Keys)} }}
}

// keyVecs are the keys' columns of a batch.
func (k *RowsByKey) keyVecs(keys *Vecs, b *col.Batch) []*col.Vec {
	if len(k.Keys) == 0 {
		one := col.New(arrow.FixedWidthTypes.Boolean, b.N)
		return []*col.Vec{one}
	}
	return keys.Of(b)
}

type keyRowsWriter struct {
	*RowsByKey
	keys *Vecs
	s    *Scratch
	out  *col.Dealing
}

// Add deals a chunk's rows out.
func (w *keyRowsWriter) Add(ctx *task.Context, in task.Chunk) error {
	if w.out == nil {
		w.s, w.out = NewScratch(), col.NewDealing(w.schema, ctx.Layout.Reduce)
	}
	b := in.Vals.(*col.Batch)
	keys := w.keyVecs(w.keys, b)
	w.s.Keys.Reset()
	w.Key.AppendVecKeys(keys, b.Sel, &w.s.Keys)
	whole := &col.Batch{Schema: w.schema, N: b.N, Sel: b.Sel, Cols: append(make([]*col.Vec, 0, w.schema.NumFields()), keys...)}
	for _, c := range w.sent {
		whole.Cols = append(whole.Cols, b.Cols[c])
	}
	for p, idx := range Parts(ctx.Layout, w.s.Keys.Hash) {
		w.out.Add(whole, p, idx)
	}
	return nil
}

// Flush makes the blocks.
func (w *keyRowsWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.out == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	w.s.Free()
	out := w.out.Records()
	w.s, w.out = nil, nil
	return out, nil
}

// Rows are the rows of blocks in their order, nil for none, and the numbers that their keys have or get in s.
func (k *RowsByKey) Rows(blocks []arrow.Record, s *Scratch) (rows arrow.Record, of []int32, err error) {
	all, of, err := gathered("rows", k.Key, k.schema, blocks, s)
	if all == nil || err != nil {
		return nil, nil, err
	}
	cols := make([]arrow.Array, k.In.NumFields())
	for i, c := range k.sent {
		cols[c] = all.Column(k.Key.Schema().NumFields() + i)
	}
	for i, j := range k.keyOf {
		if j >= 0 {
			cols[i] = all.Column(j)
		}
	}
	return array.NewRecord(k.In, cols, all.NumRows()), of, nil
}

// gathered are blocks of keys and something in their order, nil for none, with the numbers that the keys have or get in s.
func gathered(what string, key *row.Codec, schema *arrow.Schema, blocks []arrow.Record, s *Scratch) (all arrow.Record, of []int32, err error) {
	for _, rec := range blocks {
		if err := batch.CheckRecord(rec, schema); err != nil {
			return nil, nil, fmt.Errorf("a block of %s: %w", what, err)
		}
	}
	if all = batch.Concat(blocks); all == nil {
		return nil, nil, nil
	}
	of = make([]int32, all.NumRows())
	return all, of, s.NumberBlock(key, all, of)
}

// EmitRecord gives rows of keys and of a checked record, nil for none, in chunks: row i has key of[i]; nil: key i.
func (k *RowsByKey) EmitRecord(emit func(task.Chunk) error, schema *arrow.Schema, keys *row.Keys, rec arrow.Record, of []int32) error {
	if rec == nil {
		return nil
	}
	rec = AsRows(rec)
	n := int(rec.NumRows())
	idx := make([]int32, 0, min(n, task.ChunkRows))
	for lo := 0; lo < n; lo += task.ChunkRows {
		hi := min(lo+task.ChunkRows, n)
		idx = idx[:0]
		for i := lo; i < hi; i++ {
			if of == nil {
				idx = append(idx, int32(i))
			} else {
				idx = append(idx, of[i])
			}
		}
		cols, err := k.KeyColumns(keys, idx)
		if err != nil {
			return err
		}
		for _, c := range rec.Columns() {
			cols = append(cols[:len(cols):len(cols)], col.FromArray(array.NewSlice(c, int64(lo), int64(hi))))
		}
		if err := emit(task.Chunk{N: hi - lo, Vals: col.Of(schema, hi-lo, cols...)}); err != nil {
			return err
		}
	}
	return nil
}
