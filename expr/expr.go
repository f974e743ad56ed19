package expr

import (
	"time"
)

// Expr is an expression over the columns of a row: data that can be printed, compared as text and bound to a schema. It is a value, and immutable; the zero value
// is a mistake that Bind reports. Methods that take any take an Expr or what Lit takes.
type Expr struct{ n *node }

// node is an operation on arguments.
type node struct {
	op    string // key of functions; "col", "lit", "as"
	args  []Expr
	name  string // of the column; of the result, for "as"
	value any    // lit: nil, bool, int64, uint64, float64, string, []byte, time.Time; of "func" and "columnar": what calls it
	opts  []any  // settings: int64, string, bool
}

// Col is the column of that name.
func Col(name string) Expr { return Expr{&node{op: "col", name: name}} }

// Lit is a constant: nil (null), a bool, a number, a string, []byte, a time.Time, or an Expr, which is itself. time.Duration counts as its number of
// microseconds. Beside a column, a constant has the column's type if it fits there: an integer beside a decimal, a text beside a timestamp.
func Lit(v any) Expr {
	switch v := v.(type) {
	case Expr:
		return v
	case Case:
		return v.End()
	case time.Duration:
		return lit(v.Microseconds())
	case time.Time:
		return lit(v.UTC().Truncate(time.Microsecond))
	case int:
		return lit(int64(v))
	case int8:
		return lit(int64(v))
	case int16:
		return lit(int64(v))
	case int32:
		return lit(int64(v))
	case uint:
		return lit(uint64(v))
	case uint8:
		return lit(uint64(v))
	case uint16:
		return lit(uint64(v))
	case uint32:
		return lit(uint64(v))
	case float32:
		return lit(float64(v))
	}
	return lit(v)
}

func lit(v any) Expr { return Expr{&node{op: "lit", value: v}} }

func newCall(op string, args ...any) Expr {
	n := &node{op: op}
	for _, a := range args {
		n.args = append(n.args, Lit(a))
	}
	return Expr{n}
}

// set adds settings to an expression that was just made.
func (e Expr) set(opts ...any) Expr {
	e.n.opts = append(e.n.opts, opts...)
	return e
}

// As names the result: the column that Select makes of it.
func (e Expr) As(name string) Expr { return Expr{&node{op: "as", args: []Expr{e}, name: name}} }

// Name is the name of the column that the expression makes: As, the column's own, or its text.
func (e Expr) Name() string {
	if e.n != nil && (e.n.op == "as" || e.n.op == "col") {
		return e.n.name
	}
	return e.String()
}

// Columns are the names of the columns that e reads, each once, in order of appearance.
func (e Expr) Columns() []string {
	var names []string
	seen := map[string]bool{}
	e.walk(func(n *node) {
		if n.op == "col" && !seen[n.name] {
			seen[n.name] = true
			names = append(names, n.name)
		}
	})
	return names
}

// walk calls f with the parts of e.
func (e Expr) walk(f func(n *node)) {
	if e.n == nil {
		return
	}
	f(e.n)
	for _, a := range e.n.args {
		a.walk(f)
	}
}
