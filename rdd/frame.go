package rdd

import (
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
)

// Frame is rows known by the names of their columns, in partitions, and how they are computed from expressions: an RDD whose operators say what they do as
// data. It is a value: methods give new Frames and leave it as it is.
type Frame struct {
	b    *Builder
	node *Node

	time   string // column of event time, plus offset µs; see Time
	offset int64
	timed  bool
}

// FrameOf is a node of b whose rows are columns (*col.Batch) as a Frame; for packages that make operators.
func FrameOf(b *Builder, n *Node) Frame { return Frame{b: b, node: n} }

// Node is the plan's node behind f, nil for the zero value.
func (f Frame) Node() *Node { return f.node }

// Builder collects what is described; f is part of it.
func (f Frame) Builder() *Builder { return f.b.whole() }

// Schema is the columns.
func (f Frame) Schema() *arrow.Schema { return f.node.Val.Schema() }

// Frame is the rows as columns, under the names that their type gives them.
func (r RDD[T]) Frame() Frame {
	at := Caller()
	val := FrameCodec(r.b, at, ops.ValSchema(r.node.Val))
	n := r.b.narrow(at, "frame", nil, val, ops.ToColumns(r.node.Val, nil), r.node)
	r.b.about(n, doubt{all: n.Val == mistakenCodec()})
	n.Cols = &Columns{Reads: same, Entry: true, Brief: true, InPlace: true, Kernel: func(out []bool) func() Kernel { return ops.ToColumns(r.node.Val, out) }}
	return Frame{b: r.b, node: n}
}

// As is the rows as values of type T, whose columns must be f's: same names, types and order. A nullable column needs a field that may be nil.
func (f Frame) As[T any]() RDD[T] {
	at := Caller()
	val := CodecOf[T](f.b, at)
	if val != nil {
		if err := ops.SameColumns(f.Schema(), val); err != nil && !f.Doubted() {
			f.b.Mistakef(at, "As[%s]: %v; bring the columns into its form with Select", val.Type(), err)
		}
	}
	n := f.b.narrow(at, "as", nil, val, ops.ToRows[T](val), f.node)
	f.b.Certain(n)
	return RDD[T]{f.b, n}
}

// FrameCodec is the codec of a Frame's rows. Columns of types that no row has are mistakes; the codec is that of one boolean column then.
func FrameCodec(b *Builder, at Site, s *arrow.Schema) *row.Codec {
	if s != nil {
		c, err := row.OfSchema(s)
		if err == nil {
			return c
		}
		b.Mistakef(at, "%v", err)
	}
	return mistakenCodec()
}

// mistakenCodec is the codec of rows whose columns are a mistake, which was reported.
var mistakenCodec = sync.OnceValue(func() *row.Codec {
	c, err := row.OfSchema(arrow.NewSchema([]arrow.Field{{Name: "mistake", Type: arrow.FixedWidthTypes.Boolean}}, nil))
	if err != nil {
		panic(err)
	}
	return c
})

// BindAll binds expressions, or names of columns, to f's schema. Mistakes are reported at the place in the program, unless they only follow from one before, and leave
// nil in the list.
func (f Frame) BindAll(at Site, op string, list ...any) []*expr.Bound {
	bound := make([]*expr.Bound, len(list))
	for i, v := range list {
		e, ok := v.(expr.Expr)
		if name, is := v.(string); is {
			e, ok = expr.Col(name), true
		}
		if !ok {
			f.b.Mistakef(at, "%s: want names of columns and expressions, not %T", op, v)
			continue
		}
		b, err := expr.Bind(f.Schema(), e)
		if err != nil {
			f.MistakeOf(at, op, err)
			continue
		}
		bound[i] = b
	}
	return bound
}

// Select is the given columns: names, or expressions, which As names.
func (f Frame) Select(columns ...any) Frame { return f.selecting(Caller(), "select", columns...) }

func (f Frame) selecting(at Site, op string, columns ...any) Frame {
	var fields []arrow.Field
	var good []*expr.Bound
	var d doubt
	for i, c := range f.BindAll(at, op, columns...) {
		if c != nil {
			fields, good = append(fields, c.Field()), append(good, c)
		} else if _, name, _ := f.fieldOf(columns[i]); name != "" {
			d = d.naming(name)
		}
	}
	if len(good) < len(columns) {
		d.shape, d.time = true, f.timed || f.TimeDoubted()
		return f.failed(at, op, distinct(fields), d)
	}
	val := FrameCodec(f.b, at, arrow.NewSchema(fields, nil))
	n := f.b.narrow(at, op, nil, val, ops.Select(val.Schema(), good, nil), f.node)
	n.Exprs = good
	if n.Val != mistakenCodec() {
		f.b.about(n, doubt{time: f.TimeDoubted()}) // all columns are known
	}
	n.Cols = &Columns{
		Brief:   true,
		InPlace: true,
		Reads: func(_ int, out []bool) []bool {
			var needed []*expr.Bound
			for i, c := range good {
				if out[i] || c.MayFail() {
					needed = append(needed, c)
				}
			}
			return marked(f.node, needed...)
		},
		Kernel: func(out []bool) func() Kernel { return ops.Select(val.Schema(), good, out) },
	}
	return f.passing(n, good)
}

// With adds a column, the expression's, or replaces the one of that name in its place.
func (f Frame) With(name string, e expr.Expr) Frame {
	var columns []any
	replaced := false
	for _, c := range f.Schema().Fields() {
		if c.Name == name {
			columns, replaced = append(columns, e.As(name)), true
			continue
		}
		columns = append(columns, expr.Col(c.Name))
	}
	if !replaced {
		columns = append(columns, e.As(name))
	}
	return f.selecting(Caller(), "with", columns...).stillDoubting(f, name)
}

// Where keeps the rows for which the condition is true: neither false nor null.
func (f Frame) Where(condition expr.Expr) Frame {
	at := Caller()
	bound := f.BindAll(at, "where", condition)
	if bound[0] != nil && bound[0].Field().Type.ID() != arrow.BOOL {
		f.b.Mistakef(at, "where: %s is %s, not a boolean", condition, bound[0].Field().Type)
		bound[0] = nil
	}
	n := f.b.narrow(at, "where", nil, f.node.Val, ops.Where(bound[0]), f.node)
	n.Exprs = bound
	n.Cols = &Columns{Where: bound[0], Brief: true, InPlace: true, Reads: func(_ int, out []bool) []bool {
		read := marked(f.node, bound...)
		mark(read, out)
		return read
	}}
	f.node = n
	return f
}

// Accepted is f without the rows that one of the expressions, bound to its columns, does not accept: they are set aside here, where it may still be known which record
// they came from. It is for packages that make operators, which compute expressions where no row can be left out.
func (f Frame) Accepted(at Site, list ...*expr.Bound) Frame {
	var risky []*expr.Bound
	for _, e := range list {
		if e != nil && e.MayFail() {
			risky = append(risky, e)
		}
	}
	if len(risky) == 0 {
		return f
	}
	n := f.b.narrow(at, "accept", nil, f.node.Val, ops.Accept(risky), f.node)
	n.Exprs = risky
	n.Cols = &Columns{Brief: true, InPlace: true, Reads: func(_ int, out []bool) []bool {
		read := marked(f.node, risky...)
		mark(read, out)
		return read
	}}
	f.node = n
	return f
}

// Union has the rows of f and of all others, whose columns must be of the same names and types in any order. Within a partition, rows of f come first.
func (f Frame) Union(others ...Frame) Frame {
	at := Caller()
	b, in, timed := f.b, []*Node{f.node}, f.timed
	for _, o := range others {
		b = b.with(o.b)
		var names []any
		for _, c := range f.Schema().Fields() {
			names = append(names, c.Name)
		}
		if !f.Doubted() {
			o = o.selecting(at, "select", names...)
		}
		if o.node.Val != f.node.Val && !f.Doubted() && !b.Doubted(o.node) {
			b.Mistakef(at, "union: columns are %s here and %s there", f.node.Val.Text(), o.node.Val.Text())
		}
		in, timed = append(in, o.node), timed && o.timed && o.time == f.time && o.offset == f.offset
	}
	n := b.narrow(at, "union", nil, f.node.Val, ops.Pass, in...)
	n.Cols = &Columns{Reads: same, InPlace: true}
	out := Frame{b: b, node: n}
	if timed {
		out = out.Timed(f.time, f.offset)
	}
	return out
}

// Name gives the operator behind f a name, for the plan and the screen.
func (f Frame) Name(name string) Frame {
	f.b.rename(f.node, name)
	return f
}

// same is Columns.Reads of operators that hand columns on.
func same(_ int, out []bool) []bool { return slices.Clone(out) }
