package expr

import (
	"fmt"
	"math"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
)

// Neg is -e; of an integer without sign, an int64.
func (e Expr) Neg() Expr { return newCall("neg", e) }

// Abs is e without its sign.
func (e Expr) Abs() Expr { return newCall("abs", e) }

// Round is e to so many digits behind the point, 0 to 15 of a float, halves away from zero. Integers stay what they are.
func (e Expr) Round(digits int) Expr { return newCall("round", e).set(int64(digits)) }

// Floor is the largest whole number that is not above e, in e's type; of a decimal, one without digits behind the point.
func (e Expr) Floor() Expr { return newCall("floor", e) }

// Ceil is the smallest whole number that is not below e, typed as Floor is.
func (e Expr) Ceil() Expr { return newCall("ceil", e) }

// Pow is e to the power of o, a float.
func (e Expr) Pow(o any) Expr { return newCall("pow", e, o) }

// Sqrt is the square root of e, a float.
func (e Expr) Sqrt() Expr { return newCall("sqrt", e) }

func init() {
	register(bindNeg, "neg")
	register(bindAbs, "abs")
	register(bindRound, "round", "floor", "ceil")
	register(bindPow, "pow")
	register(bindSqrt, "sqrt")
}

// number is the one argument, which must be a number.
func (c *call) number() (*Bound, error) {
	if a := c.args[0]; !numeric(a) && !a.isNull() {
		return nil, fmt.Errorf("%s is %s, not a number%s", a.expr, words(a.typ), mayCast(a))
	}
	if c.args[0].isNull() {
		return nullOf(int64Type), nil
	}
	return widest(c.args[0]), nil
}

func bindNeg(c *call) (*Bound, error) {
	a, err := c.number()
	if err != nil {
		return nil, err
	}
	switch a.kind() {
	case col.Uint:
		a = to(a, int64Type)
		fallthrough
	case col.Int:
		return looped(int64Type, []*Bound{a}, true, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, x := range in[0].Ints[:f.n] {
				if out.Ints[i] = -x; x == math.MinInt64 {
					out.SetNull(i)
				}
			}
		}), nil
	case col.Float:
		return looped(floatType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, x := range in[0].Floats[:f.n] {
				out.Floats[i] = -x
			}
		}), nil
	}
	return looped(a.typ, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Decimals[:f.n] {
			out.Decimals[i] = x.Negate()
		}
	}), nil
}

func bindAbs(c *call) (*Bound, error) {
	a, err := c.number()
	if err != nil {
		return nil, err
	}
	switch a.kind() {
	case col.Int:
		return looped(int64Type, []*Bound{a}, true, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, x := range in[0].Ints[:f.n] {
				if out.Ints[i] = max(x, -x); x == math.MinInt64 {
					out.SetNull(i)
				}
			}
		}), nil
	case col.Uint:
		return viewed(a.typ, a, a.nullable, func(_ *frame, v *col.Vec) *col.Vec { return v }), nil
	case col.Float:
		return looped(floatType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, x := range in[0].Floats[:f.n] {
				out.Floats[i] = math.Abs(x)
			}
		}), nil
	}
	return looped(a.typ, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Decimals[:f.n] {
			if out.Decimals[i] = x; x.Sign() < 0 {
				out.Decimals[i] = x.Negate()
			}
		}
	}), nil
}

func bindRound(c *call) (*Bound, error) {
	a, err := c.number()
	if err != nil {
		return nil, err
	}
	digits := 0
	if c.op == "round" {
		if digits = int(c.opts[0].(int64)); digits < 0 || digits > 15 {
			return nil, fmt.Errorf("%d digits behind the point: write 0 to 15", digits)
		}
	}
	switch a.kind() {
	case col.Int, col.Uint:
		return viewed(a.typ, a, a.nullable, func(_ *frame, v *col.Vec) *col.Vec { return v }), nil
	case col.Float:
		return looped(floatType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			roundFloats(c.op, out.Floats[:f.n], in[0].Floats, math.Pow10(digits))
		}), nil
	}
	scale := scaleOf(a.typ)
	if digits > scale {
		digits = scale
	}
	round := map[string]func(decimal.Num) (decimal.Num, bool){
		"round": func(n decimal.Num) (decimal.Num, bool) { return decimal.Rescale(n, scale, digits) },
		"floor": func(n decimal.Num) (decimal.Num, bool) { return decimal.Floor(n, scale) },
		"ceil": func(n decimal.Num) (decimal.Num, bool) {
			down, ok := decimal.Floor(n.Negate(), scale)
			return down.Negate(), ok
		},
	}[c.op]
	return looped(decimalType(decimal.MaxDigits, digits), []*Bound{a}, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Decimals[:f.n] {
			var ok bool
			if out.Decimals[i], ok = round(x); !ok {
				out.SetNull(i)
			}
		}
	}), nil
}

func roundFloats(op string, out, a []float64, by float64) {
	a = a[:len(out)]
	switch {
	case op == "floor":
		for i, x := range a {
			out[i] = math.Floor(x)
		}
	case op == "ceil":
		for i, x := range a {
			out[i] = math.Ceil(x)
		}
	case by == 1:
		for i, x := range a {
			out[i] = math.Round(x)
		}
	default:
		for i, x := range a {
			out[i] = x
			if y := x * by; math.Abs(y) < 1<<53 { // others have no digits there
				out[i] = math.Round(y) / by
			}
		}
	}
}

func bindPow(c *call) (*Bound, error) {
	for _, a := range c.args {
		if !numeric(a) && !a.isNull() {
			return nil, fmt.Errorf("%s is %s, not a number%s", a.expr, words(a.typ), mayCast(a))
		}
	}
	args := []*Bound{to(c.args[0], floatType), to(c.args[1], floatType)}
	return looped(floatType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Floats[:f.n] {
			out.Floats[i] = math.Pow(x, in[1].Floats[i])
		}
	}), nil
}

func bindSqrt(c *call) (*Bound, error) {
	a, err := c.number()
	if err != nil {
		return nil, err
	}
	return looped(floatType, []*Bound{to(a, floatType)}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Floats[:f.n] {
			out.Floats[i] = math.Sqrt(x)
		}
	}), nil
}
