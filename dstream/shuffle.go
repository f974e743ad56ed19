package dstream

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// scratch is pointer-free memory of one task for working with keys. Nothing that a user could hold is in it, so it is
// reused from task to task (P26).
type scratch struct {
	dict *row.Dict
	keys row.Keys
	idx  []int32
	rows []int32
}

var scratches = sync.Pool{New: func() any { return &scratch{dict: row.NewDict(0)} }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

// free gives s back; the caller forgets it. Memory that has grown far beyond what this task needed is let go: emptying it
// would cost every small batch after a large one.
func (s *scratch) free() {
	if keys := s.dict.Keys(); cap(keys.Ends) > 64*len(keys.Ends)+1<<13 {
		return
	}
	s.dict.Reset()
	s.keys.Reset()
	scratches.Put(s)
}

// withScratch lends f a scratch. It is not given back when f panics: a locator may still read it.
func withScratch(f func(s *scratch) error) error {
	s := newScratch()
	err := f(s)
	s.free()
	return err
}

// numbers is idx with n elements.
func (s *scratch) numbers(n int) []int32 {
	s.idx = sized(s.idx, n)
	return s.idx
}

// sized is buf with n elements of any content.
func sized[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n, n+n/4)
	}
	return buf[:n]
}

// add numbers the keys of a chunk in the dictionary: the number of each, and how many keys are known now.
func (s *scratch) add(key *row.Codec, keys any) (idx []int32, known int) {
	s.keys.Reset()
	key.AppendKeys(keys, &s.keys)
	idx = s.numbers(s.keys.Len())
	s.dict.Add(&s.keys, idx)
	return idx, s.dict.Len()
}

// read reads the keys of a block.
func (s *scratch) read(key *row.Codec, rec arrow.Record) error {
	s.keys.Reset()
	return key.AppendKeyColumns(keyColumns(key, rec), &s.keys)
}

func keyColumns(key *row.Codec, rec arrow.Record) []arrow.Array {
	return rec.Columns()[:key.Schema().NumFields()]
}

// valColumns are the columns behind the key and skip more.
func valColumns(key *row.Codec, rec arrow.Record, skip int) []arrow.Array {
	return rec.Columns()[key.Schema().NumFields()+skip:]
}

// rowsOf is c.Rows with its type: cols as a new []T.
func rowsOf[T any](c *row.Codec, cols []arrow.Array) ([]T, error) {
	rows, err := c.Rows(cols, nil)
	if err != nil {
		return nil, err
	}
	return rows.([]T), nil
}

// keyRows are keys idx (nil: all) of k as a new []K.
func keyRows[K any](c *row.Codec, k *row.Keys, idx []int32) ([]K, error) {
	rows, err := c.KeyRows(k, idx, nil)
	if err != nil {
		return nil, err
	}
	return rows.([]K), nil
}

// parts deals numbers 0, 1, 2, … out to reduce partitions by their keys' hashes.
func parts(l *rdd.Layout, hashes []uint64) [][]int32 {
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

// blocks makes one block a reduce partition from the keys of a dictionary; values gives the columns behind the key.
func blocks(ctx *rdd.Context, schema *arrow.Schema, key *row.Codec, d *row.Dict, values func(idx []int32) []arrow.Array) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if d.Len() == 0 {
		return out, nil
	}
	keys := d.Keys()
	for p, idx := range parts(ctx.Layout, keys.Hash) {
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

// rowWriter sends every row to the partition of its key, in order. It turns rows into columns a group of chunks at a time: then
// they hold no pointers any more, and a large batch costs the collector little.
type rowWriter[K, V any] struct {
	key, val *row.Codec
	schema   *arrow.Schema
	chunks   []rdd.Chunk // not yet columns
	rows     int         // of chunks
	s        *scratch    // its keys are those of chunks
	out      [][]arrow.Record
}

// groupRows is how many rows become columns at a time, at least.
const groupRows = 8 * rdd.ChunkRows

func rowInput[K, V any](key, val *row.Codec) rdd.Input {
	schema := pairSchema(key, val)
	return rdd.Input{Schema: schema, New: func() rdd.Writer {
		return &rowWriter[K, V]{key: key, val: val, schema: schema}
	}}
}

// Add keeps the chunk.
func (w *rowWriter[K, V]) Add(ctx *rdd.Context, in rdd.Chunk) error {
	if w.s == nil {
		w.s = newScratch()
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	w.key.AppendKeys(in.Keys, &w.s.keys)
	w.chunks, w.rows = append(w.chunks, in), w.rows+in.N
	if w.rows >= groupRows {
		w.convert(ctx)
	}
	return nil
}

// convert turns the chunks into columns.
func (w *rowWriter[K, V]) convert(ctx *rdd.Context) {
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
	for p, idx := range parts(ctx.Layout, w.s.keys.Hash) {
		if len(idx) > 0 {
			cols := append(w.key.Columns(keys, idx), w.val.Columns(vals, idx)...)
			w.out[p] = append(w.out[p], array.NewRecord(w.schema, cols, int64(len(idx))))
		}
	}
	clear(w.chunks)
	w.chunks, w.rows = w.chunks[:0], 0
	w.s.keys.Reset()
}

// Flush makes the blocks.
func (w *rowWriter[K, V]) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if w.s == nil {
		return out, nil
	}
	w.convert(ctx)
	for p, recs := range w.out {
		out[p] = batch.Concat(recs)
	}
	w.s.free()
	w.s, w.out = nil, nil
	return out, nil
}

// pairSchema is row.Pair, nil for a job whose types are mistakes.
func pairSchema(key, val *row.Codec) *arrow.Schema {
	if key == nil || val == nil {
		return nil
	}
	return row.Pair(key, val)
}
