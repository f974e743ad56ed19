package window

import (
	"reflect"
	"time"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

// Derive is how the keys' values follow from the panes, so that checkpoints need only hold these: nil where they do not follow. Values that Inverse has gone
// through are those that the panes give anew, by what is asked of it, but for floats, which have been rounded on the way; and keys without rows have no panes.
func (r *Reduction[K, V]) Derive() func(first *state.Table, more []*state.Table) error {
	if r.KeepEmpty || r.Val == nil || holdsFloats(r.Val.Type()) {
		return nil
	}
	return func(first *state.Table, more []*state.Table) error {
		d, p := derivation[K, V]{r: r, into: first}, panes{more[0]}
		for _, rows := range p.byGroup() {
			if err := d.group(p.read(rows)); err != nil {
				return err
			}
		}
		return nil
	}
}

// holdsFloats tells whether values of type t have floats anywhere.
func holdsFloats(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return true
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return holdsFloats(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if t != reflect.TypeFor[time.Time]() && holdsFloats(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

type derivation[K, V any] struct {
	r    *Reduction[K, V]
	into *state.Table
}

// group computes the keys of one key group: what its panes hold, in order of time.
func (d *derivation[K, V]) group(list []pane) error {
	dict := row.NewDict(0)
	var now []Held[V]
	var idx []int32
	for _, one := range list {
		if !one.Entered {
			continue
		}
		var k row.Keys
		vals, err := unpack(d.r.Key, d.r.Val, one.Data, &k, nil)
		if err != nil {
			return err
		}
		idx = ops.Sized(idx, k.Len())
		dict.Add(&k, idx)
		for i, v := range vals.([]V) {
			if n := int(idx[i]); n == len(now) {
				now = append(now, Held[V]{1, v})
			} else {
				now[n] = Held[V]{now[n].Panes + 1, d.r.F(now[n].Value, v)}
			}
		}
	}
	if len(now) == 0 {
		return nil
	}
	if err := d.hide(dict.Keys(), now); err != nil {
		return err
	}
	rows := make([]int32, len(now))
	d.into.Upsert(dict.Keys(), rows)
	d.into.Set(rows, now)
	return nil
}

// hide marks the keys that are not in the result.
func (d *derivation[K, V]) hide(k *row.Keys, now []Held[V]) error {
	if d.r.KeepIf == nil {
		return nil
	}
	keys, err := ops.KeyRows[K](d.r.Key, k, nil)
	if err != nil {
		return err
	}
	for i := range now {
		if !d.r.KeepIf(keys[i], now[i].Value) {
			now[i].Panes = -now[i].Panes
		}
	}
	return nil
}
