package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins/internal/wire"
)

func (c *calls) update(ctx context.Context, b Batch, req *wire.Request, d *declared, parts []arrow.Record) (reply, error) {
	k, err := instance(c, req.Declaration, d, d.op.Keyed)
	if err != nil {
		return reply{}, err
	}
	keys, rows, state, flags := parts[0], parts[1], parts[3], parts[4]
	if keys == nil || state == nil || flags == nil || state.NumRows() != keys.NumRows() || flags.NumRows() != keys.NumRows() {
		return reply{}, errors.New("keys, their state and their flags are wanted, a row for each key")
	}
	n := int(keys.NumRows())
	in := KeyedInput{Keys: keys, Rows: rows, State: state, Exists: bools(flags.Column(0)), Due: bools(flags.Column(1)), Timers: flags.Column(2).(*array.Int64).Int64Values()}
	if in.Of, err = below(parts[2], n, int(rowsOf(rows))); err != nil {
		return reply{}, err
	}
	out, err := k.Update(ctx, b, in)
	if err != nil {
		return reply{}, err
	}
	if err := out.Check(d.out[0], d.out[1], n); err != nil {
		return reply{}, err
	}
	return reply{parts: []arrow.Record{out.State, actions(out), out.Out, numbers(wire.OutOf, out.OutOf)}}, nil
}

// Check says what is wrong with the outcome for n keys of an operator with that state and output.
func (o KeyedOutput) Check(state, out *arrow.Schema, n int) error {
	set := false
	for i, a := range o.Actions {
		if a > Delete {
			return fmt.Errorf("action %d for key %d", a, i)
		}
		set = set || a == Set
	}
	switch {
	case len(o.Actions) != n || len(o.Timers) != n:
		return fmt.Errorf("%d actions and %d timers for %d keys", len(o.Actions), len(o.Timers), n)
	case set && o.State == nil, o.State != nil && int(o.State.NumRows()) != n:
		return fmt.Errorf("%d rows of state for %d keys", rowsOf(o.State), n)
	case int64(len(o.OutOf)) != rowsOf(o.Out):
		return fmt.Errorf("%d rows of output with %d key numbers", rowsOf(o.Out), len(o.OutOf))
	}
	for i, k := range o.OutOf {
		if k < 0 || int(k) >= n {
			return fmt.Errorf("row %d of the output is of key %d of %d", i, k, n)
		}
	}
	if o.State != nil {
		if err := sameRows("the state", o.State, state); err != nil {
			return err
		}
	}
	if o.Out != nil {
		return sameRows("the output", o.Out, out)
	}
	return nil
}

func bools(a arrow.Array) []bool {
	b := a.(*array.Boolean)
	out := make([]bool, b.Len())
	for i := range out {
		out[i] = b.Value(i)
	}
	return out
}

func actions(o KeyedOutput) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, wire.Actions)
	defer b.Release()
	for i, a := range o.Actions {
		b.Field(0).(*array.Uint8Builder).Append(uint8(a))
		b.Field(1).(*array.Int64Builder).Append(o.Timers[i])
	}
	return b.NewRecord()
}

func (c *calls) source(ctx context.Context, req *wire.Request, d *declared) (reply, error) {
	src, err := instance(c, req.Declaration, d, d.op.Source)
	if err != nil {
		return reply{}, err
	}
	var r reply
	if req.Method == wire.Method_PARTITIONS {
		parts, err := src.Partitions(ctx)
		for _, p := range parts {
			r.blobs = append(r.blobs, []byte(p.Key), p.Meta)
			r.numbers = append(r.numbers, p.Start, p.End)
		}
		return r, err
	}
	if len(req.Blobs) != 2 || len(req.Numbers) != 4 {
		return r, errors.New("a partition, an offset and a limit are wanted")
	}
	p := Partition{Key: string(req.Blobs[0]), Meta: req.Blobs[1], Start: req.Numbers[0], End: req.Numbers[1]}
	rows, err := src.Read(ctx, p, req.Numbers[2], int(req.Numbers[3]))
	if err != nil {
		return r, err
	}
	if err := rows.Check(d.out[0], req.Numbers[2]); err != nil {
		return r, err
	}
	r.numbers = []int64{rows.Next, rows.End}
	if rows.Rec != nil {
		r.rows, r.beside = rows.Rec, int64s(wire.Offsets, rows.Offsets)
	}
	return r, nil
}

// Check says what is wrong with rows that were read of a source with that schema, from an offset on.
func (r Fetched) Check(schema *arrow.Schema, from int64) error {
	if int64(len(r.Offsets)) != rowsOf(r.Rec) {
		return fmt.Errorf("%d rows with %d offsets", rowsOf(r.Rec), len(r.Offsets))
	}
	if r.Next < from {
		return fmt.Errorf("rows from offset %d on end before it, at %d", from, r.Next)
	}
	last := from - 1
	for i, o := range r.Offsets {
		if o <= last || o >= r.Next {
			return fmt.Errorf("row %d has offset %d, where it must be above %d and below %d", i, o, last, r.Next)
		}
		last = o
	}
	if r.Rec == nil {
		return nil
	}
	return sameRows("the rows", r.Rec, schema)
}

func int64s(schema *arrow.Schema, list []int64) arrow.Record {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(list, nil)
	return array.NewRecord(schema, []arrow.Array{b.NewArray()}, int64(len(list)))
}

func (c *calls) sink(ctx context.Context, b Batch, req *wire.Request, d *declared, parts []arrow.Record) (reply, error) {
	var r reply
	if req.Method == wire.Method_LANE {
		return c.takeOver(ctx, req, d)
	}
	if c.lane == nil {
		return r, errors.New("no lane is open")
	}
	switch req.Method {
	case wire.Method_STAGE:
		if c.stagedOf != b {
			c.staged, c.stagedOf = nil, b
		}
		c.staged = append(c.staged, slices.DeleteFunc(parts, func(p arrow.Record) bool { return p == nil })...)
		if len(req.Numbers) > 0 && req.Numbers[0] != 0 { // more follows
			return r, nil
		}
		rows := c.staged
		c.staged = nil
		return r, c.lane.Stage(ctx, b, rows)
	case wire.Method_PUBLISH:
		if len(req.Blobs) != 1 {
			return r, errors.New("a marker is wanted")
		}
		return r, c.lane.Publish(ctx, b, req.Blobs[0])
	}
	return r, c.lane.Flush(ctx)
}

func (c *calls) takeOver(ctx context.Context, req *wire.Request, d *declared) (reply, error) {
	var r reply
	if len(req.Numbers) != 3 || len(req.Blobs) != 1 || c.lane != nil {
		return r, errors.New("a lane, their number, and an owner's ID and epoch are wanted, once a channel")
	}
	out, err := instance(c, req.Declaration, d, d.op.Sink)
	if err != nil {
		return r, err
	}
	if err := out.Check(d.in[0], d.keys); err != nil {
		return r, err
	}
	if c.lane, err = out.Lane(ctx, int(req.Numbers[0]), int(req.Numbers[1]), Owner{ID: string(req.Blobs[0]), Epoch: req.Numbers[2]}); err != nil {
		return r, err
	}
	if m := c.lane.Marker(); m != nil {
		r.blobs = [][]byte{m}
	}
	return r, nil
}
