package expr

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		e    Expr
		want string
	}{
		{Col("i9"), `there is no column "i9"; did you mean "i8"?`},
		{Col("nowhere"), `columns are b, c, i8`},
		{Expr{}, "an empty expression"},
		{Col("s").Add(1), "s is text, which is not for arithmetic; Cast it to a number"},
		{Col("s").Gt(1), "text and int64 are not compared; Cast one of them"},
		{Col("t").Gt("yesterday"), "write 'yesterday' as 2006-01-02T15:04:05Z"},
		{Col("i").And(true), "i is int64, not a boolean; compare it with something"},
		{Col("t").Mul(2), "timestamp * int64 is not defined"},
		{Col("t").Truncate("fortnight"), `there is no unit "fortnight"`},
		{Col("t").Truncate("day", Zone("Europe/Berln")), `there is no time zone "Europe/Berln"`},
		{Col("t").Extract("century"), `a timestamp has no "century"`},
		{Col("t").Cast(Int64), "timestamp does not become int64; Epoch and FromEpoch convert timestamps"},
		{Lit("abc").Cast(Int64), `"abc" is no int64`},
		{Col("s").Matches("("), "is no regular expression"},
		{Col("s").ExtractRegexp("a", 1), "groups 0 to 0, not 1"},
		{Col("s").Like(`a\b`), "before something else than"},
		{Col("s").JSON("a.b"), "does not begin with $"},
		{Col("i").Lower(), "i is int64, not text; Cast it to String"},
		{Col("st").Field("y"), `there is no column "y"; did you mean "a"?`},
		{Coalesce(Col("s"), Col("i")), "values are text and int64; Cast one of them"},
		{Coalesce(Col("l")), "list of int64 is not chosen from"},
		{Lit(nil), "a null has no type"},
		{Lit(struct{}{}), "a literal of type struct {}"},
		{Col("e").Mul(Col("e")).Mul(Col("e")).Mul(Col("e")), "40 digits behind the point are more than 38"},
		{Func1("half", func(x int8) int8 { return x / 2 })(Col("i")), "is int64, and the function takes int8; Cast it to int8"},
		{Col("s").In(), "In without values"},
		{Col("q").Eq(1).And(Col("q").Eq(2)), `there is no column "q"`},
	} {
		_, err := Bind(testSchema, c.e)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.e, err, c.want)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		e    Expr
		want string
	}{
		{Col("i8").Add(Col("i32")), "int64?"}, {Col("u8").Add(1), "uint64?"}, {Col("u8").Add(-1), "int64?"}, {Col("u8").Add(Col("j")), "int64?"}, {Col("j").Div(7), "int64"},
		{Col("g").Add(1), "float64"}, {Col("d").Add(1), "decimal(38,2)?"}, {Col("d").Add(0.125), "decimal(38,3)?"}, {Col("d").Mul(Col("d")), "decimal(38,4)?"},
		{Col("d").Div(3), "decimal(38,6)?"}, {Col("d").Add(Col("g")), "float64?"}, {Col("w").Sub(Col("w")), "int64?"}, {Col("w").Add(time.Second), "timestamp?"},
		{Coalesce(Col("i8"), 5), "int8"}, {Coalesce(Col("i8"), 500), "int64"}, {Coalesce(Col("i8"), 0.5), "float64"}, {If(Col("c"), Col("i32"), nil), "int32?"},
		{Coalesce(Col("d"), 0), "decimal(18,2)"}, {Coalesce(Col("t"), "2024-01-01"), "timestamp"}, {Col("s").Split(","), "list of text?"}, {Col("r").Length(), "int64"},
		{Lit(1).Add(2), "int64"}, {Col("st").Field("x"), "text?"}, {Greatest(Col("u8"), Col("i32")), "int64"},
	} {
		b, err := Bind(testSchema, c.e)
		if err != nil {
			t.Errorf("%s: %v", c.e, err)
			continue
		}
		got := words(b.typ)
		if b.nullable {
			got += "?"
		}
		if got != c.want {
			t.Errorf("%s is %s, want %s", c.e, got, c.want)
		}
	}
}

func TestTextsTellExpressionsApart(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []Expr{
		Lit(1), Lit(uint(1)), Lit(1.0), Lit("1"), Lit([]byte("1")), Lit(true), Col("true"), Lit(nil), Col("null"), Col("1"), Col("'1'"), Lit("'1'"), Lit(math.NaN()), Col("NaN"), Lit(math.Inf(1)),
		Lit(time.Unix(0, 0)), Col("a").Eq(1), Col("a").Eq(1.0), Col("a").Eq("1"), Col("a").Eq(Col("1")), Col("a = 1"), Col("a").Neg(), Lit(-1), Lit(1).Neg(),
		Col("a").As("b").IsNull(), Col("a").IsNull().As("b"), Col("a").Left(1), Col("a").Right(1), Col("a").Like("b"), Col("a").LikeEscape("b", 0), Col("a").Matches("b"),
		Col("a").Cast(Int64), Col("a").TryCast(Int64), Col("a").Cast(Decimal(10, 2)), Col("a").Cast(Decimal(10, 3)), Col("a").Truncate("day"), Col("a").Truncate("day", Zone("Asia/Tokyo")),
		Col("a").Truncate(24 * time.Hour), Col("a").Truncate("day", Offset(time.Hour)), When(Col("a"), 1).When(Col("b"), 2).End(), When(Col("a"), When(Col("b"), 2).End()).Else(1),
		Concat("a", "b"), Concat("a', 'b"), Func1("lower", strings.ToLower)(Col("a")), Col("a").Lower(), Col("a").In(1, 2), Col("a").In(1).Eq(2), Col("a.b"), Col("a").Field("b"),
	} {
		if seen[e.String()] {
			t.Errorf("%s stands for two expressions", e)
		}
		seen[e.String()] = true
	}
}

// one is a batch of one row with a text column s.
func one(values ...string) *col.Batch {
	schema := arrow.NewSchema([]arrow.Field{{Name: "s", Type: textType, Nullable: true}}, nil)
	return col.Of(schema, len(values), &col.Vec{Type: textType, Kind: col.Text, N: len(values), Texts: values})
}

func TestFailedRows(t *testing.T) {
	b := one("1", "x", "3", "y", "5")
	n := Col("s").Cast(Int64)
	cond := bind(t, b, Col("s").Ne("y").And(n.Gt(1)))
	eval := cond.Eval()
	if idx := eval.Where(b, nil); len(idx) != 2 || idx[0] != 2 || idx[1] != 4 {
		t.Errorf("rows %v", idx)
	}
	if f := eval.Failed(); len(f) != 1 || f[0].Row != 1 || f[0].Reason != `cast(s as int64): "x" is no int64` {
		t.Errorf("failed %v", f)
	}
	if f := eval.Failed(); len(f) != 1 {
		t.Errorf("failed %v when asked again", f)
	}
	sel := bind(t, b, n.Add(1)).Eval()
	v := sel.Vec(b.Where([]int32{0, 3, 4}))
	if f := sel.Failed(); len(f) != 1 || f[0].Row != 3 || v.Ints[4] != 6 {
		t.Errorf("failed %v, %v", f, v.Ints)
	}
	lazy := bind(t, b, When(Col("s").In("x", "y"), 0).Else(n)).Eval()
	if v := lazy.Vec(b); len(lazy.Failed()) > 0 || v.Ints[1] != 0 || v.Ints[4] != 5 {
		t.Errorf("a case that is not chosen fails rows: %v", lazy.Failed())
	}
	odd := TryFunc1("odd", func(s string) (bool, error) {
		if s > "9" {
			return false, errors.New("no digit")
		}
		return s[0]%2 == 1, nil
	})
	user := bind(t, b, odd(Col("s"))).Eval()
	if idx := user.Where(b, nil); len(idx) != 3 || len(user.Failed()) != 2 || user.Failed()[0].Reason != "func odd(s): no digit" {
		t.Errorf("rows %v, failed %v", idx, user.Failed())
	}
}

func bind(t testing.TB, b *col.Batch, e Expr) *Bound {
	t.Helper()
	bound, err := Bind(b.Schema, e)
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

func TestUserFunctions(t *testing.T) {
	type cents int32
	b := one("1", "x", "3")
	n := Col("s").TryCast(Int32)
	double := Func1("double", func(c cents) cents { return 2 * c })
	orZero := Func2("or", func(p *int32, s string) *string {
		if p == nil {
			return nil
		}
		s += "!"
		return &s
	})
	year := Func1("year", func(at time.Time) float32 { return float32(at.Year()) })
	evals := NewEvals([]*Bound{bind(t, b, double(n)), bind(t, b, orZero(n, Col("s"))), nil, bind(t, b, year("2024-05-06"))})
	out := evals.Vecs(b, nil)
	if d := out[0]; d.Ints[0] != 2 || !d.IsNull(1) || d.Ints[2] != 6 || d.Type.ID() != arrow.INT32 {
		t.Errorf("double: %v %v", d.Ints, d.Null)
	}
	if s := out[1]; s.Texts[0] != "1!" || !s.IsNull(1) {
		t.Errorf("or: %q %v", s.Texts, s.Null)
	}
	if out[2] != nil || out[3].Floats[2] != 2024 {
		t.Errorf("year: %v", out[3])
	}
}

// What several expressions share is computed once, and results stay what they are when the evaluator goes on.
func TestSharedExpressionsAreComputedOnce(t *testing.T) {
	calls := 0
	count := Func1("count", func(s string) int64 { calls++; return int64(len(s)) })
	b := one("a", "bb")
	x := count(Col("s"))
	evals := NewEvals([]*Bound{bind(t, b, x), bind(t, b, x.Add(1)), bind(t, b, x.Mul(x).As("sq"))})
	first := evals.Vecs(b, nil)
	if calls != 2 {
		t.Errorf("%d calls for 2 rows", calls)
	}
	evals.Vecs(one("ccc", "dddd"), nil)
	if calls != 4 || first[0].Ints[1] != 2 || first[1].Ints[1] != 3 || first[2].Ints[1] != 4 {
		t.Errorf("%d calls; first results became %v %v %v", calls, first[0].Ints, first[1].Ints, first[2].Ints)
	}
}

func TestJSON(t *testing.T) {
	text := `{"a": {"b": [10, "x\ty", {"c d": true}, null, [1, 2]]}, "a": 5, "e": "", "f\"g": -1.5e3, "h": "]}"}`
	for _, c := range []struct{ in, path, want string }{
		{text, "$.a.b[0]", "10"}, {text, "$.a.b[1]", "x\ty"}, {text, `$.a.b[2]["c d"]`, "true"}, {text, "$.a.b[3]", "-"}, {text, "$.a.b[4]", "[1, 2]"}, {text, "$.a.b[-1][-2]", "1"},
		{text, "$.a.b[5]", "-"}, {text, "$.a.b[-6]", "-"}, {text, "$.e", ""}, {text, `$["f\"g"]`, "-1.5e3"}, {text, "$.h", "]}"}, {text, "$.zz", "-"}, {text, "$.a[0]", "-"}, {text, "$.a.b.c", "-"},
		{"5", "$", "5"}, {" [1] ", "$", "[1]"}, {"[1] 2", "$", "-"}, {"", "$", "-"}, {"{", "$.a", "-"}, {`{"a"`, "$.a", "-"}, {`{"a":`, "$.a", "-"}, {`{"a":"x`, "$.a", "-"}, {`{"a":1`, "$.a", "1"},
		{`{"a":x}`, "$.a", "-"}, {`[1,]`, "$[1]", "-"}, {"[]", "$[0]", "-"}, {`{"a":{"b":1]}`, "$.a", "-"},
	} {
		path, err := parsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := jsonAt(c.in, path)
		if !ok {
			got = "-"
		}
		if got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.path, c.in, got, c.want)
		}
	}
}

func TestParseTimeForms(t *testing.T) {
	for in, want := range map[string]string{
		"2024-02-29": "2024-02-29T00:00:00Z", "2024-02-29T12:30": "2024-02-29T12:30:00Z", "2024-02-29 12:30:01.5": "2024-02-29T12:30:01.5Z", "2024-02-29T12:30:01+05:30": "2024-02-29T07:00:01Z",
		"0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z", "2024-02-29T12:30:01.123456789z": "2024-02-29T12:30:01.123456Z",
		"2023-02-29": "", "2024-13-01": "", "2024-1-1": "", "2024-01-01T": "", "2024-01-01T25:00": "", "2024-01-01T10:00:00.": "", "2024-01-01Z": "", "": "", "2024-01-01T10:00:00Zx": "", "2024/01/01": "",
	} {
		us, ok := parseTime(in)
		got := ""
		if ok {
			got = time.UnixMicro(us).UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
