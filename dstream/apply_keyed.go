package dstream

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
)

// Apply calls an operator once a batch and partition with all keys that have rows in it or a timer that is due, and with their states, which are kept under the name of Running. The operator is
// compiled into the program, of kind keyed, and configured by config. The rows that it gives go out with the keys' columns before its own. It is given all columns of the
// Frame; Select those that it needs before.
//
// Keys come in order of first appearance, those of timers before, in order of due time and then key; rows in order of (upstream partition, row). Output goes out in order of the keys, that of a key as the operator gave it. A timer
// fires exactly once, in the first batch whose time is at or after its due time, with or without rows. The columns of the state are a promise: a checkpoint is refused by an operator that declares
// others. The option is CheckpointEvery.
func (r RunningGroups) Apply(op plugins.Operator, config ...[]byte) Frame {
	o, err := compiledIn(op, config)
	return r.through(rdd.Caller(), "apply", o, err)
}

// Via is Apply for an operator of a plugin that runs in processes of its own; see Frame.Via. The state stays with the engine: another process may be given it with the next batch.
func (r RunningGroups) Via(ref plugins.Ref) Frame {
	o, err := inProcess(ref)
	return r.through(rdd.Caller(), "via", o, err)
}

func (r RunningGroups) through(at rdd.Site, op string, o offer, err error) Frame {
	j := r.g.job
	settings, _ := runningSettings(j, r.at, r.name, r.opts)
	settings.noExpire(j, r.at, "the operator sets timers")
	settings.noTimers(j, r.at)
	if settings.initial != nil {
		j.mistakef(r.at, "InitialState belongs to operators of streams; the states of plugins begin with nothing")
	}
	rows, ok := r.g.keyRows()
	var k *keyedOperator
	follows := false
	if err == nil && ok {
		k, err = keyedBy(o, rows)
		follows = r.g.f.Doubted()
	}
	if err != nil && !follows {
		refused(j.b, at, op, o, err)
	}
	if err != nil || !ok {
		return Frame{j, r.g.f.Unknown(at, op)}.mistaken(Frame{j, r.g.f})
	}
	f := r.g.f.Accepted(at, rows.Keys...)
	n := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, Name: r.name, In: []*rdd.Node{f.Node()}, Val: rdd.FrameCodec(j.b, at, k.out), Exprs: rows.Keys,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{rows.Input()},
			New:    func() rdd.Reducer { return k },
			State:  true, StateKey: rows.Key, StateVal: k.state, Facts: byKeys(rows.Keys) + o.facts(), CheckpointEvery: settings.interval(),
		},
	})
	return Frame{j, rdd.FrameOf(j.b, n)}
}

// keyedOperator is an operator of kind keyed as a reducer. It has no state of its own: one is there for all tasks.
type keyedOperator struct {
	*ops.RowsByKey
	offer
	all     *instances[plugins.Keyed]
	state   *row.Codec
	own     *arrow.Schema // of what it gives, without keys
	out     *arrow.Schema
	keys    *arrow.Schema // of the keys
	initial *col.Batch    // one row: the state of keys without state
}

func keyedBy(o offer, rows *ops.RowsByKey) (*keyedOperator, error) {
	if err := o.of("keyed"); err != nil {
		return nil, err
	}
	first, err := o.op.Keyed(o.config)
	if err != nil {
		return nil, err
	}
	state, out, err := first.Schemas(rows.KeySchema(), rows.In)
	if err != nil {
		return nil, err
	}
	k := &keyedOperator{RowsByKey: rows, offer: o, keys: rows.KeySchema()}
	if k.state, err = rowsOf("state", state); err != nil {
		return nil, err
	}
	own, err := rowsOf("output", out)
	if err != nil {
		return nil, err
	}
	if k.out, err = keyedOutput(rows, own); err != nil {
		return nil, err
	}
	k.own, k.initial = own.Schema(), noState(k.state.Schema())
	k.all = &instances[plugins.Keyed]{idle: []plugins.Keyed{first}, make: func() (plugins.Keyed, error) {
		v, err := o.op.Keyed(o.config)
		if err != nil {
			return nil, err
		}
		return v, sameSchemas(state, out, v.Schemas, rows)
	}}
	return k, nil
}

// noState is one row that is zero, or null where that may be.
func noState(s *arrow.Schema) *col.Batch {
	b := &col.Batch{Schema: s, N: 1}
	for _, f := range s.Fields() {
		kind, _ := col.KindOf(f.Type)
		if kind == col.Nested {
			b.Cols = append(b.Cols, &col.Vec{Type: f.Type, Kind: kind, N: 1, Array: col.Nothing(f.Type, 1)})
			continue
		}
		v := col.New(f.Type, 1)
		if f.Nullable {
			v.SetNull(0)
		}
		b.Cols = append(b.Cols, v)
	}
	return b
}

// Reduce implements rdd.Reducer.
func (k *keyedOperator) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	due := ctx.State.Due(ctx.Time)
	if len(due) == 0 && len(in[0]) == 0 {
		return nil
	}
	return ops.WithScratch(func(s *ops.Scratch) error {
		if len(due) > 0 {
			s.Keys.Reset()
			k.Key.AppendVecKeys(ctx.State.KeyCols(due), nil, &s.Keys)
			s.Dict.Add(&s.Keys, s.Numbers(len(due)))
		}
		rows, of, err := k.Rows(in[0], s)
		if err != nil {
			return err
		}
		keys := s.Dict.Keys()
		call := plugins.KeyedInput{Rows: rows, Of: of, Due: make([]bool, keys.Len())}
		for i := range due {
			call.Due[i] = true
		}
		return k.update(ctx, keys, call, emit)
	})
}

// update calls the operator, and stores and emits what it says.
func (k *keyedOperator) update(ctx *rdd.Context, keys *row.Keys, in plugins.KeyedInput, emit func(rdd.Chunk) error) error {
	n := keys.Len()
	cols, err := k.KeyColumns(keys, nil)
	if err != nil {
		return err
	}
	in.Keys = col.Of(k.keys, n, cols...).Record()
	at := make([]int32, n) // where states are
	ctx.State.Find(keys, at)
	in.State, in.Exists, in.Timers = k.states(ctx, at)
	var out plugins.KeyedOutput
	err = ops.Untouched(ctx, func() error {
		return k.all.with(func(v plugins.Keyed) (err error) {
			out, err = v.Update(ctx.Waits(), batchOf(ctx), in)
			return err
		})
	}, in.Keys, in.Rows, in.State)
	if err == nil {
		err = k.check(n, out)
	}
	if err != nil {
		return k.failed(err, "update of %d keys", n)
	}
	k.store(ctx, keys, at, out)
	rows, of := inOrder(out.Out, out.OutOf)
	return k.EmitRecord(emit, k.out, keys, rows, of)
}

// inOrder are rows by the numbers of their keys, those of a key as they came: a call that was split by keys on its way to a process (decision 0040) gives what it gives in one.
func inOrder(rows arrow.Record, of []int32) (arrow.Record, []int32) {
	if slices.IsSorted(of) {
		return rows, of
	}
	idx := make([]int32, len(of))
	for i := range idx {
		idx[i] = int32(i)
	}
	slices.SortStableFunc(idx, func(a, b int32) int { return cmp.Compare(of[a], of[b]) })
	sorted := make([]int32, len(of))
	for i, r := range idx {
		sorted[i] = of[r]
	}
	return batch.Take(rows, idx), sorted
}

// states are the states at rows of the table, -1 for none, and their timers.
func (k *keyedOperator) states(ctx *rdd.Context, at []int32) (state arrow.Record, exists []bool, timers []int64) {
	known, _ := ops.Present(at)
	held, due := ctx.State.GetCols(known), ctx.State.DueTimes(known)
	exists, timers = make([]bool, len(at)), make([]int64, len(at))
	idx, next := make([]int32, len(at)), int32(0)
	for i, row := range at {
		if exists[i] = row >= 0; exists[i] {
			idx[i], timers[i] = next, due[next]
			next++
		} else {
			idx[i] = int32(len(known)) // the initial one, behind the others
		}
	}
	if len(known) == len(at) {
		return held.Record(), exists, timers
	}
	all := col.Gather(k.state.Schema(), []col.Piece{{Batch: held}, {Batch: k.initial}})
	return array.NewRecord(k.state.Schema(), col.FromRecord(all).Arrays(idx), int64(len(at))), exists, timers
}

// check refuses an answer that is not what the operator declared.
func (k *keyedOperator) check(n int, out plugins.KeyedOutput) error {
	if len(out.Actions) != n || len(out.Timers) != n {
		return fmt.Errorf("it gives %d actions and %d timers", len(out.Actions), len(out.Timers))
	}
	stores := false
	for i, a := range out.Actions {
		switch {
		case a > plugins.Delete:
			return fmt.Errorf("action %d of key %d is none", a, i)
		case a == plugins.Set && out.Timers[i] < 0:
			return fmt.Errorf("the timer of key %d is at %d µs; times are above 0, and 0 is none", i, out.Timers[i])
		}
		stores = stores || a == plugins.Set
	}
	if stores {
		if err := ops.CheckRows(out.State, k.state.Schema(), n); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	if out.Out == nil {
		return nil
	}
	if int64(len(out.OutOf)) != out.Out.NumRows() {
		return fmt.Errorf("it gives %d rows and says of %d whose they are (OutOf)", out.Out.NumRows(), len(out.OutOf))
	}
	for i, key := range out.OutOf {
		if key < 0 || int(key) >= n {
			return fmt.Errorf("output row %d is of key %d (OutOf), and there are keys 0 to %d", i, key, n-1)
		}
	}
	return ops.CheckRows(out.Out, k.own, len(out.OutOf))
}

// store does with states and timers what the operator says.
func (k *keyedOperator) store(ctx *rdd.Context, keys *row.Keys, at []int32, out plugins.KeyedOutput) {
	var set, gone, fresh []int32
	for i, a := range out.Actions {
		switch {
		case a == plugins.Set:
			set = append(set, int32(i))
			if at[i] < 0 {
				fresh = append(fresh, int32(i))
			}
		case a == plugins.Delete && at[i] >= 0:
			gone = append(gone, at[i])
		}
	}
	if len(fresh) > 0 {
		added := make([]int32, len(fresh))
		ctx.State.Upsert(ops.Subset(keys, fresh), added)
		for i, place := range fresh {
			at[place] = added[i]
		}
	}
	if len(set) > 0 {
		rows, timers := make([]int32, len(set)), make([]int64, len(set))
		for i, key := range set {
			rows[i], timers[i] = at[key], out.Timers[key]
		}
		state := array.NewRecord(k.state.Schema(), ops.AsRows(out.State).Columns(), out.State.NumRows())
		ctx.State.SetCols(rows, col.FromRecord(state).Where(set))
		ctx.State.SetDue(rows, timers)
	}
	if len(gone) > 0 {
		ctx.State.Delete(gone)
	}
}
