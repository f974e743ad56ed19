package agg

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

var testSchema = arrow.NewSchema([]arrow.Field{
	{Name: "i", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "big", Type: arrow.PrimitiveTypes.Int64},
	{Name: "u", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
	{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "d", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true},
	{Name: "t", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
}, nil)

// randomBatch is n rows with nulls, extremes and many equal values; selected leaves some out.
func randomBatch(r *rand.Rand, n int, selected bool) *col.Batch {
	b := &col.Batch{Schema: testSchema, N: n}
	for _, f := range testSchema.Fields() {
		v := col.New(f.Type, n)
		for i := range n {
			if f.Nullable && r.IntN(4) == 0 {
				v.SetNull(i)
				continue
			}
			switch v.Kind {
			case col.Int:
				v.Ints[i] = r.Int64N(20) - 10
				if f.Name == "big" {
					v.Ints[i] = []int64{math.MaxInt64, math.MinInt64, 1, -1, 0}[r.IntN(5)]
				}
			case col.Uint:
				v.Uints[i] = r.Uint64() >> r.IntN(64)
			case col.Float:
				v.Floats[i] = []float64{math.Copysign(0, -1), 0, 1.5, -3, r.NormFloat64() * 100, float64(r.IntN(1000))}[r.IntN(6)]
			case col.Text:
				v.Texts[i] = strings.Repeat("x", r.IntN(3)) + string(rune('a'+r.IntN(4)))
			case col.Bool:
				v.Bools[i] = r.IntN(8) > 0
			case col.Decimal:
				v.Decimals[i] = decimal128.FromI64(r.Int64N(2000) - 1000)
				if r.IntN(50) == 0 {
					v.Decimals[i] = decimal128.GetMaxValue(38)
				}
			}
		}
		b.Cols = append(b.Cols, v)
	}
	if selected {
		b.Sel = []int32{}
		for i := range int32(n) {
			if r.IntN(3) > 0 {
				b.Sel = append(b.Sel, i)
			}
		}
	}
	return b
}

// value is a value of a column as a Go value, nil for null.
func value(v *col.Vec, i int) any {
	if v.IsNull(i) {
		return nil
	}
	switch v.Kind {
	case col.Bool:
		return v.Bools[i]
	case col.Int:
		return v.Ints[i]
	case col.Uint:
		return v.Uints[i]
	case col.Float:
		return v.Floats[i]
	case col.Text:
		return v.Texts[i]
	case col.Decimal:
		return v.Decimals[i].BigInt().String()
	}
	list := v.Array.(*array.List)
	from, until := list.ValueOffsets(i)
	elems, out := col.FromArray(list.ListValues()), []any{}
	for at := from; at < until; at++ {
		out = append(out, value(elems, int(at)))
	}
	return out
}

// record is a row by column name.
type record map[string]any

func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case uint64:
		return cmp.Compare(a, b.(uint64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case bool:
		return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) // "false" < "true"
	}
	return strings.Compare(a.(string), b.(string))
}

func bigOf(v any) *big.Int {
	n, _ := new(big.Int).SetString(fmt.Sprint(v), 10)
	return n
}

// testCase is an aggregate and the same by hand, over the rows of a group in order.
type testCase struct {
	agg  expr.Agg
	want func(rows []record) any
}

// valuesOf are the values of a column that are not null.
func valuesOf(rows []record, name string) (out []any) {
	for _, r := range rows {
		if r[name] != nil {
			out = append(out, r[name])
		}
	}
	return out
}

// over is a reference over a column's values, null for none.
func over(name string, f func(vals []any) any) func([]record) any {
	return func(rows []record) any {
		if vals := valuesOf(rows, name); len(vals) > 0 {
			return f(vals)
		}
		return nil
	}
}

func bigSum(vals []any) *big.Int {
	s := new(big.Int)
	for _, v := range vals {
		s.Add(s, bigOf(v))
	}
	return s
}

func floatsOf(vals []any) (out []float64) {
	for _, v := range vals {
		var f float64
		fmt.Sscan(fmt.Sprint(v), &f)
		out = append(out, f)
	}
	return out
}

func total(fs []float64) (s float64) {
	for _, f := range fs {
		s += f
	}
	return s
}

func m2(fs []float64) (s float64) {
	mean := total(fs) / float64(len(fs))
	for _, f := range fs {
		s += (f - mean) * (f - mean)
	}
	return s
}

// pick is the value of one column in the row that wins by another.
func pick(name, by string, wins func(c int) bool) func([]record) any {
	return func(rows []record) any {
		var best record
		for _, r := range rows {
			if r[by] != nil && (best == nil || wins(compareValues(r[by], best[by]))) {
				best = r
			}
		}
		return best[name]
	}
}

func distinctValues(vals []any) int64 {
	seen := map[any]bool{}
	for _, v := range vals {
		if f, ok := v.(float64); ok && f == 0 {
			v = 0.0
		}
		seen[v] = true
	}
	return int64(len(seen))
}

func cases() []testCase {
	list := []testCase{
		{expr.Count(), func(rows []record) any { return int64(len(rows)) }},
		{expr.Count("i").Where(expr.Col("b")).As("filtered"), func(rows []record) any {
			n := int64(0)
			for _, r := range rows {
				if r["b"] == true && r["i"] != nil {
					n++
				}
			}
			return n
		}},
		{expr.Sum("big").As("wide"), over("big", func(vals []any) any {
			if s := bigSum(vals); s.IsInt64() {
				return s.Int64()
			}
			return nil
		})},
		{expr.Sum("u").As("unsigned"), over("u", func(vals []any) any {
			if s := bigSum(vals); s.IsUint64() {
				return s.Uint64()
			}
			return nil
		})},
		{expr.Sum("f").As("fsum"), over("f", func(vals []any) any { return total(floatsOf(vals)) })},
		{expr.Sum("d").As("dsum"), over("d", func(vals []any) any {
			if s := bigSum(vals); len(new(big.Int).Abs(s).String()) <= 38 {
				return s.String()
			}
			return nil
		})},
		{expr.Avg("i").As("mean"), over("i", func(vals []any) any { return total(floatsOf(vals)) / float64(len(vals)) })},
		{expr.Avg("big").As("widemean"), over("big", func(vals []any) any {
			f, _ := new(big.Float).SetInt(bigSum(vals)).Float64()
			return f / float64(len(vals))
		})},
		{expr.Avg("f").As("fmean"), over("f", func(vals []any) any { return total(floatsOf(vals)) / float64(len(vals)) })},
		{expr.Avg("d").As("dmean"), over("d", func(vals []any) any {
			r := new(big.Rat).SetFrac(new(big.Int).Mul(bigSum(vals), big.NewInt(10000)), big.NewInt(int64(len(vals))))
			if text := r.FloatString(0); len(strings.TrimPrefix(text, "-")) <= 38 {
				return bigOf(text).String()
			}
			return nil
		})},
		{expr.First("s").As("first"), over("s", func(vals []any) any { return vals[0] })},
		{expr.Last("s").As("last"), over("s", func(vals []any) any { return vals[len(vals)-1] })},
		{expr.FirstBy("s", "i").As("first_by"), pick("s", "i", func(c int) bool { return c < 0 })},
		{expr.LastBy("s", "i").As("last_by"), pick("s", "i", func(c int) bool { return c >= 0 })},
		{expr.MinBy("f", "s").As("min_by"), pick("f", "s", func(c int) bool { return c < 0 })},
		{expr.MaxBy("t", "f").As("max_by"), pick("t", "f", func(c int) bool { return c > 0 })},
		{expr.MaxBy("d", "b").As("max_by_bool"), pick("d", "b", func(c int) bool { return c > 0 })},
		{expr.Collect("s", 3).As("list"), func(rows []record) any {
			vals := append([]any{}, valuesOf(rows, "s")...)
			return vals[:min(3, len(vals))]
		}},
		{expr.BoolAnd("b").As("all"), over("b", func(vals []any) any { return !slices.Contains(vals, any(false)) })},
		{expr.BoolOr("b").As("some"), over("b", func(vals []any) any { return slices.Contains(vals, any(true)) })},
	}
	for _, name := range []string{"i", "u", "f", "s", "b", "t"} {
		list = append(list,
			testCase{expr.Min(name).As("min_" + name), over(name, func(vals []any) any { return slices.MinFunc(vals, compareValues) })},
			testCase{expr.Max(name).As("max_" + name), over(name, func(vals []any) any { return slices.MaxFunc(vals, compareValues) })},
			testCase{expr.CountDistinct(name).As("distinct_" + name), func(rows []record) any { return distinctValues(valuesOf(rows, name)) }},
		)
	}
	byNumber := func(a, b any) int { return bigOf(a).Cmp(bigOf(b)) }
	list = append(list,
		testCase{expr.Min("d").As("min_d"), over("d", func(vals []any) any { return slices.MinFunc(vals, byNumber) })},
		testCase{expr.Max("d").As("max_d"), over("d", func(vals []any) any { return slices.MaxFunc(vals, byNumber) })},
		testCase{expr.CountDistinct("d").As("distinct_d"), func(rows []record) any { return distinctValues(valuesOf(rows, "d")) }},
	)
	for _, name := range []string{"i", "f"} {
		variance := func(less int, f func(float64) float64) func([]record) any {
			return over(name, func(vals []any) any {
				if len(vals) <= less {
					return nil
				}
				return f(m2(floatsOf(vals)) / float64(len(vals)-less))
			})
		}
		same := func(x float64) float64 { return x }
		list = append(list,
			testCase{expr.Variance(name).As("var_" + name), variance(1, same)},
			testCase{expr.VariancePop(name).As("varp_" + name), variance(0, same)},
			testCase{expr.StdDev(name).As("std_" + name), variance(1, math.Sqrt)},
			testCase{expr.StdDevPop(name).As("stdp_" + name), variance(0, math.Sqrt)},
		)
	}
	return list
}

// near tells whether values are equal, floats to 1e-9 of their size or of the data's.
func near(a, b any) bool {
	x, isFloat := a.(float64)
	y, is := b.(float64)
	if isFloat && is {
		return x == y || math.Abs(x-y) <= 1e-9*max(1, math.Abs(x), math.Abs(y))
	}
	return fmt.Sprintf("%T%v", a, a) == fmt.Sprintf("%T%v", b, b)
}

// throughRow takes partial states through a row codec's arrays, where it has their types: as a shuffle does.
func throughRow(t *testing.T, s *Set, cols []*col.Vec) []*col.Vec {
	t.Helper()
	n := 0
	if len(cols) > 0 {
		n = cols[0].N
	}
	b := col.Of(s.Partial(), n, cols...)
	return col.FromArrays(s.Partial(), b.Arrays(nil)).Cols
}

func TestAgainstReference(t *testing.T) {
	list := cases()
	var aggs []expr.Agg
	for _, c := range list {
		aggs = append(aggs, c.agg)
	}
	set, err := Bind(testSchema, aggs)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		groups := 1 + r.IntN(6)
		rows := make([][]record, groups)
		all := set.NewGroups()
		all.Grow(groups)
		part := set.NewGroups()
		for range r.IntN(8) {
			b := randomBatch(r, r.IntN(60), r.IntN(2) == 0)
			idx := make([]int32, b.Len())
			for i := range idx {
				idx[i] = int32(r.IntN(groups))
				at := i
				if b.Sel != nil {
					at = int(b.Sel[i])
				}
				rec := record{}
				for c, v := range b.Cols {
					rec[testSchema.Field(c).Name] = value(v, at)
				}
				rows[idx[i]] = append(rows[idx[i]], rec)
			}
			part.Add(b, idx)
			if r.IntN(2) == 0 { // merge what was added so far, in any order of groups
				order := make([]int32, 0, part.Len())
				for _, g := range r.Perm(part.Len()) {
					order = append(order, int32(g))
				}
				all.Merge(throughRow(t, set, part.Partials(order)), order)
				part.Reset()
			}
		}
		everything := make([]int32, part.Len())
		for i := range everything {
			everything[i] = int32(i)
		}
		all.Merge(throughRow(t, set, part.Partials(nil)), everything)
		for i, v := range all.Results(nil) {
			if f := set.Result()[i]; !arrow.TypeEqual(f.Type, v.Type) || v.N != groups {
				t.Fatalf("%s: %d of %s, want %d of %s", list[i].agg, v.N, v.Type, groups, f.Type)
			}
			for g := range groups {
				got, want := value(v, g), list[i].want(rows[g])
				if got == nil && !set.Result()[i].Nullable {
					t.Fatalf("%s: null where the schema has none", list[i].agg)
				}
				if !near(got, want) {
					t.Errorf("seed %d: %s of %d rows is %v, want %v", seed, list[i].agg, len(rows[g]), got, want)
				}
			}
		}
	}
}

// Sketches must not depend on how rows are split: their states are compared byte for byte.
func TestSketches(t *testing.T) {
	set, err := Bind(testSchema, []expr.Agg{
		expr.ApproxCountDistinct("u").As("n"), expr.ApproxQuantile("f", 0.5).As("median"), expr.ApproxQuantile("f", 0.99).As("p99"), expr.ApproxQuantile("i", 0).As("min"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for seed, n := range []int{0, 1, 10, 300, 600, 5000, 200_000} {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		whole, merged := set.NewGroups(), set.NewGroups()
		whole.Grow(1)
		merged.Grow(1)
		distinct, fs := map[uint64]bool{}, []float64{}
		for left := n; left > 0; {
			b := randomBatch(r, min(left, 1+r.IntN(20_000)), false)
			for i := range b.N {
				b.Cols[2].Uints[i] = r.Uint64()
				b.Cols[3].Floats[i] = math.Exp(r.NormFloat64() * 8)
				if value(b.Cols[2], i) != nil {
					distinct[b.Cols[2].Uints[i]] = true
				}
				if value(b.Cols[3], i) != nil {
					fs = append(fs, b.Cols[3].Floats[i])
				}
			}
			left -= b.N
			whole.Add(b, make([]int32, b.N))
			part := set.NewGroups()
			part.Add(b, make([]int32, b.N))
			merged.Merge(throughRow(t, set, part.Partials(nil)), []int32{0})
		}
		a, b := whole.Partials(nil), merged.Partials(nil)
		for i := range a {
			if a[i].Texts[0] != b[i].Texts[0] {
				t.Errorf("%d rows: state %s depends on the split", n, set.Partial().Field(i).Name)
			}
		}
		res := merged.Results(nil)
		if got, want := float64(res[0].Ints[0]), float64(len(distinct)); math.Abs(got-want) > 0.05*want {
			t.Errorf("%d rows: about %v different, want %v", n, got, want)
		}
		slices.Sort(fs)
		for i, q := range []float64{0.5, 0.99} {
			if len(fs) == 0 {
				if value(res[1+i], 0) != nil {
					t.Errorf("a quantile of nothing is %v", value(res[1+i], 0))
				}
				continue
			}
			want := fs[int(q*float64(len(fs)-1))]
			if got := res[1+i].Floats[0]; math.Abs(got-want) > want/32 { // so many buckets need level 3
				t.Errorf("%d rows: quantile %v is %v, want %v", n, q, got, want)
			}
		}
	}
}

func TestQuantileOfFewValues(t *testing.T) {
	var b buckets
	for _, x := range []float64{-1000, -10, 0, 10, 1000, math.Inf(1), math.Inf(-1)} {
		b.add(x)
	}
	for i, want := range []float64{math.Inf(-1), -1000, -10, 0, 10, 1000, math.Inf(1)} {
		if got := b.quantile(float64(i) / 6); got != want && math.Abs(got-want) > math.Abs(want)/256 {
			t.Errorf("rank %d is %v, want %v", i, got, want)
		}
	}
}

func TestRetract(t *testing.T) {
	set, err := Bind(testSchema, []expr.Agg{
		expr.Count(), expr.Count("i"), expr.Sum("big"), expr.Sum("d"), expr.Sum("i"), expr.Avg("u"), expr.Sum("f"), expr.Avg("f"), expr.Variance("i"), expr.VariancePop("f"),
	})
	if err != nil || set.CheckRetract() != nil {
		t.Fatal(err, set.CheckRetract())
	}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 8))
		all, want := set.NewGroups(), set.NewGroups()
		all.Grow(3)
		want.Grow(3)
		for k := range 4 {
			b := randomBatch(r, r.IntN(50), true)
			idx := make([]int32, b.Len())
			for i := range idx {
				idx[i] = int32(r.IntN(3))
			}
			part := set.NewGroups()
			part.Grow(3)
			part.Add(b, idx)
			all.Merge(part.Partials(nil), []int32{0, 1, 2})
			if k%2 == 0 {
				all.Retract(part.Partials(nil), []int32{0, 1, 2})
			} else {
				want.Merge(part.Partials(nil), []int32{0, 1, 2})
			}
		}
		a, w := all.Results(nil), want.Results(nil)
		for i := range a {
			for g := range 3 {
				if got, want := value(a[i], g), value(w[i], g); !near(got, want) {
					t.Errorf("seed %d: %s is %v, want %v", seed, set.aggs[i].agg, got, want)
				}
			}
		}
	}
	min, err := Bind(testSchema, []expr.Agg{expr.Min("i")})
	if err != nil || min.CheckRetract() == nil {
		t.Errorf("a minimum is said to take rows back: %v", err)
	}
}

// Partial states are rows: state keeps them and blocks carry them.
func TestPartialsAreRows(t *testing.T) {
	var aggs []expr.Agg
	for _, c := range cases() {
		if !slices.Contains(c.agg.Columns(), "d") || c.agg.Op() == "sum" || c.agg.Op() == "avg" || c.agg.Op() == "count_distinct" {
			aggs = append(aggs, c.agg)
		}
	}
	set, err := Bind(testSchema, aggs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := row.OfSchema(set.Partial()); err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	for want, a := range map[string]expr.Agg{
		`there is no column "ii"; did you mean "i"?`:      expr.Sum("ii"),
		`sum(s): utf8 is not a number`:                    expr.Sum("s"),
		`is not a number`:                                 expr.Avg("t"),
		`an empty aggregate`:                              {},
		`min_by(s, i): give its column a name with As`:    expr.MinBy("s", "i"),
		`quantile 1.5; want 0 to 1`:                       expr.ApproxQuantile("f", 1.5),
		`a list of at most 0 values; want 1 to 1048576`:   expr.Collect("s", 0),
		`i is int32, not a boolean`:                       expr.Count().Where(expr.Col("i")),
		`bool_and(i): i is int32, not a boolean`:          expr.BoolAnd("i"),
		`a variance of decimals is not computed`:          expr.Variance("d"),
		`sum(nothing) as x: there is no column "nothing"`: expr.Sum("nothing").As("x"),
	} {
		_, err := Bind(testSchema, []expr.Agg{a})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", a, err, want)
		}
	}
	if _, err := Bind(testSchema, nil); err == nil {
		t.Error("no aggregates are bound")
	}
	if _, err := Bind(testSchema, []expr.Agg{expr.Count().As("x"), expr.Sum("i").As("x")}); err == nil || !strings.Contains(err.Error(), `two aggregates are column "x"`) {
		t.Error(err)
	}
}

func BenchmarkAdd(b *testing.B) {
	const n, groups = 2048, 300
	r := rand.New(rand.NewPCG(1, 1))
	in := randomBatch(r, n, false)
	idx := make([]int32, n)
	for i := range idx {
		idx[i] = int32(r.IntN(groups))
	}
	for _, a := range []expr.Agg{
		expr.Count(), expr.Sum("big"), expr.Sum("i"), expr.Sum("f"), expr.Avg("f"), expr.Max("i"), expr.Max("s"), expr.Variance("f"), expr.First("i"), expr.MaxBy("s", "i"),
		expr.CountDistinct("i"), expr.ApproxCountDistinct("u"), expr.ApproxQuantile("f", 0.5), expr.Collect("i", 3), expr.Sum("i").Where(expr.Col("b")),
	} {
		b.Run(a.String(), func(b *testing.B) {
			set, err := Bind(testSchema, []expr.Agg{a.As("x")})
			if err != nil {
				b.Fatal(err)
			}
			g := set.NewGroups()
			b.ReportAllocs()
			for b.Loop() {
				g.Add(in, idx)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}
