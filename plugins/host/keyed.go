package host

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// keyed is a Keyed in a process.
type keyed struct {
	r      *remote
	name   string
	config []byte
	d      *declaration
}

func (k *keyed) Schemas(key, in *arrow.Schema) (state, out *arrow.Schema, err error) {
	if k.d, err = k.r.declare(k.name, k.config, 0, 2, key, in); err != nil {
		return nil, nil, err
	}
	return k.d.out[0], k.d.out[1], nil
}

// Update calls once, or once for each of several ranges of keys where there is much. Rows of the output are in the order of the ranges then.
func (k *keyed) Update(ctx context.Context, b plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	if k.d == nil {
		return plugins.KeyedOutput{}, errors.New("Update before Schemas")
	}
	l, err := k.r.acquire(ctx, k.d, k.d.out[0], wire.Actions, k.d.out[1], wire.OutOf)
	if err != nil {
		return plugins.KeyedOutput{}, err
	}
	defer l.release()
	ranges := keyRanges(in.Rows, in.Of, int(in.Keys.NumRows()), in.Keys, in.State)
	outs := make([]plugins.KeyedOutput, len(ranges))
	for i, r := range ranges {
		if outs[i], err = k.part(ctx, l, b, in, r); err != nil {
			return plugins.KeyedOutput{}, err
		}
	}
	if len(outs) == 1 {
		return outs[0], nil
	}
	return joined(in, ranges, outs), nil
}

// part computes the keys of a range.
func (k *keyed) part(ctx context.Context, l *lease, b plugins.Batch, in plugins.KeyedInput, r keyRange) (plugins.KeyedOutput, error) {
	n := r.to - r.from
	keys, rows, of, state, exists, due, timers := in.Keys, in.Rows, in.Of, in.State, in.Exists, in.Due, in.Timers
	if !r.whole {
		keys, state = keys.NewSlice(int64(r.from), int64(r.to)), state.NewSlice(int64(r.from), int64(r.to))
		exists, due, timers = exists[r.from:r.to], due[r.from:r.to], timers[r.from:r.to]
		of = keysOf(of, r.rows, r.from)
		if rows = nil; len(r.rows) > 0 {
			rows = batch.Take(in.Rows, r.rows)
		}
	}
	_, got, err := l.call(ctx, &wire.Request{Method: wire.Method_UPDATE, Batch: wireBatch(b)}, keys, rows, numbers(wire.Of, of), state, flags(exists, due, timers))
	if err != nil {
		return plugins.KeyedOutput{}, err
	}
	out := plugins.KeyedOutput{State: got[0], Out: got[2], OutOf: int32s(got[3])}
	if out.Actions, out.Timers, err = actions(got[1], n); err == nil {
		err = out.Check(k.d.out[0], k.d.out[1], n)
	}
	if err != nil {
		return plugins.KeyedOutput{}, l.broken(&b, err)
	}
	return out, nil
}

// joined is one outcome for all ranges.
func joined(in plugins.KeyedInput, ranges []keyRange, outs []plugins.KeyedOutput) plugins.KeyedOutput {
	var all plugins.KeyedOutput
	var states, rows []arrow.Record
	set := false
	for i, o := range outs {
		r := ranges[i]
		all.Actions = append(all.Actions, o.Actions...)
		all.Timers = append(all.Timers, o.Timers...)
		if set = set || o.State != nil; o.State == nil {
			o.State = in.State.NewSlice(int64(r.from), int64(r.to)) // nobody reads it
		}
		states = append(states, o.State)
		if o.Out != nil {
			rows = append(rows, o.Out)
		}
		for _, k := range o.OutOf {
			all.OutOf = append(all.OutOf, k+int32(r.from))
		}
	}
	if set {
		all.State = batch.Concat(states)
	}
	all.Out = batch.Concat(rows)
	return all
}

var _ plugins.Keyed = (*keyed)(nil)
