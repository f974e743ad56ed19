package dstream

// OrderBy puts the rows of each batch in order, all in one partition: by names of columns and expressions, lowest first, or as Asc and Desc say. Rows that are equal
// stay in (upstream partition, row) order, which behind a shuffle depends on the layout (P27). A sink keeps the order if it has one lane.
func (f Frame) OrderBy(keys ...any) Frame { return Frame{f.job, f.f.OrderBy(keys...)} }

// Limit is the first n rows of each batch, in one partition: behind OrderBy in its order, otherwise in (upstream partition, row) order, which depends on the
// layout (P27).
func (f Frame) Limit(n int) Frame { return Frame{f.job, f.f.Limit(n)} }

// TopN is the first n rows of each batch in an order, which is given as to OrderBy: as OrderBy and Limit, but tasks send n rows at most.
func (f Frame) TopN(n int, order ...any) Frame { return Frame{f.job, f.f.TopN(n, order...)} }

// TopN is the first n rows of each group of the batch in an order, which is given as to OrderBy: groups in order of the keys' first appearance, each with its rows in
// order. Rows that are equal go in (upstream partition, row) order, which depends on the layout (P27).
func (g Grouped) TopN(n int, order ...any) Frame { return Frame{g.job, g.g.TopN(n, order...)} }

// Distinct is the first row of each key in the batch, in order of first appearance; keys are names of columns and expressions, all columns where there are none. Which
// row is the first of several depends on the layout (P27), unless they are equal.
func (f Frame) Distinct(keys ...any) Frame { return Frame{f.job, f.f.Distinct(keys...)} }

// Drop is all columns but the given ones.
func (f Frame) Drop(columns ...string) Frame { return Frame{f.job, f.f.Drop(columns...)} }

// Rename gives a column another name, in its place.
func (f Frame) Rename(column, name string) Frame { return Frame{f.job, f.f.Rename(column, name)} }

// Explode gives a row for each element of a list, in order: the element takes the column's place, under the name as. Rows with an empty list are left out.
func (f Frame) Explode(column, as string) Frame { return Frame{f.job, f.f.Explode(column, as)} }

// ExplodeOuter is Explode that keeps rows with an empty list, with null in place of an element.
func (f Frame) ExplodeOuter(column, as string) Frame {
	return Frame{f.job, f.f.ExplodeOuter(column, as)}
}
