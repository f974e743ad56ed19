package expr

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/col"
)

// And is true where both are, false where one is false, else null. Where e is false, what o would do to a row (a Cast that fails, a user's function) is not done.
func (e Expr) And(o any) Expr { return newCall("and", e, o) }

// Or is false where both are, true where one is true, else null. Where e is true, what o would do to a row is not done.
func (e Expr) Or(o any) Expr { return newCall("or", e, o) }

// Not is false where e is true and true where it is false.
func (e Expr) Not() Expr { return newCall("not", e) }

// IsNull is true where e is null, and never null itself.
func (e Expr) IsNull() Expr { return newCall("is null", e) }

// IsNotNull is false where e is null, and never null itself.
func (e Expr) IsNotNull() Expr { return newCall("is not null", e) }

func init() {
	register(bindLogic, "and", "or")
	register(bindNot, "not")
	register(bindNullness, "is null", "is not null")
}

// booleans are the arguments, which must be booleans.
func (c *call) booleans() ([]*Bound, error) {
	out := slices.Clone(c.args)
	for i, a := range out {
		switch {
		case a.isNull():
			out[i] = nullOf(boolType)
		case a.kind() != col.Bool:
			return nil, fmt.Errorf("%s is %s, not a boolean; compare it with something", a.expr, words(a.typ))
		}
	}
	return out, nil
}

func bindLogic(c *call) (*Bound, error) {
	args, err := c.booleans()
	if err != nil {
		return nil, err
	}
	or := c.op == "or"
	b := free(boolType, args, args[0].nullable || args[1].nullable, func(f *frame, out *col.Vec, a []*col.Vec) { combine(or, out, a[0], a[1], f.n) })
	if args[1].careful {
		b.make = func(m *maker) kernel { return &lazyLogic{or, m.kernel(args[0]), m.kernel(args[1])} }
	}
	if !or {
		b.parts = args
	}
	return b, nil
}

// combine is and, or or, of three values.
func combine(or bool, out, x, y *col.Vec, n int) {
	o, a, b := bytesOf(out.Bools[:n]), bytesOf(x.Bools[:n]), bytesOf(y.Bools[:n])
	a, b = a[:len(o)], b[:len(o)]
	if or {
		for i := range o {
			o[i] = a[i] | b[i]
		}
	} else {
		for i := range o {
			o[i] = a[i] & b[i]
		}
	}
	if x.Null == nil && y.Null == nil {
		return
	}
	// Null where neither side decides and one is null; what lies under a null is false.
	nulls := make([]bool, n)
	for i := range nulls {
		xn, yn := x.Null != nil && x.Null[i], y.Null != nil && y.Null[i]
		if or {
			nulls[i] = (xn || yn) && !x.Bools[i] && !y.Bools[i]
		} else {
			nulls[i] = xn && (yn || y.Bools[i]) || yn && x.Bools[i]
		}
	}
	out.Null = nulls
}

// lazyLogic computes its right side only where the left one does not decide.
type lazyLogic struct {
	or          bool
	left, right kernel
}

func (k *lazyLogic) eval(f *frame) *col.Vec {
	x := k.left.eval(f)
	open := make([]int32, 0, f.n)
	for i := range f.n {
		if x.Null != nil && x.Null[i] || x.Bools[i] != k.or {
			open = append(open, int32(i))
		}
	}
	y := f.vec(boolType)
	for i := range y.Bools[:f.n] {
		y.Bools[i] = k.or // changes nothing beside what decided
	}
	if len(open) > 0 {
		y.Put(open, k.right.eval(f.narrow(open)))
	}
	out := f.vec(boolType)
	combine(k.or, out, x, y, f.n)
	return out
}

func bindNot(c *call) (*Bound, error) {
	args, err := c.booleans()
	if err != nil {
		return nil, err
	}
	return looped(boolType, args, false, func(f *frame, out *col.Vec, a []*col.Vec) {
		o, x := bytesOf(out.Bools[:f.n]), bytesOf(a[0].Bools[:f.n])
		x = x[:len(o)]
		for i := range o {
			o[i] = x[i] ^ 1
		}
	}), nil
}

func bindNullness(c *call) (*Bound, error) {
	want := c.op == "is null"
	if c.args[0].isNull() {
		v := col.New(boolType, 1)
		v.Bools[0] = want
		return constant(c.e, v), nil
	}
	return free(boolType, c.args, false, func(f *frame, out *col.Vec, a []*col.Vec) {
		null := nullsOf(a[0])
		for i := range out.Bools[:f.n] {
			out.Bools[i] = (null != nil && null[i]) == want
		}
	}), nil
}
