package expr

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
)

// Add is e + o. A timestamp plus an integer is that many microseconds later.
func (e Expr) Add(o any) Expr { return newCall("+", e, o) }

// Sub is e - o. A timestamp minus a timestamp is microseconds; minus an integer, it is that many microseconds earlier.
func (e Expr) Sub(o any) Expr { return newCall("-", e, o) }

// Mul is e * o.
func (e Expr) Mul(o any) Expr { return newCall("*", e, o) }

// Div is e / o; of integers the quotient rounded towards zero, of decimals with at least 6 digits behind the point.
func (e Expr) Div(o any) Expr { return newCall("/", e, o) }

// Mod is the remainder of Div to a whole number, with the sign of e.
func (e Expr) Mod(o any) Expr { return newCall("%", e, o) }

func init() { register(arithmetic, "+", "-", "*", "/", "%") }

func arithmetic(c *call) (*Bound, error) {
	args := c.args
	if b, err := c.timeArithmetic(); b != nil || err != nil {
		return b, err
	}
	args = numbers(agreeNumbers(args))
	for i, a := range args {
		if !numeric(a) && !a.isNull() {
			return nil, fmt.Errorf("%s is %s, which is not for arithmetic%s", c.args[i].expr, words(a.typ), mayCast(a))
		}
	}
	if args[0].isNull() || args[1].isNull() {
		return nullOf(int64Type), nil
	}
	switch args[0].kind() {
	case col.Int:
		return integers(c.op, args, int64Type, intLoops, func(v *col.Vec) []int64 { return v.Ints }), nil
	case col.Uint:
		return integers(c.op, args, uint64Type, uintLoops, func(v *col.Vec) []uint64 { return v.Uints }), nil
	case col.Float:
		return floats(c.op, args), nil
	}
	return decimals(c.op, args)
}

func mayCast(b *Bound) string {
	if b.typ.ID() == arrow.STRING {
		return "; Cast it to a number"
	}
	return ""
}

// agreeNumbers is agree in the 64-bit types that arithmetic has: a constant is not squeezed into 8 bits, nor a float into 32.
func agreeNumbers(args []*Bound) []*Bound {
	out := make([]*Bound, len(args))
	for i, a := range args {
		out[i] = a
		if numeric(a) {
			out[i] = widest(a)
		}
	}
	out = agree(out)
	for i, a := range out {
		for _, other := range out {
			if a.one != nil && other.kind() == col.Decimal && !a.isNull() && numeric(a) {
				out[i] = exactly(args[i], other)
			}
		}
	}
	return out
}

// widest is b in the 64-bit type of its kind.
func widest(b *Bound) *Bound {
	switch b.kind() {
	case col.Int:
		return to(b, int64Type)
	case col.Uint:
		return to(b, uint64Type)
	case col.Float:
		return to(b, floatType)
	}
	return b
}

// numbers brings numbers of several kinds into one: floats where there is one, else decimals, else integers.
func numbers(args []*Bound) []*Bound {
	var has [col.Nested + 1]bool
	for _, a := range args {
		has[a.kind()] = has[a.kind()] || numeric(a)
	}
	out := make([]*Bound, len(args))
	for i, a := range args {
		switch out[i] = a; {
		case !numeric(a):
		case has[col.Float]:
			out[i] = to(a, floatType)
		case has[col.Decimal]:
			out[i] = asDecimal(a)
		case has[col.Int]:
			out[i] = to(a, int64Type)
		}
	}
	return out
}

// timeArithmetic is the sum or difference of timestamps and microseconds; nil where there is no timestamp.
func (c *call) timeArithmetic() (*Bound, error) {
	x, y := c.args[0], c.args[1]
	if !x.isTime() && !y.isTime() {
		return nil, nil
	}
	if x.one != nil && x.typ.ID() == arrow.STRING || y.one != nil && y.typ.ID() == arrow.STRING {
		args := agree(c.args)
		x, y = args[0], args[1]
	}
	whole := func(b *Bound) bool { return numeric(b) && (b.kind() == col.Int || b.kind() == col.Uint) }
	var t arrow.DataType
	switch {
	case c.op == "-" && x.isTime() && y.isTime():
		t = int64Type
	case (c.op == "+" || c.op == "-") && x.isTime() && whole(y):
		t, y = timeType, to(y, int64Type)
	case c.op == "+" && whole(x) && y.isTime():
		t, x = timeType, to(x, int64Type)
	default:
		return nil, fmt.Errorf("%s %s %s is not defined; add microseconds (a time.Duration) to a timestamp, or take two timestamps from each other", words(x.typ), c.op, words(y.typ))
	}
	return integers(c.op, []*Bound{x, y}, t, intLoops, func(v *col.Vec) []int64 { return v.Ints }), nil
}

// integers computes in 64 bits; what does not fit is null.
func integers[T int64 | uint64](op string, args []*Bound, t arrow.DataType, loops map[string]intLoop[T], values func(*col.Vec) []T) *Bound {
	l := loops[op]
	if y := args[1]; y.one != nil && !y.one.IsNull(0) && args[0].one == nil {
		c := values(y.one)[0]
		partial := op != "/" && op != "%" || c == 0 || c == ^T(0) // ^0 is -1 where there is one
		return looped(t, args[:1], partial, func(f *frame, out *col.Vec, a []*col.Vec) {
			if l.one(values(out)[:f.n], values(a[0])[:f.n], c) {
				nullOut(out, f.n, func(i int) bool { return l.bad(values(a[0])[i], c) })
			}
		})
	}
	return looped(t, args, true, func(f *frame, out *col.Vec, a []*col.Vec) {
		x, y := values(a[0])[:f.n], values(a[1])[:f.n]
		if l.pairs(values(out)[:f.n], x, y) {
			nullOut(out, f.n, func(i int) bool { return l.bad(x[i], y[i]) })
		}
	})
}

// nullOut makes null what is bad. It runs where a batch has something bad only.
func nullOut(out *col.Vec, n int, bad func(i int) bool) {
	for i := range n {
		if bad(i) {
			out.SetNull(i)
		}
	}
}

func floats(op string, args []*Bound) *Bound {
	if y := args[1]; y.one != nil && !y.one.IsNull(0) && args[0].one == nil {
		c := y.one.Floats[0]
		return looped(floatType, args[:1], false, func(f *frame, out *col.Vec, a []*col.Vec) { floatOne(op, out.Floats[:f.n], a[0].Floats, c) })
	}
	return looped(floatType, args, false, func(f *frame, out *col.Vec, a []*col.Vec) { floatPairs(op, out.Floats[:f.n], a[0].Floats, a[1].Floats) })
}

// decimals computes with up to 38 digits; what has more is null. Scales: of sums and remainders the larger one, of products the sum, of quotients
// the larger one and 6 at least.
func decimals(op string, args []*Bound) (*Bound, error) {
	sx, sy := scaleOf(args[0].typ), scaleOf(args[1].typ)
	scale := max(sx, sy)
	if op == "*" {
		if scale = sx + sy; scale > decimal.MaxDigits {
			return nil, fmt.Errorf("%d digits behind the point are more than %d; Cast one side to a decimal with fewer", scale, decimal.MaxDigits)
		}
	}
	if op == "/" {
		scale = max(scale, 6)
	}
	t := decimalType(decimal.MaxDigits, scale)
	one := decimalOp(op, sx, sy, scale)
	return looped(t, args, true, func(f *frame, out *col.Vec, a []*col.Vec) {
		x, y, res := a[0].Decimals[:f.n], a[1].Decimals[:f.n], out.Decimals[:f.n]
		for i := range res {
			var ok bool
			if res[i], ok = one(x[i], y[i]); !ok {
				out.SetNull(i)
			}
		}
	}), nil
}

// decimalOp is an operation of two decimals. Rows call it: it costs several times what the call does.
func decimalOp(op string, sx, sy, scale int) func(x, y decimal.Num) (decimal.Num, bool) {
	switch op {
	case "*":
		return decimal.Mul
	case "/":
		return func(x, y decimal.Num) (decimal.Num, bool) { return decimal.Quo(x, sx, y, sy, scale) }
	}
	f := map[string]func(x, y decimal.Num) (decimal.Num, bool){"+": decimal.Add, "-": decimal.Sub, "%": decimal.Rem}[op]
	if sx == sy {
		return f
	}
	return func(x, y decimal.Num) (decimal.Num, bool) {
		x, ok := decimal.Rescale(x, sx, scale)
		y, good := decimal.Rescale(y, sy, scale)
		if !ok || !good {
			return decimal.Num{}, false
		}
		return f(x, y)
	}
}
