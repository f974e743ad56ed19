package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Repartition deals the rows of each batch out evenly to the job's partitions: for sources with few or uneven partitions in front of
// dear operators. Rows of a partition are in (upstream partition, row) order.
func (s Stream[T]) Repartition() Stream[T] {
	at := caller()
	val := s.node.Val
	in := placedInput(nil, val, func(ctx *rdd.Context, _ rdd.Chunk, first int, part []int32) {
		for i := range part {
			part[i] = int32((ctx.Partition + first + i) % ctx.Layout.Reduce)
		}
	})
	return Stream[T]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "repartition", In: []*rdd.Node{s.node}, Val: val,
		Wide: &rdd.WideSpec{Inputs: []rdd.Input{in}, New: func() rdd.Reducer { return passer[T]{val} }},
	})}
}

// PartitionByKey brings the rows of a key together in one partition, for operators that see partitions (MapPartitions). Operators with ByKey in
// their name do this by themselves.
func (s Keyed[K, V]) PartitionByKey() Keyed[K, V] {
	return partitionBy[K, V](s.job, caller(), "partitionByKey", s.node, rowInput[K, V](s.node.Key, s.node.Val))
}

// PartitionBy puts each row into partition f(key), modulo the number of the job's partitions: for operators that see partitions
// (MapPartitions). Which of them there are is the layout's business: operators that gather by key use the key's hash, before and after.
func (s Keyed[K, V]) PartitionBy(f func(key K) int) Keyed[K, V] {
	at := caller()
	need(s.job, at, "PartitionBy", f == nil)
	return partitionBy[K, V](s.job, at, "partitionBy", s.node, placedInput(s.node.Key, s.node.Val,
		func(ctx *rdd.Context, in rdd.Chunk, _ int, part []int32) {
			n := ctx.Layout.Reduce
			for i, k := range in.Keys.([]K) {
				part[i] = int32((f(k)%n + n) % n)
			}
		}))
}

func partitionBy[K, V any](j *Job, at site, op string, in *rdd.Node, input rdd.Input) Keyed[K, V] {
	return Keyed[K, V]{j, j.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, In: []*rdd.Node{in}, Key: in.Key, Val: in.Val,
		Wide: &rdd.WideSpec{Inputs: []rdd.Input{input}, New: func() rdd.Reducer { return keyedPasser[K, V]{in.Key, in.Val} }},
	})}
}

// placed says which partition each row of a chunk goes to; first is the number of the task's rows before the chunk.
type placed func(ctx *rdd.Context, in rdd.Chunk, first int, part []int32)

func placedInput(key, val *row.Codec, place placed) rdd.Input {
	schema := valSchema(val)
	if key != nil {
		schema = pairSchema(key, val)
	}
	return rdd.Input{Schema: schema, New: func() rdd.Writer { return &placedWriter{key: key, val: val, schema: schema, place: place} }}
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
func (w *placedWriter) Add(ctx *rdd.Context, in rdd.Chunk) error {
	if w.out == nil {
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	w.part = sized(w.part, in.N)
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
func (w *placedWriter) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	for p, recs := range w.out {
		out[p] = batch.Concat(recs)
	}
	w.rows, w.out = 0, nil
	return out, nil
}

// passer emits rows as they come.
type passer[T any] struct{ val *row.Codec }

// Reduce emits the blocks in order.
func (r passer[T]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	for _, rec := range in[0] {
		vals, err := rowsOf[T](r.val, rec.Columns())
		if err != nil {
			return err
		}
		if err := emitValues(emit, vals); err != nil {
			return err
		}
	}
	return nil
}

// keyedPasser emits keyed rows as they come.
type keyedPasser[K, V any] struct{ key, val *row.Codec }

// Reduce emits the blocks in order.
func (r keyedPasser[K, V]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	for _, rec := range in[0] {
		keys, err := rowsOf[K](r.key, keyColumns(r.key, rec))
		if err != nil {
			return err
		}
		vals, err := rowsOf[V](r.val, valColumns(r.key, rec, 0))
		if err != nil {
			return err
		}
		if err := emitRows(emit, keys, vals); err != nil {
			return err
		}
	}
	return nil
}

// valSchema is a row's columns, nil for a job whose types are mistakes.
func valSchema(val *row.Codec) *arrow.Schema {
	if val == nil {
		return nil
	}
	return val.Schema()
}

// emitValues sends rows without keys on in chunks.
func emitValues[T any](emit func(rdd.Chunk) error, vals []T) error {
	for lo := 0; lo < len(vals); lo += rdd.ChunkRows {
		hi := min(lo+rdd.ChunkRows, len(vals))
		if err := emit(rdd.Chunk{N: hi - lo, Vals: vals[lo:hi:hi]}); err != nil {
			return err
		}
	}
	return nil
}
