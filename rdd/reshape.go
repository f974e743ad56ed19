package rdd

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
)

// Drop is all columns but the given ones.
func (f Frame) Drop(columns ...string) Frame {
	at := Caller()
	gone := map[string]bool{}
	for _, name := range columns {
		f.BindAll(at, "drop", name)
		gone[name] = true
	}
	var rest []any
	for _, c := range f.Schema().Fields() {
		if !gone[c.Name] {
			rest = append(rest, c.Name)
		}
	}
	if len(rest) == 0 {
		if !f.Doubted() {
			f.b.Mistakef(at, "drop: no column is left")
		}
		return f.Failed(at, "drop")
	}
	out := f.selecting(at, "drop", rest...).stillDoubting(f, columns...)
	if len(rest) != f.Schema().NumFields()-len(gone) { // one that was to go is under another name
		out.b.about(out.node, out.b.doubtOf(out.node).and(doubt{shape: true}))
	}
	return out
}

// Rename gives a column another name, in its place.
func (f Frame) Rename(column, name string) Frame {
	at := Caller()
	known := f.BindAll(at, "rename", column)[0] != nil
	var columns []any
	for _, c := range f.Schema().Fields() {
		e := expr.Col(c.Name)
		if c.Name == column {
			e = e.As(name)
		}
		columns = append(columns, e)
	}
	out := f.selecting(at, "rename", columns...).stillDoubting(f, column)
	if !known {
		out.b.about(out.node, out.b.doubtOf(out.node).naming(name))
	}
	return out
}

// Explode gives a row for each element of a list, in order: the element takes the column's place, under the name as. Rows with an empty list are left out.
func (f Frame) Explode(column, as string) Frame { return f.explode(Caller(), column, as, false) }

// ExplodeOuter is Explode that keeps rows with an empty list, with null in place of an element.
func (f Frame) ExplodeOuter(column, as string) Frame { return f.explode(Caller(), column, as, true) }

func (f Frame) explode(at Site, column, as string, outer bool) Frame {
	bound := f.BindKeys(at, "explode", column)
	if bound == nil {
		return f.Failed(at, "explode", as)
	}
	list, ok := bound[0].Field().Type.(*arrow.ListType)
	if !ok {
		f.b.Mistakef(at, "explode: column %q is %s, not a list", column, bound[0].Field().Type)
		return f.Failed(at, "explode", as)
	}
	if k, _ := col.KindOf(list.Elem()); outer && k == col.Nested {
		f.b.Mistakef(at, "explode: a row without elements would need a null %s; use Explode", list.Elem())
		return f.Failed(at, "explode", as)
	}
	fields := append([]arrow.Field(nil), f.Schema().Fields()...)
	place := f.Schema().FieldIndices(column)[0]
	fields[place] = arrow.Field{Name: as, Type: list.Elem(), Nullable: list.ElemField().Nullable || outer}
	val := FrameCodec(f.b, at, arrow.NewSchema(fields, nil))
	op := "explode"
	if outer {
		op = "explodeOuter"
	}
	n := f.b.narrow(at, op, nil, val, ops.Explode(val.Schema(), place, outer), f.node)
	n.Exprs = bound
	n.Cols = &Columns{Reads: func(_ int, out []bool) []bool {
		read := same(0, out)
		read[place] = true // how many elements there are
		return read
	}}
	if f.time == column {
		f.timed = false
	}
	f.node = n
	return f
}
