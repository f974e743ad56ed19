package expr

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
)

// Case is an expression that chooses: When, more When, and Else or End. What would fail a row is done for rows that come to it only.
type Case struct{ args []Expr }

// When begins a Case: the value where the condition is true.
func When(condition, value any) Case { return Case{}.When(condition, value) }

// When adds a case for rows that none before is true for.
func (c Case) When(condition, value any) Case {
	return Case{append(c.args[:len(c.args):len(c.args)], Lit(condition), Lit(value))}
}

// Else is the value where no condition is true.
func (c Case) Else(value any) Expr {
	return Expr{&node{op: "case", args: append(c.args[:len(c.args):len(c.args)], Lit(value))}}
}

// End is null where no condition is true.
func (c Case) End() Expr { return c.Else(nil) }

// If is then where a condition is true, and otherwise where it is false or null.
func If(condition, then, otherwise any) Expr { return When(condition, then).Else(otherwise) }

// Coalesce is the first of the values that is not null.
func Coalesce(values ...any) Expr { return newCall("coalesce", values...) }

// NullIf is e, null where that is o.
func (e Expr) NullIf(o any) Expr { return When(e.Eq(o), nil).Else(e) }

// Least is the smallest of the values, nulls left aside.
func Least(values ...any) Expr { return newCall("least", values...) }

// Greatest is the largest of the values, nulls left aside.
func Greatest(values ...any) Expr { return newCall("greatest", values...) }

func init() {
	register(bindCase, "case")
	register(bindCoalesce, "coalesce")
	register(bindExtreme, "least", "greatest")
}

// common brings values into one type: that of all, or the one in which numbers of several kinds are computed.
func common(args []*Bound) ([]*Bound, error) {
	var plain arrow.DataType
	for _, a := range args { // a type that columns have, and all constants too
		if a.one == nil && (plain == nil || arrow.TypeEqual(plain, a.typ)) {
			plain = a.typ
		}
	}
	if plain == nil {
		for _, a := range args {
			if !a.isNull() {
				plain = a.typ
				break
			}
		}
	}
	if plain == nil {
		return nil, fmt.Errorf("all values are null; give one a type with Cast")
	}
	if k, _ := col.KindOf(plain); k == col.Nested {
		return nil, fmt.Errorf("%s is not chosen from; take what is in it first", words(plain))
	}
	out, same := make([]*Bound, len(args)), true
	for i, a := range args {
		if out[i] = adopt(a, plain); out[i] == nil {
			out[i] = a
		}
		same = same && arrow.TypeEqual(out[i].typ, plain)
	}
	if same {
		return out, nil
	}
	for i, a := range args {
		if !numeric(a) && !a.isNull() {
			return nil, fmt.Errorf("values are %s and %s; Cast one of them", words(plain), words(other(args, plain, i)))
		}
		out[i] = a
		if numeric(a) {
			out[i] = widest(a)
		}
	}
	return oneScale(numbers(agree(out))), nil
}

// other is a type among args that is not t, that of i if it is not.
func other(args []*Bound, t arrow.DataType, i int) arrow.DataType {
	if !arrow.TypeEqual(args[i].typ, t) {
		return args[i].typ
	}
	for _, a := range args {
		if !a.isNull() && !arrow.TypeEqual(a.typ, t) {
			return a.typ
		}
	}
	return t
}

// oneScale brings decimals to the largest scale, and nulls to the type of the rest.
func oneScale(args []*Bound) []*Bound {
	scale := -1
	var t arrow.DataType
	for _, a := range args {
		if a.kind() == col.Decimal {
			scale = max(scale, scaleOf(a.typ))
		}
		if !a.isNull() {
			t = a.typ
		}
	}
	if scale >= 0 {
		t = decimalType(decimal.MaxDigits, scale)
	}
	for i, a := range args {
		args[i] = to(a, t)
	}
	return args
}

func anyNullable(args []*Bound) bool {
	for _, a := range args {
		if a.nullable {
			return true
		}
	}
	return false
}

func bindCase(c *call) (*Bound, error) {
	n := len(c.args) / 2
	var conditions, values []*Bound
	for i := range n {
		conditions, values = append(conditions, c.args[2*i]), append(values, c.args[2*i+1])
	}
	conditions, err := (&call{args: conditions}).booleans()
	if err != nil {
		return nil, err
	}
	if values, err = common(append(values, c.args[2*n])); err != nil {
		return nil, err
	}
	t := values[0].typ
	b := free(t, append(conditions, values...), anyNullable(values), func(f *frame, out *col.Vec, a []*col.Vec) {
		copyTo(out, a[2*n])
		for i := n - 1; i >= 0; i-- { // an earlier one replaces what later ones gave
			where(out, a[n+i], a[i].Bools[:f.n])
		}
	})
	if b.careful {
		b.make = func(m *maker) kernel { return &lazyCase{t, m.kernels(conditions), m.kernels(values)} }
	}
	return b, nil
}

// lazyCase computes each value for the rows only that it is chosen for.
type lazyCase struct {
	typ                arrow.DataType
	conditions, values []kernel
}

func (k *lazyCase) eval(f *frame) *col.Vec {
	out := f.vec(k.typ)
	open := sequence(f.n)
	for i, c := range k.conditions {
		if len(open) == 0 {
			return out
		}
		is := c.eval(f.narrow(open))
		var chosen, rest []int32
		for j, row := range open {
			if is.Bools[j] {
				chosen = append(chosen, row)
			} else {
				rest = append(rest, row)
			}
		}
		if len(chosen) > 0 {
			out.Put(chosen, k.values[i].eval(f.narrow(chosen)))
		}
		open = rest
	}
	if len(open) > 0 {
		out.Put(open, k.values[len(k.values)-1].eval(f.narrow(open)))
	}
	return out
}

func sequence(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func bindCoalesce(c *call) (*Bound, error) {
	if len(c.args) == 0 {
		return nil, fmt.Errorf("Coalesce of nothing")
	}
	args, err := common(c.args)
	if err != nil {
		return nil, err
	}
	nullable := true
	for _, a := range args {
		nullable = nullable && a.nullable
	}
	t := args[0].typ
	b := free(t, args, nullable, func(f *frame, out *col.Vec, a []*col.Vec) {
		copyTo(out, a[0])
		for _, v := range a[1:] {
			if out.Null == nil {
				return
			}
			where(out, v, append([]bool(nil), out.Null...))
		}
	})
	if b.careful {
		b.make = func(m *maker) kernel { return &lazyCoalesce{t, m.kernels(args)} }
	}
	return b, nil
}

// lazyCoalesce computes each value for the rows only that have none before.
type lazyCoalesce struct {
	typ    arrow.DataType
	values []kernel
}

func (k *lazyCoalesce) eval(f *frame) *col.Vec {
	out := f.vec(k.typ)
	open := sequence(f.n)
	for _, v := range k.values {
		if len(open) == 0 {
			break
		}
		got := v.eval(f.narrow(open))
		out.Put(open, got)
		var rest []int32
		for j, row := range open {
			if got.Null != nil && got.Null[j] {
				rest = append(rest, row)
			}
		}
		open = rest
	}
	return out
}

func bindExtreme(c *call) (*Bound, error) {
	if len(c.args) == 0 {
		return nil, fmt.Errorf("%s of nothing", c.op)
	}
	args, err := common(c.args)
	if err != nil {
		return nil, err
	}
	better := "<"
	if c.op == "greatest" {
		better = ">"
	}
	nullable := true
	for _, a := range args {
		nullable = nullable && a.nullable
	}
	t := args[0].typ
	less := against(better, args[0].kind())
	if args[0].kind() == col.Decimal {
		less = func(f *frame, out *col.Vec, a []*col.Vec) {
			for i, x := range a[0].Decimals[:f.n] {
				out.Bools[i] = x.Cmp(a[1].Decimals[i]) < 0 == (better == "<") && x != a[1].Decimals[i]
			}
		}
	}
	return free(t, args, nullable, func(f *frame, out *col.Vec, a []*col.Vec) {
		copyTo(out, a[0])
		chosen := f.vec(boolType)
		for _, v := range a[1:] {
			less(f, chosen, []*col.Vec{v, out})
			for i := range chosen.Bools[:f.n] {
				have, has := out.Null == nil || !out.Null[i], v.Null == nil || !v.Null[i]
				chosen.Bools[i] = has && (chosen.Bools[i] || !have)
			}
			where(out, v, chosen.Bools[:f.n])
		}
	}), nil
}
