package expr

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// The reference evaluator computes an expression for one row over Go values. It asks Bind for the types of expressions and for nothing else.

// dec is a decimal: its value and the digits that it is kept with.
type dec struct {
	n     *big.Int
	scale int
}

func (d dec) rat() *big.Rat { return new(big.Rat).SetFrac(d.n, tenTo(d.scale)) }

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// errRow is what fails a row.
var errRow = errors.New("the row fails")

type reference struct {
	schema *arrow.Schema
	row    map[string]any // nil, bool, int64, uint64, float64, string, []byte, time.Time, dec, []any, map[string]any
	typed  map[string]arrow.DataType
}

func (r *reference) typeOf(e Expr) arrow.DataType {
	text := e.String()
	if t, ok := r.typed[text]; ok {
		return t
	}
	b, err := (&binder{schema: r.schema, seen: map[string]*Bound{}}).bind(e)
	if err != nil {
		panic(err)
	}
	r.typed[text] = b.typ
	return b.typ
}

func (r *reference) eval(e Expr) (any, error) {
	switch e.n.op {
	case "col":
		return r.row[e.n.name], nil
	case "lit":
		return e.n.value, nil
	case "as":
		return r.eval(e.n.args[0])
	case "and", "or":
		return r.logic(e)
	case "case":
		return r.choose(e)
	case "coalesce":
		for _, a := range e.n.args {
			v, err := r.eval(a)
			if v = fit(v, r.typeOf(e)); v != nil || err != nil {
				return v, err
			}
		}
		return nil, nil
	case "in":
		return r.in(e)
	}
	args := make([]any, len(e.n.args))
	for i, a := range e.n.args {
		var err error
		if args[i], err = r.eval(a); err != nil {
			return nil, err
		}
	}
	return r.call(e, args)
}

func (r *reference) logic(e Expr) (any, error) {
	or := e.n.op == "or"
	x, err := r.eval(e.n.args[0])
	if err != nil || x == or {
		return x, err
	}
	y, err := r.eval(e.n.args[1])
	if err != nil || y == or {
		return y, err
	}
	if x == nil || y == nil {
		return nil, nil
	}
	return !or, nil
}

func (r *reference) choose(e Expr) (any, error) {
	args := e.n.args
	for ; len(args) > 1; args = args[2:] {
		is, err := r.eval(args[0])
		if err != nil {
			return nil, err
		}
		if is == true {
			v, err := r.eval(args[1])
			return fit(v, r.typeOf(e)), err
		}
	}
	v, err := r.eval(args[0])
	return fit(v, r.typeOf(e)), err
}

func (r *reference) in(e Expr) (any, error) {
	x, err := r.eval(e.n.args[0])
	if err != nil {
		return nil, err
	}
	var result any = false
	for _, a := range e.n.args[1:] {
		v, err := r.eval(a)
		if err != nil {
			return nil, err
		}
		switch is := r.compare("=", e.n.args[0], a, x, v); is {
		case true:
			return true, nil
		case nil:
			result = nil
		}
	}
	return result, nil
}

// exact is the number of a value.
func exact(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case uint64:
		return new(big.Rat).SetInt(new(big.Int).SetUint64(v))
	case dec:
		return v.rat()
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return new(big.Rat).SetFloat64(v)
		}
	}
	return nil
}

func float(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	f, _ := v.(dec).rat().Float64()
	return f
}

// number is x in a type, nil where it does not fit. Decimals are rounded half away from zero.
func numberIn(x *big.Rat, t arrow.DataType) any {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		n := roundHalf(new(big.Rat).Mul(x, new(big.Rat).SetInt(tenTo(int(d.Scale)))))
		if n.CmpAbs(tenTo(int(d.Precision))) >= 0 {
			return nil
		}
		return dec{n, int(d.Scale)}
	}
	whole := new(big.Int).Quo(x.Num(), x.Denom())
	bits := t.(arrow.FixedWidthDataType).BitWidth()
	switch t.ID() {
	case arrow.FLOAT32, arrow.FLOAT64:
		f, _ := x.Float64()
		return f
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		if whole.Sign() >= 0 && whole.BitLen() <= bits {
			return whole.Uint64()
		}
		return nil
	}
	top := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	if whole.Cmp(top) >= 0 || whole.Cmp(new(big.Int).Neg(top)) < 0 {
		return nil
	}
	if t.ID() == arrow.TIMESTAMP {
		return time.UnixMicro(whole.Int64()).UTC()
	}
	return whole.Int64()
}

func roundHalf(x *big.Rat) *big.Int {
	half := big.NewRat(int64(x.Sign()), 2)
	x = new(big.Rat).Add(x, half)
	return new(big.Int).Quo(x.Num(), x.Denom())
}

// fit is v in the type of values that were brought together.
func fit(v any, t arrow.DataType) any {
	switch {
	case v == nil:
		return nil
	case t.ID() == arrow.TIMESTAMP:
		return asTime(v)
	case t.ID() == arrow.BINARY:
		if s, ok := v.(string); ok {
			return []byte(s)
		}
		return v
	case t.ID() == arrow.FLOAT64:
		return float(v)
	case t.ID() == arrow.FLOAT32:
		return float64(float32(float(v)))
	case exact(v) != nil:
		return numberIn(exact(v), t)
	}
	return v
}

func asTime(v any) any {
	switch v := v.(type) {
	case string:
		for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC()
			}
		}
		return nil
	case int64:
		return time.UnixMicro(v).UTC()
	case uint64:
		return time.UnixMicro(int64(v)).UTC()
	}
	return v
}

func (r *reference) compare(op string, ex, ey Expr, x, y any) any {
	if x == nil || y == nil {
		return nil
	}
	c := 0
	_, tx := x.(time.Time)
	_, ty := y.(time.Time)
	switch {
	case tx || ty:
		c = asTime(x).(time.Time).Compare(asTime(y).(time.Time))
	case exact(x) != nil || exact(y) != nil || isFloat(x) || isFloat(y):
		return r.compareNumbers(op, ex, ey, x, y)
	default:
		c = compareText(x, y)
	}
	return holds(op, c)
}

func isFloat(v any) bool { _, ok := v.(float64); return ok }

func compareText(x, y any) int {
	text := func(v any) string {
		switch v := v.(type) {
		case bool:
			return strconv.FormatBool(v) // "false" < "true"
		case []byte:
			return string(v)
		}
		return v.(string)
	}
	return strings.Compare(text(x), text(y))
}

func holds(op string, c int) bool {
	switch op {
	case "=":
		return c == 0
	case "<>":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// compareNumbers compares exactly, but for floats: everything beside them is one.
func (r *reference) compareNumbers(op string, ex, ey Expr, x, y any) any {
	x, y = besideDecimal(ex, x, y), besideDecimal(ey, y, x)
	if !isFloat(x) && !isFloat(y) {
		return holds(op, exact(x).Cmp(exact(y)))
	}
	a, b := float(x), float(y)
	if r.typeOf(ex).ID() == arrow.FLOAT32 && len(ey.Columns()) == 0 {
		b = float64(float32(b))
	}
	if r.typeOf(ey).ID() == arrow.FLOAT32 && len(ex.Columns()) == 0 {
		a = float64(float32(a))
	}
	switch op {
	case "=":
		return a == b
	case "<>":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// besideDecimal is a constant float beside a decimal as what was written.
func besideDecimal(e Expr, v, other any) any {
	f, ok := v.(float64)
	if _, is := other.(dec); !is || !ok || len(e.Columns()) > 0 {
		return v
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	x, ok := new(big.Rat).SetString(text)
	if _, digits, _ := strings.Cut(text, "."); ok && len(digits) <= 38 {
		return dec{new(big.Int).Quo(new(big.Int).Mul(x.Num(), tenTo(len(digits))), x.Denom()), len(digits)}
	}
	return v
}

func (r *reference) arithmetic(e Expr, x, y any) any {
	t := r.typeOf(e)
	x, y = besideDecimal(e.n.args[0], x, y), besideDecimal(e.n.args[1], y, x)
	if t.ID() == arrow.FLOAT64 {
		a, b := float(x), float(y)
		return map[string]float64{"+": a + b, "-": a - b, "*": a * b, "/": a / b, "%": math.Mod(a, b)}[e.n.op]
	}
	number := func(v any) *big.Rat {
		if at, ok := v.(time.Time); ok {
			return exact(at.UnixMicro())
		}
		if t.ID() == arrow.INT64 || t.ID() == arrow.TIMESTAMP {
			if n, ok := v.(uint64); ok && n > math.MaxInt64 {
				return nil // counts as null beside an integer with sign
			}
		}
		return exact(v)
	}
	if s, ok := x.(string); ok {
		x = asTime(s)
	}
	if s, ok := y.(string); ok {
		y = asTime(s)
	}
	a, b := number(x), number(y)
	if a == nil || b == nil {
		return nil
	}
	switch e.n.op {
	case "+":
		return numberIn(new(big.Rat).Add(a, b), t)
	case "-":
		return numberIn(new(big.Rat).Sub(a, b), t)
	case "*":
		return numberIn(new(big.Rat).Mul(a, b), t)
	}
	if b.Sign() == 0 {
		return nil
	}
	q := new(big.Rat).Quo(a, b)
	if e.n.op == "/" {
		return numberIn(q, t)
	}
	whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
	return numberIn(new(big.Rat).Sub(a, whole.Mul(whole, b)), t)
}
