package dstream

import (
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// UpdateStateByKey calls f in each batch, empty ones included, for each key that has a state or rows: with all its values of the
// batch in order of (source partition, offset), none for most keys, and its state, nil for a key that has none. What f returns is the key's state from now on,
// kept under name; nil removes it. Each batch gives all keys with their states: those that had one in order of the keys' encodings,
// then new ones in order of first appearance. f may change the state that it was given and return it.
//
// A batch costs as much as all keys together; Stateful costs what the batch touches. With a fixed interval there is a batch at
// every tick (P28). Options: InitialState, CheckpointEvery.
func (s Keyed[K, V]) UpdateStateByKey[S any](name string, f func(key K, values []V, state *S) *S, opts ...RunningOption) Keyed[K, S] {
	at := rdd.Caller()
	s.job.b.Need(at, "UpdateStateByKey", f == nil)
	o, _ := runningSettings(s.job, at, name, opts)
	o.noTimers(s.job, at)
	o.noExpire(s.job, at, "return nil for a key that is to go")
	u := &updating[K, V, S]{key: s.node().Key, val: s.node().Val, state: rdd.CodecOf[S](s.job.b, at), f: f}
	u.initial = initialOf[K, S](s.job, at, o, u.key, u.state)
	u.same = sameness[S](u.state)
	return keyed[K, S](s.job, s.job.b.Add(at, u.initial.extend(&rdd.Node{
		Kind: rdd.Wide, Op: "updateStateByKey", Name: name, In: []*rdd.Node{s.node()}, Key: u.key, Val: u.state,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{ops.RowInput[K, V](u.key, u.val)},
			New:    func() rdd.Reducer { return &updater[K, V, S]{updating: u} },
			State:  true, StateKey: u.key, StateVal: u.state, OnEmpty: !fault.Planted("P28-update-waits"), CheckpointEvery: o.interval(),
		},
	})))
}

type updating[K, V, S any] struct {
	key, val, state *row.Codec
	initial         *initial[K, S]
	f               func(K, []V, *S) *S
	same            func(a, b S) bool
}

type updater[K, V, S any] struct {
	*updating[K, V, S]
	ops.Locator[K]
	keys []K // of the states that go out
	rows []S
}

// Reduce calls the function for the keys in the state, then for new ones.
func (r *updater[K, V, S]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if err := r.initial.load(ctx, in, nil); err != nil {
		return err
	}
	err := ops.WithScratch(func(s *ops.Scratch) error {
		g, err := ops.Group[K, V](r.key, r.val, in[0], s)
		if err == nil {
			r.update(ctx, g)
		}
		return err
	})
	if err != nil {
		return err
	}
	return ops.EmitRows(emit, r.keys, r.rows)
}

func (r *updater[K, V, S]) update(ctx *rdd.Context, g *ops.Groups[K, V]) {
	known := ctx.State.All()
	rows := make([]int32, len(g.Keys))
	ctx.State.Find(g.Encoded, rows)
	place := map[int32]int{} // of a row of the state in g; never ranged over
	var fresh []int
	for i, n := range rows {
		if n < 0 {
			fresh = append(fresh, i)
		} else {
			place[n] = i
		}
	}
	r.visit(ctx, known, func(n int32) []V {
		if i, ok := place[n]; ok {
			return g.Values(i)
		}
		return nil
	})
	r.welcome(ctx, g, fresh)
}

// visit calls the function for keys that have a state.
func (r *updater[K, V, S]) visit(ctx *rdd.Context, known []int32, values func(row int32) []V) {
	keys, _ := ctx.State.KeyRows(known, nil).([]K)
	olds, _ := ctx.State.Get(known, nil).([]S)
	states, _ := ctx.State.Get(known, nil).([]S) // the function may change these
	var gone, changed []int32
	var vals []S
	for i, n := range known {
		r.Only = &keys[i]
		s := r.f(keys[i], values(n), &states[i])
		if s == nil {
			gone = append(gone, n)
			continue
		}
		r.add(keys[i], *s)
		if last := r.rows[len(r.rows)-1]; !r.same(olds[i], last) {
			changed, vals = append(changed, n), append(vals, last)
		}
	}
	if len(changed) > 0 {
		ctx.State.Set(changed, vals)
	}
	if len(gone) > 0 {
		ctx.State.Delete(gone)
	}
}

// welcome calls the function for keys that have none.
func (r *updater[K, V, S]) welcome(ctx *rdd.Context, g *ops.Groups[K, V], fresh []int) {
	var kept []int32
	first := len(r.rows)
	for _, i := range fresh {
		r.Only = &g.Keys[i]
		if s := r.f(g.Keys[i], g.Values(i), nil); s != nil {
			r.add(g.Keys[i], *s)
			kept = append(kept, int32(i))
		}
	}
	if len(kept) > 0 {
		rows := make([]int32, len(kept))
		ctx.State.Upsert(ops.Subset(g.Encoded, kept), rows)
		ctx.State.Set(rows, r.rows[first:])
	}
}

func (r *updater[K, V, S]) add(key K, s S) {
	r.keys, r.rows = append(r.keys, key), append(r.rows, s)
	ops.Normal(r.state, r.rows[len(r.rows)-1:])
}

// sameness tells whether a state is what it was, so that it need not be written: only for types whose values == compares whole,
// others count as changed.
func sameness[S any](c *row.Codec) func(a, b S) bool {
	if c == nil || ops.Refers(c.Type()) || !c.Type().Comparable() {
		return func(a, b S) bool { return false }
	}
	if ops.Holds(c.Type(), reflect.Float32, reflect.Float64) {
		return func(a, b S) bool { return false } // 0 == -0, and they are two states
	}
	return func(a, b S) bool { return any(a) == any(b) }
}
