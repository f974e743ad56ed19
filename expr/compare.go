package expr

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
)

// Eq is e = o.
func (e Expr) Eq(o any) Expr { return newCall("=", e, o) }

// Ne is e <> o.
func (e Expr) Ne(o any) Expr { return newCall("<>", e, o) }

// Lt is e < o.
func (e Expr) Lt(o any) Expr { return newCall("<", e, o) }

// Le is e <= o.
func (e Expr) Le(o any) Expr { return newCall("<=", e, o) }

// Gt is e > o.
func (e Expr) Gt(o any) Expr { return newCall(">", e, o) }

// Ge is e >= o.
func (e Expr) Ge(o any) Expr { return newCall(">=", e, o) }

// Between is lo <= e and e <= hi.
func (e Expr) Between(lo, hi any) Expr { return e.Ge(lo).And(e.Le(hi)) }

// In is true where e is one of the values; where it is none of them and one of them is null, null.
func (e Expr) In(values ...any) Expr { return newCall("in", append([]any{e}, values...)...) }

func init() {
	register(compare, "=", "<>", "<", "<=", ">", ">=")
	register(bindIn, "in")
}

var mirrored = map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func compare(c *call) (*Bound, error) {
	args, op := agree(c.args), c.op
	if args[0].one != nil && args[1].one == nil {
		args[0], args[1], op = args[1], args[0], mirrored[op]
	}
	x, y := args[0], args[1]
	kind, other := x.kind(), y.kind()
	switch {
	case x.isNull() && y.isNull():
		return nullOf(boolType), nil
	case kind == col.Nested || other == col.Nested || x.isNull() || y.isNull():
		return nil, fmt.Errorf("%s and %s are not compared; compare what is in them", words(x.typ), words(y.typ))
	case numeric(x) && numeric(y):
		return compareNumbers(x, y, op), nil
	case kind != other || x.isTime() != y.isTime() || kind == col.Text && x.typ.ID() != y.typ.ID():
		return nil, fmt.Errorf("%s and %s are not compared; Cast one of them%s", words(x.typ), words(y.typ), timeHint(x, y))
	}
	return compareSame(x, y, op), nil
}

// timeHint says why a constant text is no timestamp.
func timeHint(x, y *Bound) string {
	for _, p := range [2][2]*Bound{{x, y}, {y, x}} {
		if p[0].isTime() && p[1].one != nil && p[1].typ.ID() == arrow.STRING {
			return fmt.Sprintf(", or write %s as 2006-01-02T15:04:05Z", p[1].expr)
		}
	}
	return ""
}

// numeric tells whether b is a number.
func numeric(b *Bound) bool {
	switch b.kind() {
	case col.Int:
		return !b.isTime()
	case col.Uint, col.Float, col.Decimal:
		return true
	}
	return false
}

func compareNumbers(x, y *Bound, op string) *Bound {
	x, y = exactly(x, y), exactly(y, x)
	a, b := x.kind(), y.kind()
	switch {
	case a == b && a != col.Decimal:
		return compareSame(x, y, op)
	case a == col.Float || b == col.Float:
		return compareSame(to(x, floatType), to(y, floatType), op)
	case a == col.Decimal || b == col.Decimal:
		return compareDecimals(asDecimal(x), asDecimal(y), op)
	case a == col.Uint:
		return compareMixed(y, x, mirrored[op])
	}
	return compareMixed(x, y, op)
}

// exactly is a constant float beside a decimal as the decimal that is written so.
func exactly(b, other *Bound) *Bound {
	if b.one == nil || b.kind() != col.Float || other.kind() != col.Decimal || b.one.IsNull(0) {
		return b
	}
	d := decimalOf(b.one)
	if decimal.Float(d.n, d.scale) != b.one.Floats[0] {
		return b
	}
	t := decimalType(decimal.MaxDigits, d.scale)
	return constant(Expr{&node{op: "as type", args: []Expr{b.expr}, opts: []any{words(t)}}}, &col.Vec{Type: t, Kind: col.Decimal, N: 1, Decimals: []decimal.Num{d.n}})
}

// asDecimal is an integer as a decimal without digits behind the point.
func asDecimal(b *Bound) *Bound {
	if b.kind() == col.Decimal {
		return b
	}
	return to(b, decimalType(20, 0))
}

func compareSame(x, y *Bound, op string) *Bound {
	if y.one != nil && !y.one.IsNull(0) && x.one == nil {
		return looped(boolType, []*Bound{x}, false, againstOne(op, x.kind(), y.one))
	}
	return looped(boolType, []*Bound{x, y}, false, against(op, x.kind()))
}

type ordered interface {
	~int64 | ~uint64 | ~float64 | ~string | ~uint8
}

// bytesOf are booleans as 0 and 1, in the same memory.
func bytesOf(b []bool) []uint8 {
	return unsafe.Slice((*uint8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func against(op string, kind col.Kind) loop {
	switch kind {
	case col.Bool:
		return func(f *frame, out *col.Vec, a []*col.Vec) {
			comparePairs(op, out.Bools[:f.n], bytesOf(a[0].Bools), bytesOf(a[1].Bools))
		}
	case col.Int:
		return func(f *frame, out *col.Vec, a []*col.Vec) { comparePairs(op, out.Bools[:f.n], a[0].Ints, a[1].Ints) }
	case col.Uint:
		return func(f *frame, out *col.Vec, a []*col.Vec) { comparePairs(op, out.Bools[:f.n], a[0].Uints, a[1].Uints) }
	case col.Float:
		return func(f *frame, out *col.Vec, a []*col.Vec) {
			comparePairs(op, out.Bools[:f.n], a[0].Floats, a[1].Floats)
		}
	}
	return func(f *frame, out *col.Vec, a []*col.Vec) { comparePairs(op, out.Bools[:f.n], a[0].Texts, a[1].Texts) }
}

func againstOne(op string, kind col.Kind, one *col.Vec) loop {
	switch kind {
	case col.Bool:
		c := bytesOf(one.Bools)[0]
		return func(f *frame, out *col.Vec, a []*col.Vec) { compareOne(op, out.Bools[:f.n], bytesOf(a[0].Bools), c) }
	case col.Int:
		c := one.Ints[0]
		return func(f *frame, out *col.Vec, a []*col.Vec) { compareOne(op, out.Bools[:f.n], a[0].Ints, c) }
	case col.Uint:
		c := one.Uints[0]
		return func(f *frame, out *col.Vec, a []*col.Vec) { compareOne(op, out.Bools[:f.n], a[0].Uints, c) }
	case col.Float:
		c := one.Floats[0]
		return func(f *frame, out *col.Vec, a []*col.Vec) { compareOne(op, out.Bools[:f.n], a[0].Floats, c) }
	}
	c := one.Texts[0]
	return func(f *frame, out *col.Vec, a []*col.Vec) { compareOne(op, out.Bools[:f.n], a[0].Texts, c) }
}

func comparePairs[T ordered](op string, out []bool, a, b []T) {
	switch op {
	case ">":
		a, b, op = b, a, "<"
	case ">=":
		a, b, op = b, a, "<="
	}
	a, b = a[:len(out)], b[:len(out)]
	switch op {
	case "=":
		for i := range out {
			out[i] = a[i] == b[i]
		}
	case "<>":
		for i := range out {
			out[i] = a[i] != b[i]
		}
	case "<":
		for i := range out {
			out[i] = a[i] < b[i]
		}
	default:
		for i := range out {
			out[i] = a[i] <= b[i]
		}
	}
}

func compareOne[T ordered](op string, out []bool, a []T, c T) {
	a = a[:len(out)]
	switch op {
	case "=":
		for i := range out {
			out[i] = a[i] == c
		}
	case "<>":
		for i := range out {
			out[i] = a[i] != c
		}
	case "<":
		for i := range out {
			out[i] = a[i] < c
		}
	case "<=":
		for i := range out {
			out[i] = a[i] <= c
		}
	case ">":
		for i := range out {
			out[i] = a[i] > c
		}
	default:
		for i := range out {
			out[i] = a[i] >= c
		}
	}
}

// outcomes are whether a comparison is true for less, equal and greater.
func outcomes(op string) (is [3]bool) {
	return [3]bool{op == "<" || op == "<=" || op == "<>", op == "=" || op == "<=" || op == ">=", op == ">" || op == ">=" || op == "<>"}
}

func compareDecimals(x, y *Bound, op string) *Bound {
	is, sx, sy := outcomes(op), scaleOf(x.typ), scaleOf(y.typ)
	return looped(boolType, []*Bound{x, y}, false, func(f *frame, out *col.Vec, a []*col.Vec) {
		l, r := a[0].Decimals[:f.n], a[1].Decimals[:f.n]
		for i := range l {
			out.Bools[i] = is[1+decimal.Cmp(l[i], sx, r[i], sy)]
		}
	})
}

// compareMixed compares an integer with one without sign.
func compareMixed(x, y *Bound, op string) *Bound {
	is := outcomes(op)
	return looped(boolType, []*Bound{x, y}, false, func(f *frame, out *col.Vec, a []*col.Vec) {
		l, r := a[0].Ints[:f.n], a[1].Uints[:f.n]
		for i, n := range l {
			c := -1
			if n >= 0 {
				c = cmp.Compare(uint64(n), r[i])
			}
			out.Bools[i] = is[1+c]
		}
	})
}

func bindIn(c *call) (*Bound, error) {
	if len(c.args) == 1 {
		return nil, fmt.Errorf("In without values; name one")
	}
	args := agree(c.args)
	x, values := args[0], args[1:]
	null := false
	var same []*col.Vec
	for _, v := range values {
		if v.one == nil || v.kind() != x.kind() || x.one != nil || x.kind() == col.Decimal || !arrow.TypeEqual(v.typ, x.typ) && !(numeric(x) && numeric(v)) {
			return c.inAny()
		}
		if v.one.IsNull(0) {
			null = true
		} else {
			same = append(same, v.one)
		}
	}
	b := looped(boolType, []*Bound{x}, null, membership(x.kind(), same))
	if !null {
		return b, nil
	}
	plain := b.make
	b.make = func(m *maker) kernel { return &trueOrNull{plain(m)} }
	return b, nil
}

// inAny is In as comparisons: where values are columns, or of several types.
func (c *call) inAny() (*Bound, error) {
	e := c.e.n.args[0].Eq(c.e.n.args[1])
	for _, v := range c.e.n.args[2:] {
		e = e.Or(c.e.n.args[0].Eq(v))
	}
	return c.bind(e)
}

// trueOrNull makes null what is false.
type trueOrNull struct{ k kernel }

func (k *trueOrNull) eval(f *frame) *col.Vec {
	v := k.k.eval(f)
	if v.Null == nil {
		v.Null = make([]bool, f.n)
	}
	for i, b := range v.Bools[:f.n] {
		v.Null[i] = v.Null[i] || !b
	}
	return v
}

func membership(kind col.Kind, values []*col.Vec) loop {
	switch kind {
	case col.Bool:
		list := collect(values, func(v *col.Vec) uint8 { return bytesOf(v.Bools)[0] })
		return func(f *frame, out *col.Vec, a []*col.Vec) { within(out.Bools[:f.n], bytesOf(a[0].Bools), list) }
	case col.Int:
		list := collect(values, func(v *col.Vec) int64 { return v.Ints[0] })
		return func(f *frame, out *col.Vec, a []*col.Vec) { within(out.Bools[:f.n], a[0].Ints, list) }
	case col.Uint:
		list := collect(values, func(v *col.Vec) uint64 { return v.Uints[0] })
		return func(f *frame, out *col.Vec, a []*col.Vec) { within(out.Bools[:f.n], a[0].Uints, list) }
	case col.Float:
		list := collect(values, func(v *col.Vec) float64 { return v.Floats[0] })
		list = slices.DeleteFunc(list, func(x float64) bool { return math.IsNaN(x) })
		return func(f *frame, out *col.Vec, a []*col.Vec) { within(out.Bools[:f.n], a[0].Floats, list) }
	}
	list := collect(values, func(v *col.Vec) string { return v.Texts[0] })
	return func(f *frame, out *col.Vec, a []*col.Vec) { within(out.Bools[:f.n], a[0].Texts, list) }
}

func collect[T ordered](values []*col.Vec, of func(*col.Vec) T) []T {
	var list []T
	for _, v := range values {
		list = append(list, of(v))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// within looks each value up in a sorted list: one after another where they are few.
func within[T ordered](out []bool, a, list []T) {
	a = a[:len(out)]
	if len(list) > 12 {
		for i, x := range a {
			lo, hi := 0, len(list)
			for lo < hi {
				if mid := (lo + hi) / 2; list[mid] < x {
					lo = mid + 1
				} else {
					hi = mid
				}
			}
			out[i] = lo < len(list) && list[lo] == x
		}
		return
	}
	clear(out)
	for _, c := range list {
		for i, x := range a {
			out[i] = out[i] || x == c
		}
	}
}
