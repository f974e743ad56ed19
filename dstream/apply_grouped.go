package dstream

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
)

// Apply gives one row for each group of the batch, which an operator makes of its rows that is compiled into the program, of kind aggregate, and which config configures: the keys'
// columns and the operator's, in order of the keys' first appearance. Tasks combine what they have, up to 8,192 rows at a time, before anything is sent. The operator is
// given all columns of the Frame; Select those that it needs before. A batch without rows gives nothing, without keys too.
func (g Grouped) Apply(op plugins.Operator, config ...[]byte) Frame {
	o, err := compiledIn(op, config)
	return g.through(rdd.Caller(), "apply", o, err)
}

// Via is Apply for an operator of a plugin that runs in processes of its own; see Frame.Via.
func (g Grouped) Via(ref plugins.Ref) Frame {
	o, err := inProcess(ref)
	return g.through(rdd.Caller(), "via", o, err)
}

func (g Grouped) through(at rdd.Site, op string, o offer, err error) Frame {
	keyed, ok := g.keyRows()
	var a *ops.RecordAggregate
	follows := false
	if err == nil && ok {
		a, err = aggregating(o, keyed)
		follows = g.f.Doubted()
	}
	if err != nil && !follows {
		refused(g.job.b, at, op, o, err)
	}
	if err != nil || !ok {
		return Frame{g.job, g.f.Unknown(at, op)}.mistaken(Frame{g.job, g.f})
	}
	f, how := g.f.Accepted(at, keyed.Keys...), a.Shuffle()
	n := g.job.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, In: []*rdd.Node{f.Node()}, Val: rdd.FrameCodec(g.job.b, at, a.Out), Exprs: keyed.Keys,
		Wide: &rdd.WideSpec{Inputs: how.Inputs, New: how.New, Facts: byKeys(keyed.Keys) + o.facts()},
	})
	return Frame{g.job, rdd.FrameOf(g.job.b, n)}
}

// keyRows are the rows by their keys. Mistakes are reported; ok is false then.
func (g Grouped) keyRows() (rows *ops.RowsByKey, ok bool) {
	keys, key, known := g.g.ByKeys()
	if !known || key == nil {
		return nil, false
	}
	return ops.NewRowsByKey(keys, key, g.f.Schema()), true
}

// byKeys is the beginning of an operator's facts: the expressions of its keys.
func byKeys(keys []*expr.Bound) string {
	text := ""
	for i, k := range keys {
		text += [...]string{"by ", ", "}[min(i, 1)] + k.Expr().String()
	}
	if text != "" {
		text += ": "
	}
	return text
}

// keyedOutput is the rows that go out: the keys' columns, then the operator's.
func keyedOutput(keys *ops.RowsByKey, out *row.Codec) (*arrow.Schema, error) {
	var fields []arrow.Field
	for _, k := range keys.Keys {
		fields = append(fields, k.Field())
	}
	c, err := rowsOf("output with the keys", arrow.NewSchema(append(fields, out.Schema().Fields()...), nil))
	if err != nil {
		return nil, err
	}
	return c.Schema(), nil
}

// aggregating is an operator of kind aggregate for rows by keys.
func aggregating(o offer, rows *ops.RowsByKey) (*ops.RecordAggregate, error) {
	if err := o.of("aggregate"); err != nil {
		return nil, err
	}
	first, err := o.op.Aggregate(o.config)
	if err != nil {
		return nil, err
	}
	partial, out, err := first.Schemas(rows.KeySchema(), rows.In)
	if err != nil {
		return nil, err
	}
	a := &ops.RecordAggregate{RowsByKey: rows, Fails: o.fails}
	p, err := rowsOf("partial results", partial)
	if err != nil {
		return nil, err
	}
	r, err := rowsOf("output", out)
	if err != nil {
		return nil, err
	}
	if a.Partial, a.Result = p.Schema(), r.Schema(); err == nil {
		a.Out, err = keyedOutput(rows, r)
	}
	all := &instances[plugins.Aggregate]{idle: []plugins.Aggregate{first}, make: func() (plugins.Aggregate, error) {
		v, err := o.op.Aggregate(o.config)
		if err != nil {
			return nil, err
		}
		return v, sameSchemas(partial, out, v.Schemas, rows)
	}}
	a.Combine = func(ctx *rdd.Context, in arrow.Record, of []int32, keys int) (out arrow.Record, err error) {
		err = all.with(func(v plugins.Aggregate) (err error) {
			out, err = v.Partial(ctx.Waits(), batchOf(ctx), in, of, keys)
			return err
		})
		return out, err
	}
	a.Merge = func(ctx *rdd.Context, in arrow.Record, of []int32, keys int) (out arrow.Record, err error) {
		err = all.with(func(v plugins.Aggregate) (err error) {
			out, err = v.Merge(ctx.Waits(), batchOf(ctx), in, of, keys)
			return err
		})
		return out, err
	}
	return a, err
}

// sameSchemas is an error unless another instance of an operator declares what the first one did.
func sameSchemas(a, b *arrow.Schema, declare func(key, in *arrow.Schema) (a, b *arrow.Schema, err error), rows *ops.RowsByKey) error {
	again, more, err := declare(rows.KeySchema(), rows.In)
	switch {
	case err != nil:
		return err
	case again == nil || more == nil || !again.Equal(a) || !more.Equal(b):
		return errors.New("it declares something else than when the job was built; a declaration depends on its arguments alone")
	}
	return nil
}
