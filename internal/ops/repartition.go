package ops

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Repartition deals the rows of each task out evenly to the partitions.
func Repartition[T any](val *row.Codec) Shuffle {
	in := placedInput(nil, val, func(ctx *task.Context, _ task.Chunk, first int, part []int32) {
		for i := range part {
			part[i] = int32((ctx.Partition + first + i) % ctx.Layout.Reduce)
		}
	})
	return Shuffle{Inputs: []task.Input{in}, New: func() task.Reducer { return passer[T]{val} }}
}

// PartitionByKey brings the rows of a key together in one partition.
func PartitionByKey[K, V any](key, val *row.Codec) Shuffle {
	return Shuffle{
		Inputs: []task.Input{RowInput[K, V](key, val)},
		New:    func() task.Reducer { return keyedPasser[K, V]{key, val} },
	}
}

// PartitionBy puts each row into partition f(key), modulo the number of partitions.
func PartitionBy[K, V any](key, val *row.Codec, f func(K) int) Shuffle {
	in := placedInput(key, val, func(ctx *task.Context, in task.Chunk, _ int, part []int32) {
		n := ctx.Layout.Reduce
		for i, k := range in.Keys.([]K) {
			part[i] = int32((f(k)%n + n) % n)
		}
	})
	return Shuffle{Inputs: []task.Input{in}, New: func() task.Reducer { return keyedPasser[K, V]{key, val} }}
}

// placed says which partition each row of a chunk goes to; first is the number of the task's rows before the chunk.
type placed func(ctx *task.Context, in task.Chunk, first int, part []int32)

func placedInput(key, val *row.Codec, place placed) task.Input {
	schema := ValSchema(val)
	if key != nil {
		schema = PairSchema(key, val)
	}
	return task.Input{Schema: schema, New: func() task.Writer { return &placedWriter{key: key, val: val, schema: schema, place: place} }}
}

// placedWriter sends each row where place says, in order.
type placedWriter struct {
	key, val *row.Codec // key: nil for streams without
	schema   *arrow.Schema
	place    placed
	rows     int
	part     []int32
	out      [][]arrow.Record
}

// Add makes columns of the chunk's rows, for each partition.
func (w *placedWriter) Add(ctx *task.Context, in task.Chunk) error {
	if w.out == nil {
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	w.part = Sized(w.part, in.N)
	w.place(ctx, in, w.rows, w.part)
	w.rows += in.N
	var cols []arrow.Array
	if w.key != nil {
		cols = w.key.Columns(in.Keys, nil)
	}
	rec := array.NewRecord(w.schema, append(cols, w.val.Columns(in.Vals, nil)...), int64(in.N))
	for p, rows := range batch.Split(rec, w.part, ctx.Layout.Reduce) {
		if rows != nil {
			w.out[p] = append(w.out[p], rows)
		}
	}
	return nil
}

// Flush makes the blocks.
func (w *placedWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := Joined(ctx, w.out)
	w.rows, w.out = 0, nil
	return out, nil
}

// passer emits rows as they come.
type passer[T any] struct{ val *row.Codec }

// Reduce emits the blocks in order.
func (r passer[T]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	for _, rec := range in[0] {
		vals, err := RowsOf[T](r.val, rec.Columns())
		if err != nil {
			return err
		}
		if err := EmitValues(emit, vals); err != nil {
			return err
		}
	}
	return nil
}

// keyedPasser emits keyed rows as they come.
type keyedPasser[K, V any] struct{ key, val *row.Codec }

// Reduce emits the blocks in order.
func (r keyedPasser[K, V]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	for _, rec := range in[0] {
		keys, vals, err := KeyedRowsOf[K, V](r.key, r.val, rec)
		if err != nil {
			return err
		}
		if err := EmitRows(emit, keys, vals); err != nil {
			return err
		}
	}
	return nil
}
