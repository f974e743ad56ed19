package dstream

import (
	"reflect"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// CombineByKey makes one C of the values of each key in this batch: create begins with the first value that a task has of the key, add takes
// further ones of the task, in order of (source partition, offset), merge combines those of two tasks, in order. What it gives
// is defined only if it does not matter where a key's values are cut into tasks. Results are in order of the keys' first appearance.
func (s Keyed[K, V]) CombineByKey[C any](create func(V) C, add func(C, V) C, merge func(a, b C) C) Keyed[K, C] {
	at := caller()
	need(s.job, at, "CombineByKey", create == nil || add == nil || merge == nil)
	return combineByKey[K](s.job, at, "combineByKey", s.node, codec[C](s.job, at), create, add, merge)
}

// AggregateByKey adds the values of each key in this batch to zero, task by task, in order of (source partition, offset), and merges
// what the tasks have, in order: merging with zero must change nothing. add and merge may change their first argument and return it:
// each key has a zero of its own. Results are in order of the keys' first appearance.
func (s Keyed[K, V]) AggregateByKey[A any](zero A, add func(A, V) A, merge func(a, b A) A) Keyed[K, A] {
	at := caller()
	need(s.job, at, "AggregateByKey", add == nil || merge == nil)
	acc := codec[A](s.job, at)
	fresh := copies(acc, zero)
	return combineByKey[K](s.job, at, "aggregateByKey", s.node, acc, func(v V) A { return add(fresh(), v) }, add, merge)
}

func combineByKey[K, V, C any](j *Job, at site, op string, in *rdd.Node, acc *row.Codec, create func(V) C, add func(C, V) C, merge func(a, b C) C) Keyed[K, C] {
	c := &combination[V, C]{
		create: normalised(acc, func(_ C, v V) C { return create(v) }),
		add:    normalised(acc, add),
	}
	r := &reduction[K, C]{key: in.Key, val: acc, f: normalised(acc, merge)}
	schema := pairSchema(r.key, r.val)
	return Keyed[K, C]{j, j.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, In: []*rdd.Node{in}, Key: r.key, Val: r.val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{{Schema: schema, New: func() rdd.Writer {
				return &combineWriter[K, V, C]{reduceWriter: reduceWriter[K, C]{reduction: r, schema: schema}, combination: c}
			}}},
			New: func() rdd.Reducer { return &batchReducer[K, C]{reduction: r} },
		},
	})}
}

// combination is how values become a C.
type combination[V, C any] struct {
	create func(none C, v V) C
	add    func(C, V) C
}

// combineWriter makes a C of each key's values in a task before anything is sent.
type combineWriter[K, V, C any] struct {
	reduceWriter[K, C]
	*combination[V, C]
}

// Add adds the chunk's values to what there is.
func (w *combineWriter[K, V, C]) Add(_ *rdd.Context, in rdd.Chunk) error {
	if w.s == nil {
		w.s = newScratch()
	}
	idx, _ := w.s.add(w.key, in.Keys)
	vals := in.Vals.([]V)
	for i, n := range idx {
		if int(n) == len(w.sums) {
			var none C
			w.sums = append(w.sums, w.create(none, vals[i]))
		} else {
			w.sums[n] = w.add(w.sums[n], vals[i])
		}
	}
	return nil
}

// Flush makes the blocks.
func (w *combineWriter[K, V, C]) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	return w.reduceWriter.Flush(ctx)
}

// copies gives v again and again, each time with slices, maps and pointers of its own.
func copies[A any](c *row.Codec, v A) func() A {
	if c == nil || reflect.ValueOf(&v).Elem().IsZero() || !refers(c.Type()) || fault.Planted("P24-shared-zero") {
		return func() A { return v }
	}
	return func() A {
		rows, err := c.Rows(c.Columns([]A{v}, nil), nil)
		if err != nil {
			panic(err) // columns that c itself has made
		}
		return rows.([]A)[0]
	}
}

// refers tells whether two values of type t can share memory that one of them changes.
func refers(t reflect.Type) bool { return holds(t, reflect.Pointer, reflect.Slice, reflect.Map) }

// holds tells whether values of type t are of one of the kinds, or have a part that is. A time counts as one value.
func holds(t reflect.Type, kinds ...reflect.Kind) bool {
	switch t.Kind() {
	case reflect.Array:
		return holds(t.Elem(), kinds...)
	case reflect.Struct:
		for i := range t.NumField() {
			if t != reflect.TypeFor[time.Time]() && holds(t.Field(i).Type, kinds...) {
				return true
			}
		}
		return false
	}
	return slices.Contains(kinds, t.Kind())
}
