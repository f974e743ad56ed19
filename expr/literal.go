package expr

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
)

var (
	boolType   = arrow.FixedWidthTypes.Boolean
	int64Type  = arrow.PrimitiveTypes.Int64
	uint64Type = arrow.PrimitiveTypes.Uint64
	floatType  = arrow.PrimitiveTypes.Float64
	textType   = arrow.BinaryTypes.String
	bytesType  = arrow.BinaryTypes.Binary
	timeType   = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

func decimalType(precision, scale int) *arrow.Decimal128Type {
	return &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}
}

// literal is a constant as a column of as many values as there are rows.
func literal(e Expr) (*Bound, error) {
	v := &col.Vec{N: 1}
	switch x := e.n.value.(type) {
	case nil:
		return &Bound{expr: e, typ: arrow.Null, nullable: true, one: &col.Vec{Type: arrow.Null, Kind: col.Nested, N: 1, Null: []bool{true}}}, nil
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
	return constant(e, v), nil
}

// constant is an expression whose value is that of v, of length 1.
func constant(e Expr, v *col.Vec) *Bound {
	return &Bound{expr: e, typ: v.Type, nullable: v.IsNull(0), one: v, make: func(*maker) kernel { return &literalKernel{one: v} }}
}

// nullOf is a null of a type.
func nullOf(t arrow.DataType) *Bound {
	v := col.New(t, 1)
	v.SetNull(0)
	return constant(Expr{&node{op: "null of", opts: []any{words(t)}}}, v)
}

// literalKernel repeats its value. Frames share its memory, which is never changed.
type literalKernel struct {
	one *col.Vec
	all *col.Vec
}

func (k *literalKernel) eval(f *frame) *col.Vec {
	if k.all == nil || k.all.N < f.n {
		k.all = k.one.Take(make([]int32, f.n+f.n/4))
	}
	v := *k.all
	v.N = f.n
	return &v
}

// adopt is a constant in another's type, which loses nothing; nil if it does not fit there.
func adopt(b *Bound, t arrow.DataType) *Bound {
	if b.isNull() {
		if kind, ok := col.KindOf(t); !ok || kind == col.Nested {
			return nil
		}
		return nullOf(t)
	}
	kind, ok := col.KindOf(t)
	if b.one == nil || !ok || kind == col.Nested || b.one.IsNull(0) {
		return nil
	}
	if arrow.TypeEqual(b.typ, t) {
		return b
	}
	v := col.New(t, 1)
	if !adoptValue(v, b.one) {
		return nil
	}
	return constant(Expr{&node{op: "as type", args: []Expr{b.expr}, opts: []any{words(t)}}}, v)
}

// adoptValue sets v to one's value, if v's type has it.
func adoptValue(v, one *col.Vec) bool {
	t := v.Type
	switch {
	case one.Type.ID() == arrow.STRING && t.ID() == arrow.TIMESTAMP:
		us, ok := parseTime(one.Texts[0])
		v.Ints[0] = us
		return ok
	case one.Kind == col.Text && v.Kind == col.Text:
		v.Texts = one.Texts
		return one.Type.ID() == arrow.STRING
	case one.Type.ID() == arrow.TIMESTAMP || one.Kind == col.Bool || one.Kind == col.Text || v.Kind == col.Bool || v.Kind == col.Text:
		return false
	case one.Kind == col.Float && v.Kind != col.Float && v.Kind != col.Decimal:
		return false
	case one.Kind == col.Decimal && v.Kind != col.Decimal:
		return false
	}
	if t.ID() == arrow.TIMESTAMP {
		t = int64Type
	}
	at := (&run{}).frame(nil, nil, 1)
	to := &col.Vec{Type: t, Kind: v.Kind, N: 1, Ints: v.Ints, Uints: v.Uints, Floats: v.Floats, Decimals: v.Decimals}
	bad := false
	converter(one.Type, t)(at, to, one, func(int) { bad = true })
	if bad {
		return false
	}
	if v.Kind == col.Decimal { // exact only
		return decimalOf(one).cmp(scaled{v.Decimals[0], scaleOf(t)}) == 0
	}
	return true
}

// scaled is a decimal with its scale.
type scaled struct {
	n     decimal.Num
	scale int
}

func (s scaled) cmp(o scaled) int { return decimal.Cmp(s.n, s.scale, o.n, o.scale) }

// decimalOf is the number of a constant as a decimal with the digits that it needs.
func decimalOf(one *col.Vec) scaled {
	switch one.Kind {
	case col.Int:
		return scaled{decimal128.FromI64(one.Ints[0]), 0}
	case col.Uint:
		return scaled{decimal128.FromU64(one.Uints[0]), 0}
	case col.Decimal:
		return scaled{one.Decimals[0], scaleOf(one.Type)}
	}
	for scale := range decimal.MaxDigits + 1 {
		n, ok := decimal.FromFloat(one.Floats[0], scale)
		if back, err := strconv.ParseFloat(decimal.Text(n, scale), 64); ok && err == nil && back == one.Floats[0] {
			return scaled{n, scale}
		}
	}
	return scaled{}
}

func scaleOf(t arrow.DataType) int { return int(t.(*arrow.Decimal128Type).Scale) }

// agree brings constants into the type that the others have, where they fit: the first of the others that has them decides for each.
func agree(args []*Bound) []*Bound {
	out := slices.Clone(args)
	for i, a := range args {
		if a.one == nil {
			continue
		}
		for _, other := range args {
			if other.one != nil && (!a.isNull() || other.isNull()) {
				continue
			}
			if fit := adopt(a, other.typ); fit != nil {
				out[i] = fit
				break
			}
		}
	}
	return out
}

// words is a type in plain words.
func words(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return "boolean"
	case *arrow.StringType:
		return "text"
	case *arrow.BinaryType:
		return "bytes"
	case *arrow.TimestampType:
		return "timestamp"
	case *arrow.Decimal128Type:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.ListType:
		return "list of " + words(t.Elem())
	case *arrow.MapType:
		return "map"
	case *arrow.StructType:
		return "struct"
	}
	return t.Name()
}
