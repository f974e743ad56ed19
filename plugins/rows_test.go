package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/plugintest"
)

type sale struct {
	Item  string
	Price int64
	Note  *string
}

func TestWithReplacesAndAdds(t *testing.T) {
	type add struct {
		New   bool
		Note  string // replaces, of another type, and stands behind Price in the input
		Price float64
	}
	op := plugins.With("with", func(s struct{ Item string }) add { return add{true, s.Item + "!", 0.5} })
	rec := must(plugins.RecordOf([]sale{{"a", 1, nil}, {"b", 2, nil}}))
	d := must(must(op.Map(nil)).Declare(rec.Schema()))
	if got, want := row.FieldsText(d.Output.Fields()), "item: utf8, price: float64, note: utf8, new: bool"; got != want {
		t.Errorf("columns are %s, want %s", got, want)
	}
	if d := cmp.Diff([]int{0, -1, -1, -1}, d.Keeps); d != "" {
		t.Error(d)
	}
	type out struct {
		Item, Note string
		Price      float64
		New        bool
	}
	got := must(plugins.RowsOf[out](must(plugintest.ApplyRecord(op, rec))))
	if d := cmp.Diff([]out{{"a", "a!", 0.5, true}, {"b", "b!", 0.5, true}}, got); d != "" {
		t.Error(d)
	}
}

func TestFlatWith(t *testing.T) {
	type add struct{ I int64 }
	op := plugins.FlatWith("flat", func(s struct{ Price int64 }, emit func(add)) {
		for i := range s.Price {
			emit(add{i})
		}
	})
	type out struct {
		Item string
		I    int64
	}
	var rows []sale
	var want []out
	for i := range 1200 { // several pieces
		s := sale{Item: fmt.Sprint(i), Price: int64(i % 3)}
		rows = append(rows, s)
		for k := range s.Price {
			want = append(want, out{s.Item, k})
		}
	}
	if d := cmp.Diff(want, plugintest.Apply[sale, out](t, op, rows...)); d != "" {
		t.Error(d)
	}
}

func TestWidening(t *testing.T) {
	type narrow struct {
		A int8
		B uint16
		C int32
		D *uint32
		E float32
		F int64
	}
	type wide struct {
		A int64
		B int32
		C float64
		D *int64
		E *float64
		F *int64
	}
	n, m := uint32(4_000_000_000), int64(4_000_000_000)
	e, f := float64(0.5), int64(-1)
	op := plugins.Rows("same", func(w wide) wide { return w })
	got := plugintest.Apply[narrow, wide](t, op, narrow{-1, 65535, -7, &n, 0.5, -1}, narrow{D: nil, E: 0.5, F: -1})
	if d := cmp.Diff([]wide{{-1, 65535, -7, &m, &e, &f}, {E: &e, F: &f}}, got); d != "" {
		t.Error(d)
	}
}

func TestColumnsThatDoNotFit(t *testing.T) {
	type in struct {
		Itme  string
		Price int32
		Note  string
	}
	op := plugins.Rows("op", func(in) sale { return sale{} })
	err := plugintest.TryApply(t, op, sale{})
	for _, want := range []string{`no column "itme"; did you mean "item"?`, `column "price" is int64, and the field takes int32`, `column "note" is utf8? and may be null; let the field be a pointer`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant %s", err, want)
		}
	}
	for _, lossy := range []func() error{
		func() error { return plugins.Fits[struct{ V float32 }](schema("v", arrow.PrimitiveTypes.Int32)) },
		func() error { return plugins.Fits[struct{ V float64 }](schema("v", arrow.PrimitiveTypes.Int64)) },
		func() error { return plugins.Fits[struct{ V uint64 }](schema("v", arrow.PrimitiveTypes.Int8)) },
		func() error { return plugins.Fits[struct{ V int64 }](schema("v", arrow.PrimitiveTypes.Uint64)) },
		func() error { return plugins.Fits[struct{ V int64 }](schema("v", arrow.FixedWidthTypes.Timestamp_us)) },
		func() error { return plugins.Fits[struct{ V string }](schema("v", arrow.PrimitiveTypes.Int8)) },
	} {
		if err := lossy(); err == nil || !strings.Contains(err.Error(), "the field takes") {
			t.Errorf("error %v", err)
		}
	}
	bad := plugins.Rows("op", func(struct{ F func() }) sale { return sale{} })
	if err := plugintest.TryApply(t, bad, sale{}); err == nil || !strings.Contains(err.Error(), "has no column form") {
		t.Errorf("a type without columns: %v", err)
	}
}

func schema(name string, t arrow.DataType) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: name, Type: t}}, nil)
}

func TestErrorsNameTheRow(t *testing.T) {
	op := plugins.TryRows("op", func(v visit) (visit, error) {
		if v.User == 600 {
			return v, errors.New("not this one")
		}
		return v, nil
	})
	rows := visits(10)
	rows = append(rows, visit{600, "/bad", 1})
	if err := plugintest.TryApply(t, op, rows...); err == nil || err.Error() != "row {User:600 Page:/bad Bytes:1}: not this one" {
		t.Errorf("error %v", err)
	}
	if _, err := op.Map([]byte("x")); err == nil {
		t.Error("a configuration is taken")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	if _, err := must(op.Map(nil)).Process(ctx, plugins.Batch{}, must(plugins.RecordOf(rows))); err == nil || err.Error() != "enough" {
		t.Errorf("when it is cancelled: %v", err)
	}
}

// TestStringsMayBeKept overwrites the memory of the record batch behind the call.
func TestStringsMayBeKept(t *testing.T) {
	type in struct {
		Text  string
		Bytes []byte
		List  []string
		Opt   *string
		Map   map[string]string
	}
	var kept []in
	op := plugins.Filter("keep", func(v in) bool { kept = append(kept, v); return true })
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string { return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(5)) }
	want := make([]in, 700)
	for i := range want {
		s := text()
		want[i] = in{text(), []byte(text() + "x"), []string{text(), text()}, &s, map[string]string{text(): text()}}
	}
	whole := must(plugins.RecordOf(want))
	m := must(op.Map(nil))
	for _, cut := range [][2]int64{{0, 700}, {3, 555}, {0, 1}, {699, 700}, {5, 5}} {
		rec := whole.NewSlice(cut[0], cut[1])
		kept = nil
		must(m.Process(context.Background(), plugins.Batch{}, rec))
		if d := cmp.Diff(want[cut[0]:cut[1]], append([]in{}, kept...)); d != "" {
			t.Fatalf("rows %v: %s", cut, d)
		}
	}
	kept = nil
	must(m.Process(context.Background(), plugins.Batch{}, whole))
	for _, c := range whole.Columns() {
		scribble(c.Data())
	}
	if d := cmp.Diff(want, kept); d != "" {
		t.Error("what was kept has changed:", d)
	}
}

func scribble(d arrow.ArrayData) {
	for _, b := range d.Buffers()[1:] {
		if b != nil {
			for i := range b.Bytes() {
				b.Bytes()[i] = '#'
			}
		}
	}
	for _, k := range d.Children() {
		scribble(k)
	}
}

func TestScalars(t *testing.T) {
	f := must(plugins.Func3("clip", func(s string, n int32, upper *bool) *string {
		out := s[:min(len(s), int(n))]
		if upper != nil && *upper {
			out = strings.ToUpper(out)
		}
		if out == "" {
			return nil
		}
		return &out
	}).Scalar(nil))
	type args struct {
		S *string
		N int8
		U *bool
	}
	yes, abc, empty := true, "abc", ""
	rec := must(plugins.RecordOf([]args{{&abc, 2, nil}, {&abc, 2, &yes}, {nil, 2, &yes}, {&empty, 2, nil}}))
	field := must(f.Declare(rec.Schema().Fields()))
	if !field.Nullable || field.Type.ID() != arrow.STRING {
		t.Errorf("it is declared %v", field)
	}
	out := must(f.Eval(context.Background(), rec)).(*array.String)
	if got := out.String(); got != `["ab" "AB" (null) (null)]` {
		t.Errorf("got %s", got)
	}
	if _, err := plugins.Func1("bad", func(func()) int64 { return 0 }).Scalar(nil); err == nil || !strings.Contains(err.Error(), "argument 1: func(): ") {
		t.Errorf("error %v", err)
	}
	fails := must(plugins.TryFunc2("div", func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errors.New("by zero")
		}
		return a / b, nil
	}).Scalar(nil))
	type pair struct{ A, B int64 }
	if _, err := fails.Eval(context.Background(), must(plugins.RecordOf([]pair{{1, 1}, {1, 0}}))); err == nil || !strings.Contains(err.Error(), "by zero") {
		t.Errorf("error %v", err)
	}
	if got := must(fails.Eval(context.Background(), must(plugins.RecordOf([]pair{{6, 3}})))).String(); got != "[2]" {
		t.Errorf("behind a failure: %s", got)
	}
}

// What the engine would not see in a state is refused.
func TestStatefulTags(t *testing.T) {
	type inner struct {
		Level string `default:"old"`
	}
	type nested struct {
		N  int64
		In inner
	}
	type plain struct{ Level string }
	for _, c := range []struct {
		op   plugins.Operator
		want string
	}{
		{plugins.Stateful("x", func(string, []visit, *plugins.State[inner]) []plain { return nil }), "plugins_test.inner: field level has a tag default"},
		{plugins.Stateful("x", func(string, []visit, *plugins.State[nested]) []plain { return nil }), "plugins_test.nested: field in.level has a tag default"},
		{plugins.Stateful("x", func(string, []visit, *plugins.State[plain]) []inner { return nil }), ""}, // an output may have one for other uses
	} {
		if _, err := c.op.Keyed(nil); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestStateful(t *testing.T) {
	type key struct {
		User string
		Site int32
	}
	type seen struct{ N int64 }
	type out struct{ What string }
	op := plugins.Stateful("seen", func(k key, rows []visit, st *plugins.State[seen]) []out {
		if st.Expired() {
			if st.Get().N < 100 {
				return []out{{"gone"}}
			}
			st.Set(seen{1})
			st.ExpireAt(st.Time().Add(time.Second))
			return []out{{"again"}}
		}
		s := seen{st.Get().N + int64(len(rows))}
		switch {
		case rows[0].Page == "peek":
			st.ExpireAfter(10 * time.Second) // the state stays as it is
			return []out{{fmt.Sprint(k.User, " has ", st.Get().N)}}
		case rows[0].Page == "late":
			s.N = 100
		}
		st.Set(s)
		st.ExpireAfter(time.Second)
		return nil
	})
	const second = 1_000_000
	steps := plugintest.NewSteps[key, visit, out](t, op)
	ada, bob := key{"ada", 1}, key{"bob", 1}
	type rows = []plugintest.Row[key, visit]
	under := plugintest.Under[key, visit]
	for i, c := range []struct {
		time int64
		rows rows
		want string
		keys int
	}{
		{1 * second, rows{under(ada, visit{}), under(bob, visit{Page: "late"}), under(ada, visit{})}, "[]", 2},
		{1.5 * second, rows{under(ada, visit{Page: "peek"})}, "[{{ada 1} {ada has 2}}]", 2}, // ada's is due at 11.5 s now
		{3 * second, nil, "[{{bob 1} {again}}]", 2},                                         // bob's is 1, and due at 4 s
		{4 * second, rows{under(bob, visit{Page: "peek"})}, "[{{bob 1} {gone}} {{bob 1} {bob has 0}}]", 1},
		{11 * second, nil, "[]", 1},
		{12 * second, nil, "[{{ada 1} {gone}}]", 0},
		{13 * second, rows{under(ada, visit{})}, "[]", 1},
		{20 * second, rows{under(ada, visit{})}, "[{{ada 1} {gone}}]", 1}, // the timer first, then a new state
	} {
		if got := fmt.Sprint(steps.Batch(c.time, c.rows...)); got != c.want || steps.Keys() != c.keys {
			t.Errorf("batch %d gives %s and leaves %d states, want %s and %d", i, got, steps.Keys(), c.want, c.keys)
		}
	}
}

func TestAggregated(t *testing.T) {
	type in struct{ Bytes int32 }
	type out struct{ Largest, Rows int64 }
	type part struct{ Max, N int64 }
	op := plugins.Aggregated("stats", part{}, func(p part, v in) part { return part{max(p.Max, int64(v.Bytes)), p.N + 1} },
		func(a, b part) part { return part{max(a.Max, b.Max), a.N + b.N} }, func(p part) out { return out{p.Max, p.N} })
	if got := plugintest.Total[in, out](t, op, in{3}, in{9}, in{1}, in{4}); got != (out{9, 4}) {
		t.Errorf("got %v", got)
	}
}

func TestConfigured(t *testing.T) {
	type config struct {
		Column string `json:"column"`
		Limits []struct{ Upper int }
	}
	build := func(c config) (plugins.Operator, error) {
		if c.Column == "" {
			return plugins.Operator{}, errors.New("column is missing")
		}
		return plugins.Filter("", func(v visit) bool { return v.Page == c.Column }).WithDoc("of " + c.Column), nil
	}
	op := plugins.Configured("pages", build, config{Column: "x"})
	if op.Kind() != "map" || op.Name != "pages" || op.Doc != "of x" {
		t.Errorf("operator %v", op)
	}
	for text, want := range map[string]string{
		`{"column": "/page/1"}`: "", `{"colum": "a"}`: `there is no field "colum"; did you mean "column"?`, `{"Limits": [{"uper": 3}]}`: `did you mean "Upper"?`,
		`{"column": 3}`: "want JSON of", `{} {}`: "something follows", `nonsense`: "want JSON of", ``: "column is missing", `{}`: "column is missing",
	} {
		_, err := op.Map([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	if got := plugintest.Apply[visit, visit](t, plugintest.Configure(op, `{"column": "/page/1"}`), visits(5)...); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "give it an example") {
			t.Errorf("without an example: %v", v)
		}
	}()
	plugins.Configured("pages", build)
}
