package dstream

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// WindowOption is a setting of ReduceByWindow and ReduceByKeyAndWindow.
type WindowOption interface{ ofWindow(*windowOptions) }

type windowOptions struct {
	stateOptions
	inverse   any // func(V, V) V
	keepIf    any // func(K, V) bool
	keepEmpty bool
}

// Inverse says how values that leave the window are taken out of a key's: inv(f(a, b), a) must be b. What leaves is taken out first, then what enters is added, so
// a boundary costs what enters and leaves, however long the window is. Without it, keys that lose rows and keep others are combined anew from all that the window
// holds.
func Inverse[V any](inv func(agg, leaving V) V) WindowOption {
	return windowOption(func(o *windowOptions) { o.inverse = inv })
}

// KeepEmpty keeps keys whose rows have all left the window, with what Inverse makes of their values. State then grows with the keys that ever came,
// unless KeepIf lets them go.
func KeepEmpty() WindowOption {
	return windowOption(func(o *windowOptions) { o.keepEmpty = true })
}

// KeepIf leaves keys out of the window's result for which keep gives false, until their value is another one. With KeepEmpty, keys without rows for which it gives
// false are forgotten.
func KeepIf[K, V any](keep func(key K, value V) bool) WindowOption {
	return windowOption(func(o *windowOptions) { o.keepIf = keep })
}

type windowOption func(*windowOptions)

func (set windowOption) ofWindow(o *windowOptions) { set(o) }

func windowSettings(j *Job, at rdd.Site, name string, list []WindowOption) (o windowOptions) {
	for _, set := range list {
		set.ofWindow(&o)
	}
	o.check(j, at, name)
	return o
}

// facts say in the plan's text what decides the result.
func (o *windowOptions) facts() string {
	var facts []string
	if o.inverse != nil {
		facts = append(facts, "inverse")
	}
	if o.keepEmpty {
		facts = append(facts, "keep empty")
	}
	if o.keepIf != nil {
		facts = append(facts, "keep if")
	}
	return strings.Join(facts, ", ")
}

// inverse is the option's function, if it is one for values of V.
func inverse[V any](j *Job, at rdd.Site, o windowOptions, val *row.Codec, f func(a, b V) V) func(agg, leaving V) V {
	if o.inverse == nil {
		return nil
	}
	inv, ok := o.inverse.(func(V, V) V)
	if !ok {
		j.mistakef(at, "Inverse is a %T; the values are %s: make it a %T", o.inverse, reflect.TypeFor[V](), f)
		return nil
	}
	j.b.Need(at, "Inverse", inv == nil)
	return ops.Normalised(val, inv)
}

// keepIf is the option's function, if it is one for K and V.
func keepIf[K, V any](j *Job, at rdd.Site, o windowOptions) func(K, V) bool {
	if o.keepIf == nil {
		return nil
	}
	keep, ok := o.keepIf.(func(K, V) bool)
	if !ok {
		j.mistakef(at, "KeepIf is a %T; make it a %s", o.keepIf, fmt.Sprint(reflect.TypeFor[func(K, V) bool]()))
		return nil
	}
	j.b.Need(at, "KeepIf", keep == nil)
	return keep
}
