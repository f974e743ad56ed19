package dstream

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// ReduceByKey combines the values of each key in this batch into one by f, which must be associative: values are combined
// in order of (source partition, offset), first within each task, then across tasks. A key without rows gives nothing.
// Results are in order of the keys' first appearance.
func (s Keyed[K, V]) ReduceByKey(f func(a, b V) V) Keyed[K, V] {
	at := caller()
	need(s.job, at, "ReduceByKey", f == nil)
	r := &reduction[K, V]{key: s.node.Key, val: s.node.Val, f: normalised(s.node.Val, f)}
	return Keyed[K, V]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "reduceByKey", In: []*rdd.Node{s.node}, Key: s.node.Key, Val: s.node.Val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{r.input()},
			New:    func() rdd.Reducer { return &batchReducer[K, V]{reduction: r} },
		},
	})}
}

// normalised is f with its result brought to what columns carry, so that it does not matter where a shuffle lies
// between two calls (P24). For types that columns carry as they are, it is f.
func normalised[C, V any](c *row.Codec, f func(C, V) C) func(C, V) C {
	if c == nil || f == nil || !changes(c.Type()) || fault.Planted("P24-user-times") {
		return f
	}
	return func(a C, b V) C {
		out := []C{f(a, b)}
		c.Normalize(out)
		return out[0]
	}
}

// reduction is how values of one key become one.
type reduction[K, V any] struct {
	key, val *row.Codec
	f        func(a, b V) V
}

func (r *reduction[K, V]) input() rdd.Input {
	schema := pairSchema(r.key, r.val)
	return rdd.Input{Schema: schema, New: func() rdd.Writer { return &reduceWriter[K, V]{reduction: r, schema: schema} }}
}

// fold combines a run of keyed values into sums, which are in order of the keys' numbers. now is the place in the run.
func (r *reduction[K, V]) fold(sums []V, idx []int32, vals []V, now *int) []V {
	for i, n := range idx {
		*now = i
		if int(n) == len(sums) {
			sums = append(sums, vals[i])
		} else {
			sums[n] = r.f(sums[n], vals[i])
		}
	}
	return sums
}

// reduceWriter combines the values of a task before anything is sent.
type reduceWriter[K, V any] struct {
	*reduction[K, V]
	schema *arrow.Schema
	sums   []V
	s      *scratch
}

// Add combines the chunk's values with those before it.
func (w *reduceWriter[K, V]) Add(_ *rdd.Context, in rdd.Chunk) error {
	if w.s == nil {
		w.s = newScratch()
	}
	idx, _ := w.s.add(w.key, in.Keys)
	var now int
	w.sums = w.fold(w.sums, idx, in.Vals.([]V), &now)
	return nil
}

// Flush makes the blocks.
func (w *reduceWriter[K, V]) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := blocks(ctx, w.schema, w.key, w.s.dict, func(idx []int32) []arrow.Array { return w.val.Columns(w.sums, idx) })
	w.s.free()
	w.sums, w.s = nil, nil
	return out, err
}

// batchReducer combines what the tasks sent. Blocks of reduceWriter hold each key once.
type batchReducer[K, V any] struct {
	*reduction[K, V]
	locator[K]
}

// Reduce emits one row a key.
func (r *batchReducer[K, V]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return withScratch(func(s *scratch) error {
		_, keys, sums, err := r.combine(in[0], s)
		if err != nil {
			return err
		}
		if fault.Planted("I7-maporder") {
			keys, sums = mapOrder(keys, sums)
		}
		return emitRows(emit, keys, sums)
	})
}

// combine is the keys (encoded and as rows) and values of blocks, each key once, in order of first appearance. The encodings are valid
// until s is used again.
func (r *batchReducer[K, V]) combine(in []arrow.Record, s *scratch) (k *row.Keys, keys []K, sums []V, err error) {
	for _, rec := range in {
		if err := s.read(r.key, rec); err != nil {
			return nil, nil, nil, err
		}
		vals, err := rowsOf[V](r.val, valColumns(r.key, rec, 0))
		if err != nil {
			return nil, nil, nil, err
		}
		if len(in) == 1 {
			keys, err = rowsOf[K](r.key, keyColumns(r.key, rec))
			return &s.keys, keys, vals, err
		}
		idx := s.numbers(s.keys.Len())
		s.dict.Add(&s.keys, idx)
		r.at(r.key, &s.keys)
		sums = r.fold(sums, idx, vals, &r.now)
	}
	keys, err = keyRows[K](r.key, s.dict.Keys(), nil)
	return s.dict.Keys(), keys, sums, err
}

// mapOrder is the fault that I7 forbids: rows in the order of a Go map.
func mapOrder[K, V any](keys []K, vals []V) ([]K, []V) {
	shuffled := map[int]bool{}
	for i := range keys {
		shuffled[i] = true
	}
	var ks []K
	var vs []V
	for i := range shuffled {
		ks, vs = append(ks, keys[i]), append(vs, vals[i])
	}
	return ks, vs
}

// CountByKey counts the rows of each key in this batch, in order of first appearance.
func (s Keyed[K, V]) CountByKey() Keyed[K, int64] {
	return Keyed[K, int64]{s.job, countByKey[K](s.job, caller(), s.node)}
}

func countByKey[K any](j *Job, at site, in *rdd.Node) *rdd.Node {
	c := &counting[K]{key: in.Key, val: codec[int64](j, at)}
	return j.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "countByKey", In: []*rdd.Node{in}, Key: c.key, Val: c.val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{c.input()},
			New:    func() rdd.Reducer { return &countReducer[K]{c} },
		},
	})
}

// counting is a reduction to numbers of rows: the fast path that needs neither values nor user code.
type counting[K any] struct{ key, val *row.Codec }

func (c *counting[K]) input() rdd.Input {
	schema := pairSchema(c.key, c.val)
	return rdd.Input{Schema: schema, New: func() rdd.Writer { return &countWriter{key: c.key, val: c.val, schema: schema} }}
}

// countWriter counts the rows of a task by key before anything is sent.
type countWriter struct {
	key, val *row.Codec
	schema   *arrow.Schema
	counts   []int64
	s        *scratch
}

// Add counts the chunk's rows.
func (w *countWriter) Add(_ *rdd.Context, in rdd.Chunk) error {
	if w.s == nil {
		w.s = newScratch()
	}
	idx, known := w.s.add(w.key, in.Keys)
	for len(w.counts) < known {
		w.counts = append(w.counts, 0)
	}
	counts := w.counts
	for _, n := range idx {
		counts[n]++
	}
	return nil
}

// Flush makes the blocks.
func (w *countWriter) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := blocks(ctx, w.schema, w.key, w.s.dict, func(idx []int32) []arrow.Array { return w.val.Columns(w.counts, idx) })
	w.s.free()
	w.counts, w.s = nil, nil
	return out, err
}

type countReducer[K any] struct{ *counting[K] }

// Reduce emits one row a key.
func (r *countReducer[K]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return withScratch(func(s *scratch) error {
		k, sums, err := r.sum(in[0], s)
		if err != nil {
			return err
		}
		keys, err := keyRows[K](r.key, k, nil)
		if err != nil {
			return err
		}
		return emitRows(emit, keys, sums)
	})
}

// sum adds the counts of blocks by key: the keys, each once, in order of first appearance. They are valid until s is used again.
func (c *counting[K]) sum(in []arrow.Record, s *scratch) (*row.Keys, []int64, error) {
	if len(in) == 1 {
		if err := s.read(c.key, in[0]); err != nil {
			return nil, nil, err
		}
		counts, err := c.counts(in[0])
		return &s.keys, counts, err
	}
	var sums []int64
	for _, rec := range in {
		if err := s.read(c.key, rec); err != nil {
			return nil, nil, err
		}
		counts, err := c.counts(rec)
		if err != nil {
			return nil, nil, err
		}
		idx := s.numbers(s.keys.Len())
		s.dict.Add(&s.keys, idx)
		for len(sums) < s.dict.Len() {
			sums = append(sums, 0)
		}
		for i, n := range idx {
			sums[n] += counts[i]
		}
	}
	return s.dict.Keys(), sums, nil
}

func (c *counting[K]) counts(rec arrow.Record) ([]int64, error) {
	col, ok := valColumns(c.key, rec, 0)[0].(*array.Int64)
	if !ok {
		return nil, fmt.Errorf("counts are %s, not int64", valColumns(c.key, rec, 0)[0].DataType())
	}
	return col.Int64Values(), nil
}
