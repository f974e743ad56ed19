package rdd

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
)

// Grouped is the rows of a Frame by key; Agg says what is made of each group.
type Grouped struct {
	f    Frame
	at   Site
	keys []any
}

// GroupBy gathers rows by keys: names of columns, or expressions. A null is a key like any other; floats are mistakes (P25). Without keys all rows are
// one group.
func (f Frame) GroupBy(keys ...any) Grouped { return Grouped{f, Caller(), keys} }

// Keys are what GroupBy was given.
func (g Grouped) Keys() []any { return g.keys }

// Agg gives one row for each group of the batch: the keys' columns and the aggregates', in order of the keys' first appearance. Tasks aggregate what they have before
// anything is sent. Without keys it gives one row in each batch, of counts 0 and nulls where there were no rows.
func (g Grouped) Agg(aggs ...expr.Agg) Frame {
	at := Caller()
	how := g.Bind(at, aggs)
	if how == nil {
		return g.f.FailedAgg(at, "groupBy", g.keys, nil, aggs)
	}
	f := g.f.Accepted(at, how.Risky(g.f.Schema())...)
	n := f.b.wide(at, "groupBy", nil, FrameCodec(f.b, at, how.Out), how.GroupBy(), f.node)
	n.Exprs, n.Wide.Facts, n.Wide.OnEmpty = how.Exprs(), how.Set.Text(), len(how.Keys) == 0
	f.b.Certain(n)
	n.Cols = ReadBy(g.f.node, n.Exprs...)
	return Frame{b: f.b, node: n}
}

// Bind resolves keys and aggregates; for packages that make operators. Mistakes are reported, and make it nil.
func (g Grouped) Bind(at Site, aggs []expr.Agg) *ops.Grouping {
	b, how := g.f.b, &ops.Grouping{}
	var err error
	var known bool
	how.Keys, how.Key, known = g.ByKeys()
	if how.Set, err = agg.Bind(g.f.Schema(), aggs); err != nil {
		g.f.MistakeOf(at, "aggregate", err)
		return nil
	}
	if !known || how.Key == nil {
		return nil
	}
	how.Partial = FrameCodec(b, at, how.Set.Partial())
	var fields []arrow.Field
	for _, k := range how.Keys {
		fields = append(fields, k.Field())
	}
	how.Out = arrow.NewSchema(append(fields, how.Set.Result()...), nil)
	if _, err := row.OfSchema(how.Out); err != nil {
		FrameCodec(b, at, how.Out) // reports it
		return nil
	}
	return how
}

// ByKeys resolves the keys, and the codec of their encodings, which is nil where they may not be keys; for packages that make operators. Without keys it is that of a
// constant. Mistakes are reported; known is false where an expression is one.
func (g Grouped) ByKeys() (keys []*expr.Bound, key *row.Codec, known bool) {
	if len(g.keys) == 0 {
		return nil, ops.AllKey(), true
	}
	if keys = g.f.BindKeys(g.at, "group by", g.keys...); len(keys) == 0 {
		return nil, nil, false
	}
	return keys, KeysCodec(g.f.b, g.at, keys), true
}

// BindKeys is BindAll without the mistakes; none if there was one.
func (f Frame) BindKeys(at Site, op string, keys ...any) []*expr.Bound {
	bound := f.BindAll(at, op, keys...)
	for _, k := range bound {
		if k == nil {
			return nil
		}
	}
	return bound
}

// KeysCodec is the codec of keys made of columns; nil where they may not be keys, which is reported.
func KeysCodec(b *Builder, at Site, keys []*expr.Bound) *row.Codec {
	var fields []arrow.Field
	for _, k := range keys {
		fields = append(fields, k.Field())
	}
	c, err := row.OfSchema(arrow.NewSchema(fields, nil))
	if err == nil {
		err = c.CheckKey()
	}
	if err == nil {
		return c
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		b.Mistakef(at, "%s", line)
	}
	return nil
}
