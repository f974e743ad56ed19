package ops

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// ReduceByKey combines the values of each key into one by f: in order, first within each task, then across tasks. Results are in order of the
// keys' first appearance.
func ReduceByKey[K, V any](key, val *row.Codec, f func(a, b V) V) Shuffle {
	r := NewReduction[K](key, val, f)
	return Shuffle{Inputs: []task.Input{r.Input()}, New: func() task.Reducer { return &BatchReducer[K, V]{Reduction: r} }}
}

// Normalised is f with its result brought to what columns carry, so that it does not matter where a shuffle lies
// between two calls (P24). For types that columns carry as they are, it is f.
func Normalised[C, V any](c *row.Codec, f func(C, V) C) func(C, V) C {
	if c == nil || f == nil || !changes(c.Type()) || fault.Planted("P24-user-times") {
		return f
	}
	return func(a C, b V) C {
		out := []C{f(a, b)}
		c.Normalize(out)
		return out[0]
	}
}

// Reduction is how values of one key become one.
type Reduction[K, V any] struct {
	Key, Val *row.Codec
	F        func(a, b V) V // its results are normalised
}

// NewReduction is the reduction by f, which may give what columns do not carry.
func NewReduction[K, V any](key, val *row.Codec, f func(a, b V) V) *Reduction[K, V] {
	return &Reduction[K, V]{Key: key, Val: val, F: Normalised(val, f)}
}

// Input is the side of the shuffle that combines the values of a task before anything is sent.
func (r *Reduction[K, V]) Input() task.Input {
	schema := PairSchema(r.Key, r.Val)
	return task.Input{Schema: schema, New: func() task.Writer { return &reduceWriter[K, V]{Reduction: r, schema: schema} }}
}

// Fold combines a run of keyed values into sums, which are in order of the keys' numbers. now is the place in the run.
func (r *Reduction[K, V]) Fold(sums []V, idx []int32, vals []V, now *int) []V {
	for i, n := range idx {
		*now = i
		if int(n) == len(sums) {
			sums = append(sums, vals[i])
		} else {
			sums[n] = r.F(sums[n], vals[i])
		}
	}
	return sums
}

// reduceWriter combines the values of a task before anything is sent.
type reduceWriter[K, V any] struct {
	*Reduction[K, V]
	schema *arrow.Schema
	sums   []V
	s      *Scratch
}

// Add combines the chunk's values with those before it.
func (w *reduceWriter[K, V]) Add(_ *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s = NewScratch()
	}
	idx, _ := w.s.Add(w.Key, in.Keys, in.N)
	var now int
	w.sums = w.Fold(w.sums, idx, in.Vals.([]V), &now)
	return nil
}

// Flush makes the blocks.
func (w *reduceWriter[K, V]) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := Blocks(ctx, w.schema, w.Key, w.s.Dict, func(idx []int32) []arrow.Array { return w.Val.Columns(w.sums, idx) })
	w.s.Free()
	w.sums, w.s = nil, nil
	return out, err
}

// BatchReducer combines what the tasks sent. Blocks of reduceWriter hold each key once.
type BatchReducer[K, V any] struct {
	*Reduction[K, V]
	Locator[K]
}

// Reduce emits one row a key.
func (r *BatchReducer[K, V]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return WithScratch(func(s *Scratch) error {
		_, keys, sums, err := r.Combine(in[0], s)
		if err != nil {
			return err
		}
		if fault.Planted("I7-maporder") {
			keys, sums = mapOrder(keys, sums)
		}
		return EmitRows(emit, keys, sums)
	})
}

// Combine is the keys (encoded and as rows) and values of blocks, each key once, in order of first appearance. The encodings are valid
// until s is used again.
func (r *BatchReducer[K, V]) Combine(in []arrow.Record, s *Scratch) (k *row.Keys, keys []K, sums []V, err error) {
	for _, rec := range in {
		if err := s.Read(r.Key, rec); err != nil {
			return nil, nil, nil, err
		}
		vals, err := RowsOf[V](r.Val, ValColumns(r.Key, rec, 0))
		if err != nil {
			return nil, nil, nil, err
		}
		if len(in) == 1 {
			keys, err = RowsOf[K](r.Key, KeyColumns(r.Key, rec))
			return &s.Keys, keys, vals, err
		}
		idx := s.Numbers(s.Keys.Len())
		s.Dict.Add(&s.Keys, idx)
		r.Through(r.Key, &s.Keys)
		sums = r.Fold(sums, idx, vals, &r.Now)
	}
	keys, err = KeyRows[K](r.Key, s.Dict.Keys(), nil)
	return s.Dict.Keys(), keys, sums, err
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

// CountByKey counts the rows of each key, in order of first appearance; val is the codec of int64.
func CountByKey[K any](key, val *row.Codec) Shuffle {
	c := NewCounting[K](key, val)
	return Shuffle{Inputs: []task.Input{c.Input()}, New: func() task.Reducer { return &countReducer[K]{c} }}
}

// Counting is a reduction to numbers of rows: the fast path that needs neither values nor user code.
type Counting[K any] struct{ Key, Val *row.Codec }

// NewCounting counts by key; val is the codec of int64.
func NewCounting[K any](key, val *row.Codec) *Counting[K] { return &Counting[K]{key, val} }

// Input is the side of the shuffle that counts the rows of a task before anything is sent.
func (c *Counting[K]) Input() task.Input {
	schema := PairSchema(c.Key, c.Val)
	return task.Input{Schema: schema, New: func() task.Writer { return &countWriter{key: c.Key, val: c.Val, schema: schema} }}
}

// countWriter counts the rows of a task by key before anything is sent.
type countWriter struct {
	key, val *row.Codec
	schema   *arrow.Schema
	counts   []int64
	s        *Scratch
}

// Add counts the chunk's rows.
func (w *countWriter) Add(_ *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s = NewScratch()
	}
	idx, known := w.s.Add(w.key, in.Keys, in.N)
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
func (w *countWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := Blocks(ctx, w.schema, w.key, w.s.Dict, func(idx []int32) []arrow.Array { return w.val.Columns(w.counts, idx) })
	w.s.Free()
	w.counts, w.s = nil, nil
	return out, err
}

type countReducer[K any] struct{ *Counting[K] }

// Reduce emits one row a key.
func (r *countReducer[K]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return WithScratch(func(s *Scratch) error {
		k, sums, err := r.Sum(in[0], s)
		if err != nil {
			return err
		}
		keys, err := KeyRows[K](r.Key, k, nil)
		if err != nil {
			return err
		}
		return EmitRows(emit, keys, sums)
	})
}

// Sum adds the counts of blocks by key: the keys, each once, in order of first appearance. They are valid until s is used again.
func (c *Counting[K]) Sum(in []arrow.Record, s *Scratch) (*row.Keys, []int64, error) {
	if len(in) == 1 {
		if err := s.Read(c.Key, in[0]); err != nil {
			return nil, nil, err
		}
		counts, err := c.counts(in[0])
		return &s.Keys, counts, err
	}
	var sums []int64
	for _, rec := range in {
		counts, err := c.counts(rec)
		if err != nil {
			return nil, nil, err
		}
		idx := s.Numbers(len(counts))
		if err := s.NumberBlock(c.Key, rec, idx); err != nil {
			return nil, nil, err
		}
		for len(sums) < s.Dict.Len() {
			sums = append(sums, 0)
		}
		for i, n := range idx {
			sums[n] += counts[i]
		}
	}
	return s.Dict.Keys(), sums, nil
}

func (c *Counting[K]) counts(rec arrow.Record) ([]int64, error) {
	col, ok := ValColumns(c.Key, rec, 0)[0].(*array.Int64)
	if !ok {
		return nil, fmt.Errorf("counts are %s, not int64", ValColumns(c.Key, rec, 0)[0].DataType())
	}
	return col.Int64Values(), nil
}
