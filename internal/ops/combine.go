package ops

import (
	"reflect"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// CombineByKey makes one C of the values of each key: create begins with the first value that a task has, add takes further ones of
// the task, merge combines those of two tasks, each in order.
func CombineByKey[K, V, C any](key, acc *row.Codec, create func(V) C, add func(C, V) C, merge func(a, b C) C) Shuffle {
	c := &combination[V, C]{
		create: Normalised(acc, func(_ C, v V) C { return create(v) }),
		add:    Normalised(acc, add),
	}
	r := NewReduction[K](key, acc, merge)
	schema := PairSchema(key, acc)
	return Shuffle{
		Inputs: []task.Input{{Schema: schema, New: func() task.Writer {
			return &combineWriter[K, V, C]{reduceWriter: reduceWriter[K, C]{Reduction: r, schema: schema}, combination: c}
		}}},
		New: func() task.Reducer { return &BatchReducer[K, C]{Reduction: r} },
	}
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
func (w *combineWriter[K, V, C]) Add(_ *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s = NewScratch()
	}
	idx, _ := w.s.Add(w.Key, in.Keys, in.N)
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
func (w *combineWriter[K, V, C]) Flush(ctx *task.Context) ([]arrow.Record, error) {
	return w.reduceWriter.Flush(ctx)
}

// Copies gives v again and again, each time with slices, maps and pointers of its own.
func Copies[A any](c *row.Codec, v A) func() A {
	if c == nil || reflect.ValueOf(&v).Elem().IsZero() || !Refers(c.Type()) || fault.Planted("P24-shared-zero") {
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

// Refers tells whether two values of type t can share memory that one of them changes.
func Refers(t reflect.Type) bool { return Holds(t, reflect.Pointer, reflect.Slice, reflect.Map) }

// Holds tells whether values of type t are of one of the kinds, or have a part that is. A time counts as one value.
func Holds(t reflect.Type, kinds ...reflect.Kind) bool {
	switch t.Kind() {
	case reflect.Array:
		return Holds(t.Elem(), kinds...)
	case reflect.Struct:
		for i := range t.NumField() {
			if t != reflect.TypeFor[time.Time]() && Holds(t.Field(i).Type, kinds...) {
				return true
			}
		}
		return false
	}
	return slices.Contains(kinds, t.Kind())
}
