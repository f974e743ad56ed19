package expr

// Order is an expression to sort by, and which way: data, as Expr is.
type Order struct {
	of         Expr
	desc       bool
	nullsFirst bool
}

// Asc sorts by e, lowest first, nulls last. false is below true, NaN above all numbers, text is compared by its bytes.
func (e Expr) Asc() Order { return Order{of: e} }

// Desc sorts by e, highest first, nulls last.
func (e Expr) Desc() Order { return Order{of: e, desc: true} }

// NullsFirst puts nulls before all values.
func (o Order) NullsFirst() Order {
	o.nullsFirst = true
	return o
}

// NullsLast puts nulls behind all values, as it is without it.
func (o Order) NullsLast() Order {
	o.nullsFirst = false
	return o
}

// Expr is what is sorted by.
func (o Order) Expr() Expr { return o.of }

// Descending tells whether the highest comes first.
func (o Order) Descending() bool { return o.desc }

// NullsGoFirst tells whether nulls come before values.
func (o Order) NullsGoFirst() bool { return o.nullsFirst }

// String is the order as text, in the manner of SQL.
func (o Order) String() string {
	s := o.of.String()
	if o.desc {
		s += " desc"
	}
	if o.nullsFirst {
		s += " nulls first"
	}
	return s
}
