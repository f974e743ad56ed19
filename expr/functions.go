package expr

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/guess"
)

// functions are the operations by name: each checks its arguments' types and gives the result's type and kernel.
var functions map[string]func(e Expr, args []*Bound) (*Bound, error)

func init() {
	functions = map[string]func(Expr, []*Bound) (*Bound, error){
		"=": compare, "<>": compare, "<": compare, "<=": compare, ">": compare, ">=": compare,
		"+": arithmetic, "-": arithmetic, "*": arithmetic,
		"and": logic, "or": logic, "not": logic,
		"is null": nullness, "is not null": nullness,
	}
}

var (
	boolType   = arrow.FixedWidthTypes.Boolean
	int64Type  = arrow.PrimitiveTypes.Int64
	uint64Type = arrow.PrimitiveTypes.Uint64
	floatType  = arrow.PrimitiveTypes.Float64
	textType   = arrow.BinaryTypes.String
	bytesType  = arrow.BinaryTypes.Binary
	timeType   = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

func unknownColumn(schema *arrow.Schema, name string) error {
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	if meant := guess.Name(name, names); meant != "" {
		return fmt.Errorf("there is no column %q; did you mean %q?", name, meant)
	}
	return fmt.Errorf("there is no column %q; columns are %s", name, strings.Join(names, ", "))
}

// literal is a constant as a column of as many values as the batch has rows.
func literal(e Expr) (*Bound, error) {
	v := &col.Vec{}
	switch x := e.n.value.(type) {
	case bool:
		v.Type, v.Kind, v.Bools = boolType, col.Bool, []bool{x}
	case int64:
		v.Type, v.Kind, v.Ints = int64Type, col.Int, []int64{x}
	case uint64:
		v.Type, v.Kind, v.Uints = uint64Type, col.Uint, []uint64{x}
	case float64:
		v.Type, v.Kind, v.Floats = floatType, col.Float, []float64{x}
	case string:
		v.Type, v.Kind, v.Texts = textType, col.Text, []string{x}
	case []byte:
		v.Type, v.Kind, v.Texts = bytesType, col.Text, []string{string(x)}
	case time.Time:
		v.Type, v.Kind, v.Ints = timeType, col.Int, []int64{x.UnixMicro()}
	default:
		return nil, fmt.Errorf("a literal of type %T: use a bool, number, string, []byte or time.Time", x)
	}
	v.N = 1
	return &Bound{expr: e, typ: v.Type, make: func() kernel { return &literalKernel{one: v} }}, nil
}

// literalKernel repeats its value.
type literalKernel struct {
	one *col.Vec
	all *col.Vec
}

func (k *literalKernel) eval(b *col.Batch) *col.Vec {
	if k.all == nil || k.all.N < b.N {
		k.all = k.one.Take(make([]int32, b.N))
	}
	return k.all
}

// each calls f with the rows of b that count.
func each(b *col.Batch, f func(i int)) {
	if b.Sel != nil {
		for _, i := range b.Sel {
			f(int(i))
		}
		return
	}
	for i := range b.N {
		f(i)
	}
}

// kernelFunc computes a value from those of the arguments.
type kernelFunc struct {
	typ  arrow.DataType
	args []kernel
	f    func(out *col.Vec, args []*col.Vec, i int)
	keep bool // f looks at nulls itself
}

func (k *kernelFunc) eval(b *col.Batch) *col.Vec {
	args := make([]*col.Vec, len(k.args))
	for i, a := range k.args {
		args[i] = a.eval(b)
	}
	out := col.New(k.typ, b.N)
	each(b, func(i int) {
		for _, a := range args {
			if !k.keep && a.IsNull(i) {
				out.SetNull(i)
				return
			}
		}
		k.f(out, args, i)
	})
	return out
}

func byRow(typ arrow.DataType, args []*Bound, keep bool, f func(out *col.Vec, args []*col.Vec, i int)) *Bound {
	b := &Bound{typ: typ, make: func() kernel {
		k := &kernelFunc{typ: typ, f: f, keep: keep}
		for _, a := range args {
			k.args = append(k.args, a.make())
		}
		return k
	}}
	for _, a := range args {
		b.nullable = b.nullable || a.nullable
	}
	return b
}

func kindOf(b *Bound) col.Kind {
	k, _ := col.KindOf(b.typ)
	return k
}

func compare(e Expr, args []*Bound) (*Bound, error) {
	if kindOf(args[0]) != kindOf(args[1]) {
		return nil, fmt.Errorf("%s and %s are not compared", args[0].typ, args[1].typ)
	}
	op := e.n.op
	return byRow(boolType, args, false, func(out *col.Vec, a []*col.Vec, i int) {
		var c int
		switch a[0].Kind {
		case col.Int:
			c = cmp.Compare(a[0].Ints[i], a[1].Ints[i])
		case col.Uint:
			c = cmp.Compare(a[0].Uints[i], a[1].Uints[i])
		case col.Float:
			c = cmp.Compare(a[0].Floats[i], a[1].Floats[i])
		case col.Text:
			c = strings.Compare(a[0].Texts[i], a[1].Texts[i])
		case col.Bool:
			c = boolInt(a[0].Bools[i]) - boolInt(a[1].Bools[i])
		}
		out.Bools[i] = c == 0 && (op == "=" || op == "<=" || op == ">=") || c < 0 && (op[0] == '<') || c > 0 && (op == ">" || op == ">=" || op == "<>")
	}), nil
}

func arithmetic(e Expr, args []*Bound) (*Bound, error) {
	op := e.n.op
	if kindOf(args[0]) != kindOf(args[1]) {
		return nil, fmt.Errorf("%s and %s do not go together", args[0].typ, args[1].typ)
	}
	switch kindOf(args[0]) {
	case col.Float:
		return byRow(floatType, args, false, func(out *col.Vec, a []*col.Vec, i int) {
			x, y := a[0].Floats[i], a[1].Floats[i]
			switch op {
			case "+":
				out.Floats[i] = x + y
			case "-":
				out.Floats[i] = x - y
			default:
				out.Floats[i] = x * y
			}
		}), nil
	case col.Int:
		b := byRow(int64Type, args, false, func(out *col.Vec, a []*col.Vec, i int) {
			x, y := a[0].Ints[i], a[1].Ints[i]
			switch op {
			case "+":
				out.Ints[i] = x + y
			case "-":
				out.Ints[i] = x - y
			default:
				if x != 0 && (x*y/x != y || x == -1 && y == math.MinInt64) {
					out.SetNull(i)
					return
				}
				out.Ints[i] = x * y
			}
		})
		b.nullable = true
		return b, nil
	}
	return nil, fmt.Errorf("%s is not for arithmetic", args[0].typ)
}

func logic(e Expr, args []*Bound) (*Bound, error) {
	for _, a := range args {
		if kindOf(a) != col.Bool {
			return nil, fmt.Errorf("%s is %s, not a boolean", a.expr, a.typ)
		}
	}
	op := e.n.op
	return byRow(boolType, args, true, func(out *col.Vec, a []*col.Vec, i int) {
		if op == "not" {
			if a[0].IsNull(i) {
				out.SetNull(i)
			} else {
				out.Bools[i] = !a[0].Bools[i]
			}
			return
		}
		decides := op == "or" // the value that decides alone
		null := false
		for _, v := range a {
			switch {
			case v.IsNull(i):
				null = true
			case v.Bools[i] == decides:
				out.Bools[i] = decides
				return
			}
		}
		if null {
			out.SetNull(i)
		} else {
			out.Bools[i] = !decides
		}
	}), nil
}

func nullness(e Expr, args []*Bound) (*Bound, error) {
	want := e.n.op == "is null"
	b := byRow(boolType, args, true, func(out *col.Vec, a []*col.Vec, i int) { out.Bools[i] = a[0].IsNull(i) == want })
	b.nullable = false
	return b, nil
}
