package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Expr is an expression over the columns of a row: data that can be printed, compared as text and bound to a schema. It is a value, and immutable; the zero value
// is a mistake that Bind reports.
type Expr struct{ n *node }

// node is an operation on arguments.
type node struct {
	op    string // key of functions; "col", "lit"
	args  []Expr
	name  string // of the column; of the result, for "as"
	value any    // lit: nil, bool, int64, uint64, float64, string, []byte, time.Time; settings of other operations
}

// Col is the column of that name.
func Col(name string) Expr { return Expr{&node{op: "col", name: name}} }

// Lit is a constant: nil (null), a bool, a number, a string, []byte, a time.Time, or an Expr, which is itself. time.Duration counts as its number of
// microseconds.
func Lit(v any) Expr {
	switch v := v.(type) {
	case Expr:
		return v
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

func call(op string, args ...any) Expr {
	n := &node{op: op}
	for _, a := range args {
		n.args = append(n.args, Lit(a))
	}
	return Expr{n}
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
	var walk func(Expr)
	walk = func(e Expr) {
		if e.n == nil {
			return
		}
		if e.n.op == "col" && !seen[e.n.name] {
			seen[e.n.name] = true
			names = append(names, e.n.name)
		}
		for _, a := range e.n.args {
			walk(a)
		}
	}
	walk(e)
	return names
}

// Eq is e = o.
func (e Expr) Eq(o any) Expr { return call("=", e, o) }

// Ne is e <> o.
func (e Expr) Ne(o any) Expr { return call("<>", e, o) }

// Lt is e < o.
func (e Expr) Lt(o any) Expr { return call("<", e, o) }

// Le is e <= o.
func (e Expr) Le(o any) Expr { return call("<=", e, o) }

// Gt is e > o.
func (e Expr) Gt(o any) Expr { return call(">", e, o) }

// Ge is e >= o.
func (e Expr) Ge(o any) Expr { return call(">=", e, o) }

// Add is e + o. A timestamp plus an integer is that many microseconds later.
func (e Expr) Add(o any) Expr { return call("+", e, o) }

// Sub is e - o. A timestamp minus a timestamp is microseconds.
func (e Expr) Sub(o any) Expr { return call("-", e, o) }

// Mul is e * o.
func (e Expr) Mul(o any) Expr { return call("*", e, o) }

// Div is e / o; of integers the quotient rounded towards zero.
func (e Expr) Div(o any) Expr { return call("/", e, o) }

// Mod is the remainder of Div, with the sign of e.
func (e Expr) Mod(o any) Expr { return call("%", e, o) }

// Neg is -e.
func (e Expr) Neg() Expr { return call("neg", e) }

// And is true where both are, false where one is false, else null.
func (e Expr) And(o any) Expr { return call("and", e, o) }

// Or is false where both are, true where one is true, else null.
func (e Expr) Or(o any) Expr { return call("or", e, o) }

// Not is false where e is true and true where it is false.
func (e Expr) Not() Expr { return call("not", e) }

// IsNull is true where e is null, and never null itself.
func (e Expr) IsNull() Expr { return call("is null", e) }

// IsNotNull is false where e is null, and never null itself.
func (e Expr) IsNotNull() Expr { return call("is not null", e) }

// String is the expression as text, in the manner of SQL. Equal texts mean equal expressions.
func (e Expr) String() string {
	if e.n == nil {
		return "nothing"
	}
	n := e.n
	switch n.op {
	case "col":
		return quoteName(n.name)
	case "lit":
		return litText(n.value)
	case "as":
		return n.args[0].String() + " as " + quoteName(n.name)
	case "is null", "is not null":
		return n.args[0].String() + " " + n.op
	}
	texts := make([]string, len(n.args))
	for i, a := range n.args {
		texts[i] = a.String()
	}
	if len(texts) == 2 && infix[n.op] {
		return "(" + texts[0] + " " + n.op + " " + texts[1] + ")"
	}
	if n.value != nil {
		texts = append(texts, litText(n.value))
	}
	return n.op + "(" + strings.Join(texts, ", ") + ")"
}

var infix = map[string]bool{"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true, "+": true, "-": true, "*": true, "/": true, "%": true, "and": true, "or": true}

func quoteName(name string) string {
	plain := name != ""
	for i, c := range name {
		plain = plain && (c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '.'))
	}
	if plain {
		return name
	}
	return strconv.Quote(name)
}

func litText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case []byte:
		return fmt.Sprintf("x'%x'", v)
	case time.Time:
		return "timestamp '" + v.Format("2006-01-02 15:04:05.999999") + "'"
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".eEnN") {
			text += ".0" // not an integer
		}
		return text
	}
	return fmt.Sprint(v)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
