package rdd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
)

// OrderBy puts the rows in order, all in one partition: by names of columns and expressions, lowest first, or as Asc and Desc say. Rows that are equal stay in
// (upstream partition, row) order, which behind a shuffle depends on the layout (P27). A sink keeps the order if it has one lane.
func (f Frame) OrderBy(keys ...any) Frame {
	at := Caller()
	if len(keys) == 0 {
		f.b.Mistakef(at, "order by: give at least one column")
	}
	return f.ranked(at, "orderBy", 0, nil, keys)
}

// Limit is the first n rows, in one partition: behind OrderBy in its order, otherwise in (upstream partition, row) order, which depends on the layout (P27).
func (f Frame) Limit(n int) Frame {
	at := Caller()
	f.atLeastOne(at, "limit", n)
	return f.ranked(at, "limit", n, nil, nil)
}

// TopN is the first n rows in an order, which is given as to OrderBy: as OrderBy and Limit, but tasks send n rows at most.
func (f Frame) TopN(n int, order ...any) Frame {
	at := Caller()
	f.atLeastOne(at, "topN", n)
	return f.ranked(at, "topN", n, nil, order)
}

// TopN is the first n rows of each group in an order, which is given as to OrderBy: groups in order of the keys' first appearance, each with its rows in order. Rows
// that are equal go in (upstream partition, row) order, which depends on the layout (P27).
func (g Grouped) TopN(n int, order ...any) Frame {
	at := Caller()
	g.f.atLeastOne(at, "topN", n)
	return g.f.ranked(at, "topN", n, g.keys, order)
}

// Distinct is the first row of each key, in order of first appearance; keys are names of columns and expressions, all columns where there are none. Which row is the
// first of several depends on the layout (P27), unless they are equal.
func (f Frame) Distinct(keys ...any) Frame {
	if len(keys) == 0 {
		for _, c := range f.Schema().Fields() {
			keys = append(keys, c.Name)
		}
	}
	return f.ranked(Caller(), "distinct", 1, keys, nil)
}

func (f Frame) atLeastOne(at Site, op string, n int) {
	if n < 1 {
		f.b.Mistakef(at, "%s(%d): at least 1", op, n)
	}
}

func (f Frame) ranked(at Site, op string, limit int, keys, order []any) Frame {
	r := &ops.Ranking{Schema: f.Schema(), Limit: limit}
	if len(keys) > 0 {
		if r.Keys = f.BindKeys(at, op, keys...); r.Keys == nil {
			return f
		}
		if r.Key = KeysCodec(f.b, at, r.Keys); r.Key == nil {
			return f
		}
	}
	var by []any
	for _, o := range order {
		how, ok := o.(expr.Order)
		switch v := o.(type) {
		case string:
			how, ok = expr.Col(v).Asc(), true
		case expr.Expr:
			how, ok = v.Asc(), true
		}
		if !ok {
			f.b.Mistakef(at, "%s: want names of columns, expressions and orders such as Col(%q).Desc(), not %T", op, f.Schema().Field(0).Name, o)
			return f
		}
		r.How, by = append(r.How, how), append(by, how.Expr())
	}
	if r.Order = f.BindKeys(at, op, by...); len(r.Order) < len(by) {
		return f
	}
	for _, o := range r.Order {
		if k, _ := col.KindOf(o.Field().Type); k == col.Nested {
			f.b.Mistakef(at, "%s: %s is %s, which has no order; use one of what it holds", op, o.Expr(), o.Field().Type)
			return f
		}
	}
	exprs := append(r.Keys[:len(r.Keys):len(r.Keys)], r.Order...)
	f = f.Accepted(at, exprs...)
	n := f.b.wide(at, op, nil, f.node.Val, r.Rank(), f.node)
	n.Exprs, n.Wide.Facts = exprs, rankText(r)
	in := f.node
	reads := func(out []bool) []bool {
		read := marked(in, exprs...)
		mark(read, out)
		if !slices.Contains(read, true) {
			read[0] = true // a block without columns has no rows
		}
		return read
	}
	n.Cols = &Columns{
		Reads: func(_ int, out []bool) []bool { return reads(out) },
		Fewer: func(out []bool) (ops.Shuffle, []int) { return rankFewer(r, col.Marked(reads(out))) },
	}
	f.node = n
	return f
}

// rankFewer is a ranking of rows that have only the columns of those numbers.
func rankFewer(r *ops.Ranking, numbers []int) (ops.Shuffle, []int) {
	fewer := *r
	var fields []arrow.Field
	for _, n := range numbers {
		fields = append(fields, r.Schema.Field(n))
	}
	fewer.Schema = arrow.NewSchema(fields, nil)
	fewer.Keys, fewer.Order = rebound(fewer.Schema, r.Keys), rebound(fewer.Schema, r.Order)
	return fewer.Rank(), numbers
}

// rebound are expressions bound to a schema that has the columns of them.
func rebound(schema *arrow.Schema, list []*expr.Bound) []*expr.Bound {
	var out []*expr.Bound
	for _, b := range list {
		again, err := expr.Bind(schema, b.Expr())
		if err != nil {
			panic(err) // it is bound to the same columns already
		}
		out = append(out, again)
	}
	return out
}

// rankText is what a ranking's expressions do not say.
func rankText(r *ops.Ranking) string {
	var facts []string
	if len(r.Keys) > 0 {
		facts = append(facts, fmt.Sprintf("by %d", len(r.Keys)))
	}
	for _, o := range r.How {
		facts = append(facts, o.String())
	}
	if r.Limit > 0 {
		facts = append(facts, fmt.Sprintf("limit %d", r.Limit))
	}
	return strings.Join(facts, ", ")
}
