package rdd

import (
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/internal/ops"
)

// doubt is what is not known of a node's columns for a mistake before it. A mistake that only follows from that one is not reported: who mends the first has
// mended both. What is known for certain is wrong for certain, and is reported.
//
//	f.Select("a", "valeu")        there is no column "valeu"; did you mean "value"?
//	 .Where(Col("valeu").Gt(1))   follows: the column would be there
//	 .GroupBy("b")                does not: "b" was not selected
type doubt struct {
	names map[string]bool // columns that would be there
	all   bool            // any column may be
	shape bool            // there may be more columns, fewer, or others than those that are there
	time  bool            // there may be an event time
}

// doubtOf is what is in doubt of any of the nodes.
func (b *Builder) doubtOf(nodes ...*Node) (d doubt) {
	b = b.whole()
	for _, n := range nodes {
		if one, ok := b.doubts[n]; ok {
			d = d.and(one)
		}
	}
	return d
}

// and has the doubts of both.
func (d doubt) and(o doubt) doubt {
	d.all, d.shape, d.time = d.all || o.all, d.shape || o.shape, d.time || o.time
	return d.naming(slices.Collect(maps.Keys(o.names))...)
}

// naming is d with further columns that would be there.
func (d doubt) naming(names ...string) doubt {
	if len(names) > 0 {
		all := maps.Clone(d.names)
		if all == nil {
			all = map[string]bool{}
		}
		for _, n := range names {
			all[n] = true
		}
		d.names, d.shape = all, true
	}
	return d
}

// about sets what is in doubt of a node, in place of what it has from its inputs.
func (b *Builder) about(n *Node, d doubt) {
	b = b.whole()
	if b.doubts == nil {
		b.doubts = map[*Node]doubt{}
	}
	b.doubts[n] = d
}

// Certain says that all columns of a node are known, whatever is in doubt of what it reads.
func (b *Builder) Certain(n *Node) { b.about(n, doubt{}) }

// inherit gives a new node the doubts of what it reads.
func (b *Builder) inherit(n *Node) {
	d := b.doubtOf(readBy(n)...)
	if n.Val != nil && n.Val == mistakenCodec() {
		d.all, d.shape, d.time = true, true, true
	}
	if d.all || d.shape || d.time {
		b.about(n, d)
	}
}

// readBy are the nodes whose rows or state a node reads.
func readBy(n *Node) []*Node {
	if n.Wide == nil {
		return n.In
	}
	return slices.Concat(n.In, n.Wide.Tables, n.Wide.First)
}

// follows tells whether an error only says that columns are missing which are in doubt.
func (d doubt) follows(err error) bool {
	switch e := err.(type) {
	case *expr.UnknownColumn:
		return d.all || d.names[e.Name]
	case interface{ Unwrap() []error }:
		return len(e.Unwrap()) > 0 && !slices.ContainsFunc(e.Unwrap(), func(one error) bool { return !d.follows(one) })
	case interface{ Unwrap() error }:
		return d.follows(e.Unwrap())
	}
	return false
}

// mistakeOf is Mistakef of an operator on nodes with an error of its expressions, without what only follows from mistakes before.
func (b *Builder) mistakeOf(at Site, d doubt, op string, err error) {
	if list := joined(err); list != nil {
		for _, one := range list {
			b.mistakeOf(at, d, op, one)
		}
		return
	}
	if err != nil && !d.follows(err) {
		b.Mistakef(at, "%s: %v", op, err)
	}
}

// MistakeOf reports what is wrong with expressions of an operator on f, but for columns that are only missing because of a mistake before.
func (f Frame) MistakeOf(at Site, op string, err error) {
	f.b.mistakeOf(at, f.b.doubtOf(f.node), op, err)
}

// Doubted tells whether f may have other columns than it has, because of a mistake before: mistakes in which columns there are may follow from that one.
func (f Frame) Doubted() bool { return f.b.doubtOf(f.node).shape }

// TimeDoubted tells whether f may have an event time that a mistake before took from it.
func (f Frame) TimeDoubted() bool { return f.b.doubtOf(f.node).time }

// Doubted tells whether a node may have other columns than it has; see Frame.Doubted.
func (b *Builder) Doubted(n *Node) bool { return b.doubtOf(n).shape }

// stillDoubting is f, made of the columns of in, with in's doubts but for the columns that an operator has given or taken.
func (f Frame) stillDoubting(in Frame, but ...string) Frame {
	d := in.b.doubtOf(in.node)
	if !d.shape {
		return f
	}
	d.names = maps.Clone(d.names)
	for _, name := range but {
		delete(d.names, name)
	}
	f.b.about(f.node, f.b.doubtOf(f.node).and(d))
	return f
}

// failed stands for the result of an operator that a mistake keeps from being made: a node that hands rows on, with these columns.
func (f Frame) failed(at Site, op string, s *arrow.Schema, d doubt, in ...*Node) Frame {
	val := f.node.Val
	if s != nil && s.NumFields() > 0 {
		val = FrameCodec(f.b, at, s)
	}
	n := f.b.narrow(at, op, nil, val, ops.Pass, append([]*Node{f.node}, in...)...)
	f.b.about(n, d)
	f.node, f.timed = n, f.timed && val.Schema().HasField(f.time)
	return f
}

// Failed stands for the result of an operator on f that a mistake, which was reported, keeps from being made: it would have f's columns and these.
func (f Frame) Failed(at Site, op string, columns ...string) Frame {
	d := f.b.doubtOf(f.node).naming(columns...)
	d.shape, d.time = true, true
	return f.failed(at, op, nil, d)
}

// Unknown is Failed for an operator whose columns nobody knows then: any that is asked for may have been one of them.
func (f Frame) Unknown(at Site, op string) Frame {
	return f.failed(at, op, nil, doubt{all: true, shape: true, time: true})
}

// FailedAgg is Failed for an operator that gives keys, other columns, and aggregates.
func (f Frame) FailedAgg(at Site, op string, keys []any, others []arrow.Field, aggs []expr.Agg) Frame {
	d := doubt{shape: true, time: true}
	var fields []arrow.Field
	for _, k := range keys {
		if field, name, ok := f.fieldOf(k); ok {
			fields = append(fields, field)
		} else if name != "" {
			d = d.naming(name)
		}
	}
	fields = append(fields, others...)
	for _, a := range aggs {
		if set, err := agg.Bind(f.Schema(), []expr.Agg{a}); err == nil {
			fields = append(fields, set.Result()...)
		} else {
			d = d.naming(a.Name())
		}
	}
	return f.failed(at, op, distinct(fields), d)
}

// fieldOf is the column that a name or an expression gives, and what it would be called if there is none.
func (f Frame) fieldOf(v any) (field arrow.Field, name string, ok bool) {
	e, is := v.(expr.Expr)
	if text, isName := v.(string); isName {
		e, is = expr.Col(text), true
	}
	if !is {
		return field, "", false
	}
	bound, err := expr.Bind(f.Schema(), e)
	if err != nil {
		return field, e.Name(), false
	}
	return bound.Field(), "", true
}

// distinct is a schema of the first field of each name.
func distinct(fields []arrow.Field) *arrow.Schema {
	seen := map[string]bool{}
	return arrow.NewSchema(slices.DeleteFunc(fields, func(f arrow.Field) bool {
		was := seen[f.Name]
		seen[f.Name] = true
		return was
	}), nil)
}

// Failed stands for the result of a join of f with o that a mistake keeps from being made. It would have the columns that the join can be asked for after a mistake.
func (s *JoinSettings) Failed(at Site, op string, f, o Frame, spec *join.Spec) Frame {
	b := f.b.with(o.b)
	f.b = b
	d := b.doubtOf(f.node, o.node).and(s.doubt)
	d.shape, d.time = true, true
	return f.failed(at, op, spec.Out, d, o.node)
}

// Doubt puts what mistakes of the settings leave in doubt on the join's node.
func (s *JoinSettings) Doubt(b *Builder, n *Node) {
	if s.doubt.shape {
		b.about(n, b.doubtOf(n).and(s.doubt))
	}
}
