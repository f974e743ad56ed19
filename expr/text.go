package expr

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

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
	case "case":
		return caseText(n.args)
	case "cast", "try_cast":
		return n.op + "(" + n.args[0].String() + " as " + n.opts[0].(Type).String() + ")"
	}
	texts := make([]string, 0, len(n.args)+len(n.opts))
	for _, a := range n.args {
		texts = append(texts, a.String())
	}
	if len(texts) == 2 && infix[n.op] {
		return "(" + texts[0] + " " + n.op + " " + texts[1] + ")"
	}
	if n.op == "in" {
		return "(" + texts[0] + " in (" + strings.Join(texts[1:], ", ") + "))"
	}
	for _, o := range n.opts {
		texts = append(texts, litText(o))
	}
	if n.op == "func" || n.op == "columnar" {
		return "func " + quoteName(n.name) + "(" + strings.Join(texts, ", ") + ")"
	}
	return n.op + "(" + strings.Join(texts, ", ") + ")"
}

var infix = map[string]bool{"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true, "+": true, "-": true, "*": true, "/": true, "%": true, "and": true, "or": true}

func caseText(args []Expr) string {
	var b strings.Builder
	b.WriteString("case")
	for ; len(args) > 1; args = args[2:] {
		b.WriteString(" when " + args[0].String() + " then " + args[1].String())
	}
	b.WriteString(" else " + args[0].String() + " end")
	return b.String()
}

// reserved are names that would read as something else.
var reserved = map[string]bool{"null": true, "true": true, "false": true, "case": true, "when": true, "then": true, "else": true, "end": true, "func": true}

func quoteName(name string) string {
	plain := name != "" && !reserved[name]
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
	case uint64:
		return strconv.FormatUint(v, 10) + "u"
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "float '" + strconv.FormatFloat(v, 'g', -1, 64) + "'"
		}
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0" // not an integer
		}
		return text
	}
	return fmt.Sprint(v)
}
