package dstream

import (
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// State is the state of one key in one call of a Stateful function. It is valid during the call only.
type State[S any] struct {
	value   S
	exists  bool
	expired bool
	change  stateChange
	due     int64 // µs; 0: never
	timer   bool  // due was set in this call
	now     int64 // batch time, or with EventTimers the watermark
	from    int64 // from where ExpireAfter counts
	batch   int64 // batch time
	event   bool
}

type stateChange uint8

const (
	kept stateChange = iota
	written
	removed
)

// Get is the state, the zero value if there is none.
func (s *State[S]) Get() S { return s.value }

// Exists tells whether there is a state.
func (s *State[S]) Exists() bool { return s.exists }

// Set stores the state. A timer that runs stays as it is.
func (s *State[S]) Set(v S) { s.value, s.exists, s.change = v, true, written }

// Delete removes the state and its timer. It may be set again in the same call.
func (s *State[S]) Delete() {
	var zero S
	s.value, s.exists, s.change = zero, false, removed
	s.due, s.timer = 0, true
}

// ExpireAfter lets the state expire d of batch time from now, in place of an earlier timer. It needs a state: without one at the end of the call,
// there is no timer. With EventTimers it is d of event time from the watermark behind the batch, from 1970 as long as there is none.
func (s *State[S]) ExpireAfter(d time.Duration) { s.expireAt(later(s.from, d.Microseconds())) }

// ExpireAt lets the state expire at batch time t, in place of an earlier timer. If t is not after this batch's time, that is in the next
// batch. The zero time means never. With EventTimers it expires when the watermark reaches t: in this batch, if it has by then.
func (s *State[S]) ExpireAt(t time.Time) {
	if t.IsZero() {
		s.due, s.timer = 0, true
		return
	}
	s.expireAt(t.UnixMicro())
}

// expireAt sets the timer. A timer that fires by a watermark can only be set anew for a later one: nothing would wake it otherwise.
func (s *State[S]) expireAt(micros int64) {
	if s.event && s.expired {
		micros = max(micros, later(s.now, 1))
	}
	s.due, s.timer = max(micros, 1), true
}

// later is d µs behind an event time.
func later(at, d int64) int64 {
	switch {
	case at == rdd.NoTime:
		return d
	case at > rdd.EndOfTime-d:
		return rdd.EndOfTime
	}
	return at + d
}

// Expired is true in the call that is made because the timer is due.
func (s *State[S]) Expired() bool { return s.expired }

// Time is the time of the batch.
func (s *State[S]) Time() time.Time { return time.UnixMicro(s.batch).UTC() }

// Watermark is the watermark of event time by which the call is made: for rows that of the batch before, by which they are judged, for a timer that of
// the batch, which reached it. It is the zero time before there is one, and without EventTimers; in the last batch of a job it lies after all times.
func (s *State[S]) Watermark() time.Time {
	if !s.event || s.now == rdd.NoTime {
		return time.Time{}
	}
	return time.UnixMicro(s.now).UTC()
}

// Late tells whether a row of that event time comes behind the watermark: with EventTimers a function that drops such rows forgets no key too early.
func (s *State[S]) Late(at time.Time) bool {
	return s.event && s.now != rdd.NoTime && at.UnixMicro() < s.now
}

// EventTimers has the timers of Stateful and MapWithState count in event time: they fire in the batch in which the watermark of the input reaches them, once, behind
// that batch's rows (P29). The stream needs EventTime somewhere before the operator.
func EventTimers() RunningOption { return runningOption(func(o *runningOptions) { o.event = true }) }

// Stateful calls f once a batch for each key that has rows in it, with all its values in order of (source partition, offset), and with
// the key's state, which is kept under name. What f returns goes out under the key.
//
// A timer (State.ExpireAfter, State.ExpireAt) fires exactly once, in the first batch whose time is at or after its due time, with or
// without rows: f is called with no values and Expired true, and the state is removed afterwards unless f calls Set.
// Calls of timers come before the batch's rows, in order of due time and then key; calls with values come in order of
// the keys' first appearance. Options: InitialState, CheckpointEvery, EventTimers.
func (s Keyed[K, V]) Stateful[S, U any](name string, f func(key K, values []V, st *State[S]) []U, opts ...RunningOption) Keyed[K, U] {
	return statefully(s, rdd.Caller(), "stateful", "Stateful", name, f, f == nil, opts)
}

// MapWithState is Stateful row by row, as Spark has it: f is called with each value of a key, in order of (source partition, offset), and gives one row
// for it, under the key. What a call does to the state is seen by the next; a state that was removed may be set again, in the same call or
// the next. When the key's timer fires, f is called once with nil and State.Expired true, before the batch's values, and its row goes out too; the state is
// removed then unless f calls Set. Keys come in the order of Stateful, each with all its values. Options: those of Stateful.
func (s Keyed[K, V]) MapWithState[S, U any](name string, f func(key K, value *V, st *State[S]) U, opts ...RunningOption) Keyed[K, U] {
	return statefully(s, rdd.Caller(), "mapWithState", "MapWithState", name, func(key K, values []V, st *State[S]) []U {
		if st.expired {
			return []U{f(key, nil, st)}
		}
		out := make([]U, len(values))
		for i := range values {
			out[i] = f(key, &values[i], st)
		}
		return out
	}, f == nil, opts)
}

// statefully adds the node of Stateful under an operator's name.
func statefully[K, V, S, U any](s Keyed[K, V], at rdd.Site, op, method, name string, f func(K, []V, *State[S]) []U, none bool, opts []RunningOption) Keyed[K, U] {
	s.job.b.Need(at, method, none)
	settings, _ := runningSettings(s.job, at, name, opts)
	settings.noExpire(s.job, at, "use State.ExpireAfter")
	o := &stateful[K, V, S, U]{key: s.node().Key, val: s.node().Val, state: rdd.CodecOf[S](s.job.b, at), out: rdd.CodecOf[U](s.job.b, at), f: f}
	o.event = settings.event
	o.start = initialOf[K, S](s.job, at, settings, o.key, o.state)
	return keyed[K, U](s.job, s.job.b.Add(at, o.start.extend(&rdd.Node{
		Kind: rdd.Wide, Op: op, Name: name, In: []*rdd.Node{s.node()}, Key: o.key, Val: o.out,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{ops.RowInput[K, V](o.key, o.val)},
			New:    func() rdd.Reducer { return &statefulReducer[K, V, S, U]{stateful: o} },
			State:  true, StateKey: o.key, StateVal: o.state, CheckpointEvery: settings.interval(), Event: settings.event,
		},
	})))
}

type stateful[K, V, S, U any] struct {
	key, val, state, out *row.Codec
	f                    func(K, []V, *State[S]) []U
	start                *initial[K, S]
	event                bool // timers count in event time
}

type statefulReducer[K, V, S, U any] struct {
	*stateful[K, V, S, U]
	ops.Locator[K]
	keys []K // of the rows that go out
	rows []U
}

// Reduce calls the function for the keys that are due, then for the keys that have rows.
func (r *statefulReducer[K, V, S, U]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	switch {
	case r.event && fault.Planted("P29-timers-first"):
		r.expire(ctx, ctx.Mark.After)
	case !r.event && (len(in[0]) > 0 || !fault.Planted("P28-timers-wait")):
		r.expire(ctx, ctx.Time)
	}
	if err := r.start.load(ctx, in, nil); err != nil {
		return err
	}
	err := ops.WithScratch(func(s *ops.Scratch) error {
		g, err := ops.Group[K, V](r.key, r.val, in[0], s)
		if err == nil && len(g.Keys) > 0 {
			r.update(ctx, g)
		}
		return err
	})
	if err != nil {
		return err
	}
	if r.event { // rows first, then what the watermark has reached (P29)
		r.expire(ctx, ctx.Mark.After)
	}
	return ops.EmitRows(emit, r.keys, ops.Normal(r.out, r.rows))
}

// at is the moment of a call: batch time, or for timers in event time the watermark.
func (r *statefulReducer[K, V, S, U]) at(ctx *rdd.Context, mark int64) State[S] {
	if r.event {
		return State[S]{now: mark, from: ctx.Mark.After, batch: ctx.Time, event: true}
	}
	return State[S]{now: ctx.Time, from: ctx.Time, batch: ctx.Time}
}

// call runs the function for one key.
func (r *statefulReducer[K, V, S, U]) call(key K, values []V, st *State[S]) {
	for _, u := range r.f(key, values, st) {
		r.keys, r.rows = append(r.keys, key), append(r.rows, u)
	}
}

func (r *statefulReducer[K, V, S, U]) expire(ctx *rdd.Context, until int64) {
	due := ctx.State.Due(until)
	if len(due) == 0 {
		return
	}
	keys := ctx.State.KeyRows(due, nil).([]K)
	vals := ctx.State.Get(due, nil).([]S)
	var w writes[S]
	for i, key := range keys {
		r.Only = &keys[i]
		x := r.at(ctx, until)
		st := &x
		st.value, st.exists, st.expired = vals[i], true, true
		r.call(key, nil, st)
		if st.change == kept {
			st.Delete()
		}
		w.add(due[i], st)
	}
	r.Only = nil
	w.apply(ctx, r.state)
}

func (r *statefulReducer[K, V, S, U]) update(ctx *rdd.Context, g *ops.Groups[K, V]) {
	n := len(g.Keys)
	rows := make([]int32, n)
	ctx.State.Find(g.Encoded, rows)
	known, places := ops.Present(rows)
	old := ctx.State.Get(known, nil).([]S)
	states := slices.Repeat([]State[S]{r.at(ctx, ctx.Mark.Before)}, n)
	for i, place := range places {
		states[place].value, states[place].exists = old[i], true
	}
	r.Through(r.key, g.Encoded)
	var missing []int32 // keys that get a state now
	for i := range states {
		st := &states[i]
		r.Now = i
		r.call(g.Keys[i], g.Values(i), st)
		if rows[i] < 0 && st.change == written {
			missing = append(missing, int32(i))
		}
	}
	if len(missing) > 0 {
		added := make([]int32, len(missing))
		ctx.State.Upsert(ops.Subset(g.Encoded, missing), added)
		for i, place := range missing {
			rows[place] = added[i]
		}
	}
	var w writes[S]
	for i := range states {
		if rows[i] >= 0 {
			w.add(rows[i], &states[i])
		}
	}
	w.apply(ctx, r.state)
}

// writes are the changes of a run of keys to the state, gathered for one call each.
type writes[S any] struct {
	set, gone, timed []int32
	vals             []S
	due              []int64
}

func (w *writes[S]) add(n int32, st *State[S]) {
	switch st.change {
	case removed:
		w.gone = append(w.gone, n)
		return
	case written:
		w.set, w.vals = append(w.set, n), append(w.vals, st.value)
	}
	if st.timer {
		w.timed, w.due = append(w.timed, n), append(w.due, st.due)
	}
}

func (w *writes[S]) apply(ctx *rdd.Context, c *row.Codec) {
	if len(w.set) > 0 {
		ctx.State.Set(w.set, ops.Normal(c, w.vals))
	}
	if len(w.timed) > 0 {
		ctx.State.SetDue(w.timed, w.due)
	}
	if len(w.gone) > 0 {
		ctx.State.Delete(w.gone)
	}
}
