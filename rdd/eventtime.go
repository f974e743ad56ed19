package rdd

import "github.com/millrace/millrace/expr"

// Time is the column that holds the rows' event time, once EventTime has said so and as long as the column is there: it is the column plus offset, µs. ok is
// false if the rows have none, or not in a column.
func (f Frame) Time() (column string, offset int64, ok bool) { return f.time, f.offset, f.timed }

// Timed is f with a column that holds its rows' event time, minus or plus an offset of µs: for operators that make rows of their own, as windows do, whose
// rows happened at their end − 1 µs (P29).
func (f Frame) Timed(column string, offset int64) Frame {
	f.time, f.offset, f.timed = column, offset, true
	return f
}

// passing gives n, whose columns these are, the event time of f where they hand its column on.
func (f Frame) passing(n *Node, columns []*expr.Bound) Frame {
	out := Frame{b: f.b, node: n}
	for _, c := range columns {
		if name, ok := c.Expr().Column(); ok && f.timed && name == f.time && !out.timed {
			out = out.Timed(c.Field().Name, f.offset)
		}
	}
	return out
}
