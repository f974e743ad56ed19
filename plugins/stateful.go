package plugins

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
)

// State is the state of one key in one call of a Stateful function. It is valid during the call only.
type State[S any] struct {
	value   S
	exists  bool
	expired bool
	change  Action // Keep, Set, Delete
	due     int64  // the timer, µs; 0: none
	timer   bool   // due was set in this call
	now     int64  // batch time, µs
}

// Get is the state, the zero value if there is none.
func (s *State[S]) Get() S { return s.value }

// Exists tells whether there is a state.
func (s *State[S]) Exists() bool { return s.exists }

// Set stores the state. A timer that runs goes on, unless the same call sets another; one that is due now has ended.
func (s *State[S]) Set(v S) { s.value, s.exists, s.change = v, true, Set }

// Delete removes the state and its timer. It may be set again in the same call.
func (s *State[S]) Delete() {
	var zero S
	s.value, s.exists, s.change = zero, false, Delete
	s.due, s.timer = 0, false
}

// ExpireAfter lets the state expire d of batch time from now, in place of an earlier timer. It needs a state: without one at the end of the call, there is no timer.
func (s *State[S]) ExpireAfter(d time.Duration) {
	s.due, s.timer = max(s.now+d.Microseconds(), 1), true
}

// ExpireAt lets the state expire at batch time t, in place of an earlier timer; if t is not after this batch's time, in the next batch. The zero time means never.
func (s *State[S]) ExpireAt(t time.Time) {
	s.due, s.timer = 0, true
	if !t.IsZero() {
		s.due = max(t.UnixMicro(), 1)
	}
}

// Expired is true in the call that is made because the timer is due.
func (s *State[S]) Expired() bool { return s.expired }

// Time is the time of the batch.
func (s *State[S]) Time() time.Time { return time.UnixMicro(s.now).UTC() }

// Stateful is a Keyed operator: f is called once a batch for each key that has rows in it, with all of them in order and with the key's state, which the engine keeps. What f returns
// goes out under the key. In, S and Out are as In and Out of Rows; K is what the rows are keyed by, a struct if that is several columns, and struct{} if it does not
// matter. rows are f's own.
//
// A timer (State.ExpireAfter, State.ExpireAt) fires once, in the first batch whose time is at or after its due time: f is called without rows and with Expired true, and the state is removed
// afterwards unless f calls Set. Calls of timers come before those with rows.
//
// The columns of S are a promise to checkpoints: another version may add some, which begin as the zero value, and a job does not go on with state that is changed otherwise. Tags
// `default:"…"` are refused: the engine does not see them.
func Stateful[K, In, S, Out any](name string, f func(key K, rows []In, st *State[S]) []Out) Operator {
	return TryStateful(name, func(key K, rows []In, st *State[S]) ([]Out, error) { return f(key, rows, st), nil })
}

// newKeyReader reads keys. That of struct{} has no codec.
func newKeyReader[K any]() (*reader[K], error) {
	if reflect.TypeFor[K]() == reflect.TypeFor[struct{}]() {
		return &reader[K]{}, nil
	}
	r, err := newReader[K]()
	r.key = true
	return r, err
}

// TryStateful is Stateful for functions that may fail, as TryRows is of Rows: nothing of the batch is kept then.
func TryStateful[K, In, S, Out any](name string, f func(key K, rows []In, st *State[S]) ([]Out, error)) Operator {
	return Operator{Name: name, Keyed: func(config []byte) (Keyed, error) {
		key, keyErr := newKeyReader[K]()
		in, inErr := newReader[In]()
		state, stateErr := newReader[S]()
		out, outErr := row.For[Out]()
		if err := errors.Join(plain(config), keyErr, inErr, stateErr, outErr); err != nil {
			return nil, err
		}
		if at := state.codec.Tagged(); at != "" {
			return nil, fmt.Errorf("%v: field %s has a tag default, which state of plugins does not have: columns that are added begin as zero; take the tag away, and tell old state by the zero value", reflect.TypeFor[S](), at)
		}
		return &typedKeyed[K, In, S, Out]{key, in, state, out, f}, nil
	}}
}

type typedKeyed[K, In, S, Out any] struct {
	key   *reader[K]
	in    *reader[In]
	state *reader[S]
	out   *row.Codec
	f     func(K, []In, *State[S]) ([]Out, error)
}

func (o *typedKeyed[K, In, S, Out]) Schemas(key, in *arrow.Schema) (state, out *arrow.Schema, err error) {
	_, keyErr := findKey(o.key.codec, key) // none of struct{}
	_, inErr := find(o.in.codec, in)
	return o.state.codec.Schema(), o.out.Schema(), errors.Join(keyErr, inErr)
}

// update is one call of Update.
type update[K, In, S, Out any] struct {
	keys   []K
	values []S
	exists []bool
	timers []int64 // that run
	now    int64
	f      func(K, []In, *State[S]) ([]Out, error)
	out    KeyedOutput
	rows   []Out
}

func (o *typedKeyed[K, In, S, Out]) Update(ctx context.Context, b Batch, in KeyedInput) (KeyedOutput, error) {
	n := int(in.Keys.NumRows())
	u := update[K, In, S, Out]{exists: append([]bool(nil), in.Exists...), timers: append([]int64(nil), in.Timers...), now: b.Time, f: o.f}
	u.out = KeyedOutput{Actions: make([]Action, n), Timers: make([]int64, n)}
	var err error
	if o.key.codec == nil {
		u.keys = make([]K, n)
	} else if u.keys, err = o.key.all(in.Keys); err != nil {
		return KeyedOutput{}, err
	}
	if u.values, err = o.state.all(in.State); err != nil {
		return KeyedOutput{}, err
	}
	for k, due := range in.Due {
		if due {
			u.out.Actions[k] = Delete
			if err := u.call(int32(k), nil, true); err != nil {
				return KeyedOutput{}, err
			}
		}
	}
	if in.Rows != nil && in.Rows.NumRows() > 0 {
		rows, err := o.in.all(in.Rows)
		if err != nil {
			return KeyedOutput{}, err
		}
		rows, ends := byKey(rows, in.Of, n)
		for k, lo := 0, int32(0); k < n; k++ {
			hi := ends[k]
			if ctx.Err() != nil {
				return KeyedOutput{}, context.Cause(ctx)
			}
			if lo < hi {
				if err := u.call(int32(k), rows[lo:hi:hi], false); err != nil {
					return KeyedOutput{}, err
				}
			}
			lo = hi
		}
	}
	return u.done()
}

// call calls the function for a key and notes what becomes of its state.
func (u *update[K, In, S, Out]) call(k int32, rows []In, expired bool) error {
	st := State[S]{value: u.values[k], exists: u.exists[k], expired: expired, due: u.timers[k], now: u.now}
	out, err := u.f(u.keys[k], rows, &st)
	if err != nil {
		return failed(u.keys[k], err)
	}
	for range out {
		u.out.OutOf = append(u.out.OutOf, k)
	}
	u.rows = append(u.rows, out...)
	switch {
	case st.change == Set, st.change == Keep && st.timer && st.exists && !expired:
		u.out.Actions[k], u.out.Timers[k] = Set, st.due
	case st.change == Delete, expired:
		u.out.Actions[k], u.out.Timers[k] = Delete, 0
		var zero S
		st.value, st.exists = zero, false
	}
	if !st.exists {
		st.due = 0
	}
	u.values[k], u.exists[k], u.timers[k] = st.value, st.exists, st.due
	return nil
}

// done is the outcome. What is not stored is zero.
func (u *update[K, In, S, Out]) done() (out KeyedOutput, err error) {
	var zero S
	for k, a := range u.out.Actions {
		if a != Set {
			u.values[k] = zero
		}
	}
	if u.out.State, err = RecordOf(u.values); err == nil && len(u.rows) > 0 {
		u.out.Out, err = RecordOf(u.rows)
	}
	return u.out, err
}

// byKey are rows ordered by their keys' numbers, those of one key in order, and where each key's end.
func byKey[In any](rows []In, of []int32, keys int) ([]In, []int32) {
	next := make([]int32, keys+1)
	for _, k := range of {
		next[k+1]++
	}
	for k := range keys {
		next[k+1] += next[k]
	}
	out := make([]In, len(rows))
	for i, k := range of {
		out[next[k]] = rows[i]
		next[k]++
	}
	return out, next[:keys]
}
