package expr

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// Cast is e as a value of another type. Where that is not possible ("abc" as an integer, 300 as 8 bits) the row fails: it is left out and
// goes to the dead letters. Floats and decimals lose what is behind the point when they become integers; decimals are rounded half away from zero to fewer digits. Timestamps
// are texts as RFC 3339 has them; see Epoch and FromEpoch for numbers.
func (e Expr) Cast(t Type) Expr { return newCall("cast", e).set(t) }

// TryCast is Cast, but null where that is not possible.
func (e Expr) TryCast(t Type) Expr { return newCall("try_cast", e).set(t) }

func init() { register(bindCast, "cast", "try_cast") }

func bindCast(c *call) (*Bound, error) {
	arg, to := c.args[0], c.opts[0].(Type).t
	if to == nil {
		return nil, fmt.Errorf("the zero Type; use Int64, String and so on")
	}
	if arg.isNull() {
		return nullOf(to), nil
	}
	if arrow.TypeEqual(arg.typ, to) {
		same := *arg
		same.make = func(m *maker) kernel { return m.kernel(arg) }
		return &same, nil
	}
	conv := converter(arg.typ, to)
	if conv == nil {
		return nil, fmt.Errorf("%s does not become %s%s", words(arg.typ), words(to), castHint(arg.typ, to))
	}
	always := lossless(arg.typ, to)
	reason := func(in *col.Vec, i int) string { return fmt.Sprintf("%s: %s is no %s", c.e, show(in, i), words(to)) }
	fails := c.op == "cast" && !always
	b := looped(to, c.args, !always && !fails, func(f *frame, out *col.Vec, a []*col.Vec) {
		conv(f, out, a[0], func(i int) {
			if out.Null != nil && out.Null[i] {
				return
			}
			if fails {
				f.fail(i, reason(a[0], i))
			}
			out.SetNull(i)
		})
	})
	b.nullable, b.fails = b.nullable || fails, b.fails || fails
	b.careful = b.careful || fails || arg.typ.ID() == arrow.STRING || to.ID() == arrow.STRING
	return b, nil
}

func castHint(from, to arrow.DataType) string {
	if from.ID() == arrow.TIMESTAMP || to.ID() == arrow.TIMESTAMP {
		return "; Epoch and FromEpoch convert timestamps"
	}
	return ""
}

// lossless tells whether every value has its place in the other type.
func lossless(from, to arrow.DataType) bool {
	src, _ := col.KindOf(from)
	dst, _ := col.KindOf(to)
	switch {
	case dst == col.Text:
		return from.ID() != arrow.BINARY
	case dst == col.Float || dst == col.Bool:
		return src != col.Text
	case src == col.Bool:
		return true
	case src == dst && src != col.Decimal && src != col.Text:
		return bitsOf(from) <= bitsOf(to)
	case src == col.Uint && dst == col.Int:
		return bitsOf(from) < bitsOf(to)
	}
	return false
}

// show is a value for a message.
func show(v *col.Vec, i int) string {
	if v.Kind == col.Text {
		s := v.Texts[i]
		if len(s) > 80 {
			s = s[:80] + "…"
		}
		return strconv.Quote(s)
	}
	if v.Kind == col.Bool {
		return strconv.FormatBool(v.Bools[i])
	}
	return string(writer(v.Type, v.Kind)(nil, v, i))
}

// to is b in another type, for functions that need one; null where that has no place for a value.
func to(b *Bound, t arrow.DataType) *Bound {
	if arrow.TypeEqual(b.typ, t) {
		return b
	}
	if fit := adopt(b, t); fit != nil {
		return fit
	}
	kind, _ := col.KindOf(t)
	e := Expr{&node{op: "to", args: []Expr{b.expr}, opts: []any{words(t)}}}
	if kind == b.kind() && kind != col.Decimal && lossless(b.typ, t) { // the same memory
		v := viewed(t, b, b.nullable, func(f *frame, v *col.Vec) *col.Vec {
			out := *v
			out.Type = t
			return &out
		})
		v.expr = e
		return v
	}
	conv := converter(b.typ, t)
	out := looped(t, []*Bound{b}, !lossless(b.typ, t), func(f *frame, out *col.Vec, a []*col.Vec) { conv(f, out, a[0], out.SetNull) })
	out.expr = e
	return out
}
