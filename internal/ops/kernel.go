package ops

import (
	"reflect"
	"time"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// KernelFunc makes a function a task.Kernel.
type KernelFunc func(*task.Context, task.Chunk) (task.Chunk, error)

// Process calls k.
func (k KernelFunc) Process(ctx *task.Context, in task.Chunk) (task.Chunk, error) { return k(ctx, in) }

// MapRows is f of each row. The result is a new slice: the user may keep what f returned (P26).
func MapRows[T, U any](rows []T, f func(T) U) []U {
	out := make([]U, len(rows))
	for i := range rows {
		out[i] = f(rows[i])
	}
	return out
}

// mapPairs is f of each key and value, in a new slice.
func mapPairs[K, V, U any](keys []K, vals []V, f func(K, V) U) []U {
	out := make([]U, len(vals))
	for i := range vals {
		out[i] = f(keys[i], vals[i])
	}
	return out
}

// choose appends the numbers of the rows that keep wants.
func choose[T any](rows []T, keep func(T) bool, idx []int32) []int32 {
	for i := range rows {
		if keep(rows[i]) {
			idx = append(idx, int32(i))
		}
	}
	return idx
}

// Take are rows idx, ascending: the rows themselves if that is all of them.
func Take[T any](rows []T, idx []int32) []T {
	if len(idx) == len(rows) {
		return rows
	}
	out := make([]T, len(idx))
	for i, j := range idx {
		out[i] = rows[j]
	}
	return out
}

// Normal brings rows that user code has made to what a round trip through columns gives (P24), and returns them.
func Normal[T any](c *row.Codec, rows []T) []T {
	if !fault.Planted("P24-user-times") {
		c.Normalize(rows)
	}
	return rows
}

// EmitRows sends keyed rows on in chunks.
func EmitRows[K, V any](emit func(task.Chunk) error, keys []K, vals []V) error {
	for lo := 0; lo < len(keys); lo += task.ChunkRows {
		hi := min(lo+task.ChunkRows, len(keys))
		if err := emit(task.Chunk{N: hi - lo, Keys: keys[lo:hi:hi], Vals: vals[lo:hi:hi]}); err != nil {
			return err
		}
	}
	return nil
}

// EmitValues sends rows without keys on in chunks.
func EmitValues[T any](emit func(task.Chunk) error, vals []T) error {
	for lo := 0; lo < len(vals); lo += task.ChunkRows {
		hi := min(lo+task.ChunkRows, len(vals))
		if err := emit(task.Chunk{N: hi - lo, Vals: vals[lo:hi:hi]}); err != nil {
			return err
		}
	}
	return nil
}

// changes tells whether the round trip through columns can change a value of type t: it holds times, slices, maps or
// fields without a column.
func changes(t reflect.Type) bool {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return true
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Array:
		return changes(t.Elem())
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		return true
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("arrow") == "-" || changes(f.Type) {
				return true
			}
		}
	}
	return false
}
