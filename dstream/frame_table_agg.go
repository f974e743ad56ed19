package dstream

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/rdd"
)

// TableGroups are the rows of a FrameTable by key: Agg says what is kept of them. It is a value.
type TableGroups struct {
	t    FrameTable
	keys []string
}

// GroupBy are the rows of the table by columns, which need not be those of its key.
func (t FrameTable) GroupBy(keys ...string) TableGroups { return TableGroups{t, keys} }

// Agg is a table of aggregates of the table's rows, in state under name: a row for each key that the table has rows of. When rows of the table change, what they had
// added is taken back. So the aggregates are those that can take rows back: counts, sums, averages, variances. Rows with a null in the key do not count.
// Sums of floats, of which some were taken back, are as exact as floats are.
func (g TableGroups) Agg(name string, aggs ...expr.Agg) FrameTable {
	at, t := rdd.Caller(), g.t
	j := t.job
	runningSettings(j, at, name, nil)
	if !t.changes {
		j.mistakef(at, "agg: a Table of Go values does not tell what went; make the table from a Frame, with Latest or LatestIf")
		return t
	}
	changes := t.Changes()
	set, err := agg.Bind(changes.Schema(), aggs)
	if err == nil {
		err = set.CheckRetract()
	}
	names := slices.Clone(g.keys)
	for _, a := range aggs {
		names = append(names, a.Name())
	}
	if err != nil {
		changes.f.MistakeOf(at, "agg", err)
		return t.failed(at, "agg", names...)
	}
	a := &join.Aggregate{Side: join.Side{Schema: changes.Schema()}, Set: set}
	var key []arrow.Field
	for _, k := range g.keys {
		if b := changes.f.BindAll(at, "agg", k)[0]; b != nil {
			f := b.Field()
			f.Nullable = false
			a.Keys, key = append(a.Keys, b), append(key, f)
		}
	}
	if a.Key, a.Val = tableCodecs(j, at, "agg", key, a.StateFields()); a.Key == nil || len(key) != len(g.keys) {
		return t.failed(at, "agg", names...)
	}
	view := join.View{Schema: arrow.NewSchema(append(slices.Clone(key), set.Result()...), nil), Key: a.Key, Values: a.Values}
	a.Changes = changeColumns(view.Schema)
	out := FrameTable{job: j, view: view, changes: true}
	a.Read = func() bool { return len(out.node.Out) > 0 }
	in := changes.f.Accepted(at, set.Risky(changes.Schema())...)
	out.node = j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "aggregateTable", Name: name, In: []*rdd.Node{in.Node()}, Val: rdd.FrameCodec(j.b, at, a.Changes),
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{a.Input()}, New: a.New, State: true, StateKey: a.Key, StateVal: a.Val, Bootstrap: true,
			Facts: "by " + strings.Join(g.keys, ", ") + ": " + set.Text(),
		},
	})
	return out
}
