package expr

import (
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/col"
)

// testSchema has a column of every type, nullable and not.
var testSchema = arrow.NewSchema([]arrow.Field{
	{Name: "b", Type: boolType, Nullable: true}, {Name: "c", Type: boolType},
	{Name: "i8", Type: arrow.PrimitiveTypes.Int8, Nullable: true}, {Name: "i32", Type: arrow.PrimitiveTypes.Int32}, {Name: "i", Type: int64Type, Nullable: true}, {Name: "j", Type: int64Type},
	{Name: "u8", Type: arrow.PrimitiveTypes.Uint8}, {Name: "u", Type: uint64Type, Nullable: true},
	{Name: "f32", Type: arrow.PrimitiveTypes.Float32}, {Name: "f", Type: floatType, Nullable: true}, {Name: "g", Type: floatType},
	{Name: "s", Type: textType, Nullable: true}, {Name: "r", Type: textType}, {Name: "num", Type: textType, Nullable: true}, {Name: "y", Type: bytesType, Nullable: true},
	{Name: "t", Type: timeType, Nullable: true}, {Name: "w", Type: timeType},
	{Name: "d", Type: decimalType(18, 2), Nullable: true}, {Name: "e", Type: decimalType(38, 10)},
	{Name: "l", Type: arrow.ListOf(int64Type), Nullable: true},
	{Name: "st", Type: arrow.StructOf(arrow.Field{Name: "a", Type: int64Type, Nullable: true}, arrow.Field{Name: "x", Type: textType}), Nullable: true},
}, nil)

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

var words1 = []string{"", "a", "ab", "Abc", "aXa", "ünïcode", "日本語", "a.b.c", "  pad ", "%_\\", "12", "-7", "3.25", "true", "2021-03-28T01:30:00Z", "\tß\n", "aaaa", "ABC abc"}

func randomText(r *rand.Rand) string {
	if r.IntN(8) == 0 {
		return strings.Repeat(oneOf(r, words1...), r.IntN(9))
	}
	return oneOf(r, words1...)
}

func randomInt(r *rand.Rand, bits int) int64 {
	if r.IntN(3) == 0 {
		return oneOf[int64](r, 0, 1, -1, 2, math.MaxInt64, math.MinInt64, math.MaxInt64-1) >> (64 - bits)
	}
	if r.IntN(2) == 0 {
		return int64(r.IntN(21) - 10)
	}
	return int64(r.Uint64()) >> (64 - bits)
}

func randomFloat(r *rand.Rand) float64 {
	if r.IntN(3) == 0 {
		return oneOf(r, 0, 1, -1, 0.5, -2.5, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1), 9.3e18, 0.1)
	}
	return (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(25)-3))
}

func randomDecimal(r *rand.Rand, digits int) decimal128.Num {
	n := new(big.Int)
	for range r.IntN(digits + 1) {
		n.Mul(n, big.NewInt(10)).Add(n, big.NewInt(int64(r.IntN(10))))
	}
	if r.IntN(2) == 0 {
		n.Neg(n)
	}
	return decimal128.FromBigInt(n)
}

// times1 are moments around which zones change their clocks, and others.
var times1 = []string{"2021-03-28T00:59:59.999999Z", "2021-03-28T01:00:00Z", "2021-10-31T00:30:00Z", "2021-10-31T01:30:00Z", "2018-11-04T02:59:59Z", "2018-11-04T03:00:00Z", "1970-01-01T00:00:00Z", "2000-02-29T23:59:59.5Z", "2024-12-30T00:00:00Z", "2016-11-06T04:30:00Z"}

func randomTime(r *rand.Rand) time.Time {
	at := time.Unix(r.Int64N(80*365*86400), r.Int64N(1e6)*1000)
	if r.IntN(2) == 0 {
		at, _ = time.Parse(time.RFC3339Nano, oneOf(r, times1...))
		at = at.Add(time.Duration(r.IntN(5)-2) * oneOf(r, time.Minute, time.Hour, 24*time.Hour))
	}
	return at.UTC()
}

// appendRandom appends a value of a field to its builder.
func appendRandom(r *rand.Rand, b array.Builder, f arrow.Field, nulls bool) {
	if f.Nullable && nulls && r.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(r.IntN(2) == 0)
	case *array.Int8Builder:
		b.Append(int8(randomInt(r, 8)))
	case *array.Int32Builder:
		b.Append(int32(randomInt(r, 32)))
	case *array.Int64Builder:
		b.Append(randomInt(r, 64))
	case *array.Uint8Builder:
		b.Append(uint8(r.IntN(256)))
	case *array.Uint64Builder:
		b.Append(uint64(randomInt(r, 64)))
	case *array.Float32Builder:
		b.Append(float32(randomFloat(r)))
	case *array.Float64Builder:
		b.Append(randomFloat(r))
	case *array.StringBuilder:
		text := randomText(r)
		if f.Name == "num" {
			text = oneOf(r, "0", "12", "-300", "3.25", "99999999999999999999", "1e3", "x", "", "0.005")
		}
		b.Append(text)
	case *array.BinaryBuilder:
		b.Append([]byte(randomText(r) + oneOf(r, "", "\xff")))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(randomTime(r).UnixMicro()))
	case *array.Decimal128Builder:
		b.Append(randomDecimal(r, int(f.Type.(*arrow.Decimal128Type).Precision)))
	case *array.ListBuilder:
		b.Append(true)
		for range r.IntN(4) {
			appendRandom(r, b.ValueBuilder(), arrow.Field{Type: int64Type, Nullable: true}, nulls)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, kid := range f.Type.(*arrow.StructType).Fields() {
			appendRandom(r, b.FieldBuilder(i), kid, nulls)
		}
	default:
		panic(f.Type)
	}
}

// randomBatch has slices of longer arrays as columns, and perhaps a selection.
func randomBatch(r *rand.Rand, n int) *col.Batch {
	off := r.IntN(3) * r.IntN(10)
	var cols []arrow.Array
	for _, f := range testSchema.Fields() {
		b := array.NewBuilder(memory.DefaultAllocator, f.Type)
		nulls := r.IntN(4) > 0
		for range off + n + off/2 {
			appendRandom(r, b, f, nulls)
		}
		cols = append(cols, array.NewSlice(b.NewArray(), int64(off), int64(off+n)))
	}
	batch := col.FromArrays(testSchema, cols)
	batch.N = n
	switch r.IntN(4) {
	case 0:
		every := 1 + r.IntN(8)
		batch.Sel = []int32{}
		for i := range n {
			if r.IntN(every) == 0 {
				batch.Sel = append(batch.Sel, int32(i))
			}
		}
	case 1:
		batch.Sel = []int32{}
	}
	return batch
}

// valueAt is a value as the reference has it.
func valueAt(v *col.Vec, i int) any {
	if v.IsNull(i) {
		return nil
	}
	switch v.Kind {
	case col.Bool:
		return v.Bools[i]
	case col.Int:
		if v.Type.ID() == arrow.TIMESTAMP {
			return time.UnixMicro(v.Ints[i]).UTC()
		}
		return v.Ints[i]
	case col.Uint:
		return v.Uints[i]
	case col.Float:
		return v.Floats[i]
	case col.Text:
		if v.Type.ID() == arrow.BINARY {
			return []byte(v.Texts[i])
		}
		return v.Texts[i]
	case col.Decimal:
		return dec{v.Decimals[i].BigInt(), scaleOf(v.Type)}
	}
	switch a := v.Array.(type) {
	case *array.List:
		lo, hi := a.ValueOffsets(i)
		list := []any{}
		kid := col.FromArray(a.ListValues())
		for j := lo; j < hi; j++ {
			list = append(list, valueAt(kid, int(j)))
		}
		return list
	case *array.Struct:
		m := map[string]any{}
		for k, f := range a.DataType().(*arrow.StructType).Fields() {
			m[f.Name] = valueAt(col.FromArray(a.Field(k)), i)
		}
		return m
	}
	panic(v.Type)
}

// zeroAt tells whether what lies at a place is zero, as it must be under a null.
func zeroAt(v *col.Vec, i int) bool {
	bare := *v
	bare.Null = nil
	switch x := valueAt(&bare, i).(type) {
	case bool:
		return !x
	case int64:
		return x == 0
	case uint64:
		return x == 0
	case float64:
		return x == 0
	case string:
		return x == ""
	case []byte:
		return len(x) == 0
	case dec:
		return x.n.Sign() == 0
	case time.Time:
		return x.UnixMicro() == 0
	}
	return true
}

func equalValues(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case float64:
		y, ok := b.(float64)
		return ok && (x == y && math.Signbit(x) == math.Signbit(y) || math.IsNaN(x) && math.IsNaN(y))
	case dec:
		y, ok := b.(dec)
		return ok && x.scale == y.scale && x.n.Cmp(y.n) == 0
	case []byte:
		y, ok := b.([]byte)
		return ok && string(x) == string(y)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equalValues)
	}
	return reflect.DeepEqual(a, b)
}

// maker1 makes random expressions of a kind.
type maker1 struct{ r *rand.Rand }

func (m maker1) boolean(depth int) Expr {
	if depth == 0 {
		return oneOf(m.r, Col("b"), Col("c"), Lit(true))
	}
	d := depth - 1
	switch m.r.IntN(14) {
	case 0, 1:
		return m.boolean(d).And(m.boolean(d))
	case 2, 3:
		return m.boolean(d).Or(m.boolean(d))
	case 4:
		return m.boolean(d).Not()
	case 5:
		return oneOf(m.r, m.any(d).IsNull(), m.any(d).IsNotNull())
	case 6:
		return m.number(d).Between(m.number(d), m.number(0))
	case 7:
		return m.text(d).In(m.text(0), randomText(m.r), oneOf[any](m.r, "a", nil))
	case 8:
		x := m.number(d)
		list := []any{}
		for range 1 + m.r.IntN(20) {
			list = append(list, oneOf[any](m.r, randomInt(m.r, 8), m.r.IntN(5), 2.5))
		}
		return x.In(list...)
	case 9:
		a, b := m.text(d), m.text(0)
		return oneOf(m.r, a.StartsWith(b), a.EndsWith(b), a.Contains(b), a.Like(oneOf(m.r, "a%", "%b%", "_b%c", "%", "a\\%_", "%本_", "%a%a", "abc")), a.Matches("^[a-c]+"))
	case 10:
		return m.compared(m.timestamp(d), oneOf(m.r, m.timestamp(d), Lit("2021-03-28"), Lit(1_000_000)))
	case 11:
		return m.compared(m.text(d), m.text(d))
	case 12:
		return oneOf(m.r, m.compared(m.boolean(d), m.boolean(d)), If(m.boolean(d), m.boolean(d), m.boolean(d)), m.compared(Col("y"), Lit([]byte("a"))))
	}
	return m.compared(m.number(d), m.number(d))
}

func (m maker1) compared(a, b Expr) Expr {
	return oneOf(m.r, a.Eq(b), a.Ne(b), a.Lt(b), a.Le(b), a.Gt(b), a.Ge(b))
}

func (m maker1) number(depth int) Expr {
	if depth == 0 {
		if m.r.IntN(4) == 0 {
			return Lit(oneOf[any](m.r, 0, 1, -1, 7, uint64(3), uint64(math.MaxUint64), 2.5, 0.1, 1e20, math.MaxInt64, math.MinInt64))
		}
		return Col(oneOf(m.r, "i8", "i32", "i", "j", "u8", "u", "f32", "f", "g", "d", "e"))
	}
	d := depth - 1
	switch m.r.IntN(17) {
	case 16:
		return longer(m.text(d), m.text(d))
	case 0:
		return oneOf(m.r, m.number(d).Neg(), m.number(d).Abs(), m.number(d).Floor(), m.number(d).Ceil(), m.number(d).Sqrt(), m.number(d).Pow(2))
	case 1:
		return m.number(d).Round(m.r.IntN(4))
	case 2:
		return oneOf(m.r, m.text(d).Length(), Col("y").Length(), Col("l").Length(), m.text(d).Split("a").Length())
	case 3:
		return m.timestamp(d).Extract(oneOf(m.r, "year", "quarter", "month", "day", "hour", "minute", "second", "microsecond", "weekday", "yearday", "week", "isoyear"), m.zone())
	case 4:
		return m.timestamp(d).Epoch(oneOf(m.r, time.Second, time.Millisecond, time.Microsecond, time.Nanosecond))
	case 5:
		return oneOf(m.r, Col("l").At(oneOf[any](m.r, 0, 1, -1, Col("i8"))), Col("st").Field("a"))
	case 6:
		return oneOf(m.r, If(m.boolean(d), m.number(d), m.number(d)), When(m.boolean(d), m.number(d)).When(m.boolean(d), nil).Else(m.number(d)), m.number(d).NullIf(m.number(0)))
	case 7:
		return oneOf(m.r, Coalesce(m.number(d), m.number(d), 0), Least(m.number(d), m.number(d)), Greatest(m.number(d), m.number(d), nil))
	case 8:
		return m.casted(oneOf(m.r, m.number(d), m.number(d), m.boolean(d), Col("num")), oneOf(m.r, Int8, Int32, Int64, Uint8, Uint64, Float32, Float64, Decimal(10, 3), Decimal(38, 0)))
	case 9:
		return m.timestamp(d).Sub(m.timestamp(d))
	}
	a, b := m.number(d), m.number(d)
	return oneOf(m.r, a.Add(b), a.Sub(b), a.Mul(b), a.Div(b), a.Mod(b))
}

func (m maker1) casted(e Expr, t Type) Expr {
	if m.r.IntN(4) == 0 {
		return e.Cast(t)
	}
	return e.TryCast(t)
}

func (m maker1) text(depth int) Expr {
	if depth == 0 {
		if m.r.IntN(4) == 0 {
			return Lit(randomText(m.r))
		}
		return Col(oneOf(m.r, "s", "r", "num"))
	}
	d := depth - 1
	x := m.text(d)
	small := func() any { return oneOf[any](m.r, m.r.IntN(5), -m.r.IntN(5), Col("i8"), Col("u8")) }
	switch m.r.IntN(10) {
	case 0:
		return oneOf(m.r, x.Lower(), x.Upper(), x.Trim(), x.TrimLeft(), x.TrimRight(), x.Reverse())
	case 1:
		return oneOf(m.r, x.Left(small()), x.Right(small()), x.Substring(small(), small()))
	case 2:
		return oneOf(m.r, x.Replace("a", "bb"), x.Replace(m.text(0), m.text(0)), x.ReplaceRegexp("[a-b]+", "<$0>"), x.ReplaceRegexp("c", "d"))
	case 3:
		return Concat(x, m.text(d), "-")
	case 4:
		return oneOf(m.r, x.PadLeft(small(), "xy"), x.PadRight(small(), m.text(0)))
	case 5:
		return oneOf(m.r, x.SplitPart(oneOf(m.r, ".", "a", "", "aa"), small()), x.ExtractRegexp("(a)(b)?", m.r.IntN(3)), Col("st").Field("x"))
	case 6:
		return m.timestamp(d).Format(oneOf(m.r, "2006-01-02", time.RFC3339Nano), m.zone())
	case 7:
		return m.casted(oneOf(m.r, m.number(d), m.boolean(d), m.timestamp(d), Col("y")), String)
	case 8:
		return oneOf(m.r, If(m.boolean(d), x, m.text(d)), Coalesce(x, m.text(d)), Least(x, m.text(d)), x.NullIf(m.text(0)))
	}
	return x
}

func (m maker1) zone() TimeOption {
	return Zone(oneOf(m.r, "", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe"))
}

func (m maker1) timestamp(depth int) Expr {
	if depth == 0 {
		return Col(oneOf(m.r, "t", "w"))
	}
	d := depth - 1
	switch m.r.IntN(6) {
	case 0, 1:
		unit := oneOf[any](m.r, "second", "minute", "hour", "day", "week", "month", "quarter", "year", 15*time.Minute, 7*time.Hour)
		return Col(oneOf(m.r, "t", "w")).Truncate(unit, m.zone(), Offset(oneOf[time.Duration](m.r, 0, 0, 6*time.Hour, -90*time.Minute)))
	case 2:
		return oneOf(m.r, m.timestamp(d).Add(time.Hour), m.timestamp(d).Sub(m.r.IntN(1e9)))
	case 3:
		return oneOf(m.r, If(m.boolean(d), m.timestamp(d), m.timestamp(d)), Coalesce(m.timestamp(d), "2000-01-01"), Greatest(m.timestamp(d), m.timestamp(d)))
	case 4:
		return Col("i32").FromEpoch(oneOf(m.r, time.Second, time.Millisecond))
	}
	return m.timestamp(d)
}

func (m maker1) any(depth int) Expr {
	switch m.r.IntN(4) {
	case 0:
		return m.boolean(depth)
	case 1:
		return m.text(depth)
	case 2:
		return m.timestamp(depth)
	}
	return m.number(depth)
}

// checkAgainstReference compares what kernels and reference say; it is false where the expression is a mistake.
func checkAgainstReference(t *testing.T, e Expr, batches []*col.Batch) bool {
	b, err := Bind(testSchema, e)
	if err != nil {
		return false
	}
	eval, where, lender := b.Eval(), b.Eval(), b.Eval()
	ref := &reference{schema: testSchema, typed: map[string]arrow.DataType{}}
	for _, batch := range batches {
		v, lent := eval.Vec(batch), lender.Lend(batch)
		failed := map[int32]bool{}
		for _, f := range eval.Failed() {
			failed[f.Row] = true
		}
		rows := batch.Sel
		if rows == nil {
			rows = sequence(batch.N)
		}
		var kept, wantKept []int32
		if b.typ.ID() == arrow.BOOL {
			kept = where.Where(batch, []int32{})
		}
		for _, i := range rows {
			ref.row = map[string]any{}
			for k, f := range testSchema.Fields() {
				ref.row[f.Name] = valueAt(batch.Cols[k], int(i))
			}
			want, err := ref.eval(e)
			if want == true && err == nil {
				wantKept = append(wantKept, i)
			}
			if failed[i] != (err != nil) {
				t.Fatalf("%s: row %d (%v) failed: %v, want %v", e, i, ref.row, failed[i], err != nil)
			}
			if err != nil {
				continue
			}
			got := valueAt(v, int(i))
			if again := valueAt(lent, int(i)); !equalValues(got, again) {
				t.Fatalf("%s = %v, and lent %v; row %v", e, got, again, ref.row)
			}
			if !equalValues(got, want) {
				t.Fatalf("%s = %v (%T), want %v (%T); row %v", e, got, got, want, want, ref.row)
			}
			if got == nil && !zeroAt(v, int(i)) {
				t.Fatalf("%s: the value under a null is not zero in row %d", e, i)
			}
			if got == nil && !b.nullable {
				t.Fatalf("%s is null, and says that it never is", e)
			}
		}
		if b.typ.ID() == arrow.BOOL && !slices.Equal(kept, wantKept) {
			t.Fatalf("%s keeps rows %v, want %v", e, kept, wantKept)
		}
	}
	return true
}

func TestRandomExpressionsAgainstReference(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 500
	}
	bound := 0
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 5))
		e := maker1{r}.any(1 + r.IntN(3))
		if checkAgainstReference(t, e, []*col.Batch{randomBatch(r, r.IntN(30)), randomBatch(r, 0), randomBatch(r, r.IntN(60))}) {
			bound++
		}
	}
	if bound < n*3/4 {
		t.Errorf("only %d of %d expressions could be bound", bound, n)
	}
}

func FuzzExpressions(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		e := maker1{r}.any(1 + r.IntN(3))
		checkAgainstReference(t, e, []*col.Batch{randomBatch(r, r.IntN(20)), randomBatch(r, r.IntN(20))})
	})
}
