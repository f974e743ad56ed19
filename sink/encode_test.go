package sink

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"
)

// record builds a record of schema from rows in Arrow's own JSON.
func record(t testing.TB, schema *arrow.Schema, rows string) arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func fields(kv ...any) *arrow.Schema {
	var fs []arrow.Field
	for i := 0; i < len(kv); i += 2 {
		fs = append(fs, arrow.Field{Name: kv[i].(string), Type: kv[i+1].(arrow.DataType), Nullable: true})
	}
	return arrow.NewSchema(fs, nil)
}

var (
	str = arrow.BinaryTypes.String
	i64 = arrow.PrimitiveTypes.Int64
	f64 = arrow.PrimitiveTypes.Float64
	ts  = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

func encoded(t *testing.T, s Schema, f Format, rows string) (keys, vals []string) {
	t.Helper()
	e, err := newEncoder(s, f)
	if err != nil {
		t.Fatal(err)
	}
	var k, v bytesColumn
	for range 2 { // the second time with used memory
		if err := e.Encode(record(t, s.Arrow, rows), &k, &v); err != nil {
			t.Fatal(err)
		}
	}
	list := func(c *bytesColumn) (out []string) {
		for i := range c.Len() {
			if b := c.Value(i); b == nil {
				out = append(out, "<none>")
			} else {
				out = append(out, string(b))
			}
		}
		return out
	}
	return list(&k), list(&v)
}

func TestEncode(t *testing.T) {
	point := arrow.StructOf(arrow.Field{Name: "x", Type: i64}, arrow.Field{Name: "y", Type: f64, Nullable: true})
	tests := []struct {
		name       string
		schema     Schema
		format     Format
		rows       string
		keys, vals []string
	}{
		{"changelog", Schema{fields("key", str, "value", i64), 1, true, true}, Text,
			`[{"key":"go","value":7},{"key":"","value":-1},{"key":"x","value":null}]`,
			[]string{"go", "", "x"}, []string{"7", "-1", "<none>"}},
		{"changelog as json", Schema{fields("key", i64, "value", str), 1, true, true}, JSON,
			`[{"key":12,"value":"a \"b\" <c>"}]`, []string{"12"}, []string{`"a \"b\" <c>"`}},
		{"struct key", Schema{fields("key.page", str, "key.day", i64, "n", i64, "at", ts), 2, false, false}, JSON,
			`[{"key.page":"p","key.day":3,"n":1,"at":"2024-02-29 12:00:00.5"},{"key.page":"q","key.day":4,"n":null,"at":"1969-12-31 23:59:59.999999"}]`,
			[]string{`{"page":"p","day":3}`, `{"page":"q","day":4}`},
			[]string{`{"n":1,"at":"2024-02-29T12:00:00.500000Z"}`, `{"n":null,"at":"1969-12-31T23:59:59.999999Z"}`}},
		{"nested", Schema{Arrow: fields("p", point, "l", arrow.ListOf(str), "m", arrow.MapOf(str, i64), "b", arrow.BinaryTypes.Binary, "ok", arrow.FixedWidthTypes.Boolean)}, JSON,
			`[{"p":{"x":1,"y":0.5},"l":["a","b"],"m":[{"key":"k","value":1}],"b":"aGk=","ok":true},{"p":null,"l":[],"m":[],"b":null,"ok":null},{"p":{"x":2,"y":null},"l":null,"m":null,"b":"","ok":false}]`,
			nil, []string{
				`{"p":{"x":1,"y":0.5},"l":["a","b"],"m":{"k":1},"b":"aGk=","ok":true}`,
				`{"p":null,"l":[],"m":{},"b":null,"ok":null}`,
				`{"p":{"x":2,"y":null},"l":null,"m":null,"b":"","ok":false}`}},
		{"text", Schema{fields("value", str), 0, false, true}, Text, `[{"value":"a\nb"}]`, nil, []string{"a\nb"}},
		{"text time", Schema{fields("value", ts), 0, false, true}, Text, `[{"value":"2024-01-01"}]`, nil, []string{"2024-01-01T00:00:00.000000Z"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			keys, vals := encoded(t, test.schema, test.format, test.rows)
			if diff := cmp.Diff(test.keys, keys); diff != "" {
				t.Errorf("keys: %s", diff)
			}
			if diff := cmp.Diff(test.vals, vals); diff != "" {
				t.Errorf("values: %s", diff)
			}
		})
	}
}

// A record that is a slice of another one has offsets in every buffer.
func TestEncodeSlice(t *testing.T) {
	s := Schema{Arrow: fields("l", arrow.ListOf(i64), "p", arrow.StructOf(arrow.Field{Name: "s", Type: str, Nullable: true}), "m", arrow.MapOf(str, i64), "t", ts, "d", &arrow.Decimal128Type{Precision: 9, Scale: 2})}
	rec := record(t, s.Arrow, `[
		{"l":[1],"p":{"s":"a"},"m":[{"key":"a","value":1}],"t":"2024-01-01","d":"1"},
		{"l":[2,3],"p":{"s":"b"},"m":[{"key":"b","value":2}],"t":"2024-01-02","d":"-0.5"},
		{"l":[4],"p":null,"m":null,"t":null,"d":"12.34"}]`)
	e, err := newEncoder(s, JSON)
	if err != nil {
		t.Fatal(err)
	}
	var k, v bytesColumn
	if err := e.Encode(rec.NewSlice(1, 3), &k, &v); err != nil {
		t.Fatal(err)
	}
	want := `{"l":[2,3],"p":{"s":"b"},"m":{"b":2},"t":"2024-01-02T00:00:00.000000Z","d":-0.50}{"l":[4],"p":null,"m":null,"t":null,"d":12.34}`
	if diff := cmp.Diff(want, string(v.Data)); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, test := range []struct {
		schema Schema
		format Format
		want   string
	}{
		{Schema{Arrow: fields("a", str, "b", i64)}, Text, "columns a, b"},
		{Schema{fields("value", arrow.ListOf(str)), 0, false, true}, Text, "no form as text"},
		{Schema{Arrow: fields("a", &arrow.Decimal256Type{Precision: 3})}, JSON, "column a"},
	} {
		if _, err := newEncoder(test.schema, test.format); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want …%s…", err, test.want)
		}
	}
	e, err := newEncoder(Schema{Arrow: fields("a", str)}, JSON)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Encode(record(t, fields("a", i64), `[{"a":1}]`), new(bytesColumn), new(bytesColumn)); err == nil {
		t.Error("another schema is taken")
	}
}

func TestFloats(t *testing.T) {
	for _, f := range []float64{0, 1, -1.5, 1e-7, 1.5e-9, 1e20, 1e21, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3} {
		want, _ := json.Marshal(f)
		if got := string(appendFloat(nil, f, 64, false)); got != string(want) {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
		want, _ = json.Marshal(float32(f))
		if got := string(appendFloat(nil, float64(float32(f)), 32, false)); got != string(want) && want != nil {
			t.Errorf("float32 %v: %s, want %s", f, got, want)
		}
	}
	if got := string(appendFloat(nil, math.NaN(), 64, false)); got != "null" {
		t.Error(got)
	}
	if got := string(appendFloat(nil, math.Inf(-1), 64, true)); got != "-Inf" {
		t.Error(got)
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", "a\"\\\n\x00\x1f", "\xff", "é\xc3", "\u2028", "\xed\xa0\x80", "日本\xe6\x97"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString(nil, s)
		if string(appendString(nil, []byte(s))) != string(got) {
			t.Fatalf("%q: string and bytes differ", s)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || !utf8.Valid(got) {
			t.Fatalf("%q: %s: %v", s, got, err)
		}
		if want := string([]rune(s)); back != want {
			t.Fatalf("%q came back as %q", want, back)
		}
	})
}

func BenchmarkEncodeJSON(b *testing.B) {
	s := Schema{fields("key", str, "page", str, "n", i64, "score", f64, "at", ts), 1, true, false}
	row := `{"key":"carrier-7","page":"/a/page/of/some/length","n":123456,"score":0.25,"at":"2024-02-29 12:00:00.5"}`
	rec := record(b, s.Arrow, "["+strings.Repeat(row+",", 4095)+row+"]")
	e, err := newEncoder(s, JSON)
	if err != nil {
		b.Fatal(err)
	}
	var k, v bytesColumn
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Encode(rec, &k, &v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(4096*b.N)/b.Elapsed().Seconds(), "rows/s")
}
