package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/records"
)

// single has a field of each type that a column holds.
type single struct {
	Page   string
	Count  int64
	Quoted int64 `json:"quoted,string"`
	Small  int8
	Port   uint16 `json:",omitempty"`
	Score  float64
	Rate   float32 `json:"rate,string"`
	Ok     bool
	At     time.Time
	Millis time.Time `layout:"millis"`
	Data   []byte
	Raw    json.RawMessage
	Who    *string
	Old    *int32
	Name   string `json:",omitempty"`
	Nested struct {
		A int64
		B []string
	} `json:",omitempty"`
}

// columnsOf are the single values of rows of type T as columns, all but those of nested types.
func columnsOf[T any](t testing.TB) (*Columns, []*col.Vec) {
	p, err := JSON(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	vecs := make([]*col.Vec, len(p.root.fields))
	c, ok := p.Columns(func(off uintptr, typ reflect.Type) *col.Vec {
		for i, f := range p.root.fields {
			if f.off == off && flat(f.node) {
				vecs[i] = col.New(typeOf(f.node), 0)
				return vecs[i]
			}
		}
		return nil
	})
	if !ok {
		t.Fatal("no columns")
	}
	return c, vecs
}

func typeOf(n *node) arrow.DataType {
	switch n.kind {
	case kindPointer:
		return typeOf(n.elem)
	case kindString:
		return arrow.BinaryTypes.String
	case kindBytes, kindRaw:
		return arrow.BinaryTypes.Binary
	case kindBool:
		return arrow.FixedWidthTypes.Boolean
	case kindInt:
		return arrow.PrimitiveTypes.Int64
	case kindUint:
		return arrow.PrimitiveTypes.Uint64
	case kindFloat:
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.FixedWidthTypes.Timestamp_us
}

// valueOf is value i of a column, nil where it is null.
func valueOf(v *col.Vec, i int) any {
	if v.IsNull(i) {
		return nil
	}
	switch v.Kind {
	case col.Text:
		return v.Texts[i]
	case col.Bool:
		return v.Bools[i]
	case col.Int:
		return v.Ints[i]
	case col.Uint:
		return v.Uints[i]
	}
	return v.Floats[i]
}

// fieldOf is a field of a row as valueOf has it.
func fieldOf(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UnixMicro()
	case []byte:
		return string(x)
	case json.RawMessage:
		return string(x)
	}
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	case v.CanFloat():
		return v.Float()
	}
	return v.Interface()
}

// checkColumns reads records into rows and into columns: the same ones must fail, for the same reasons, and the rest have the same values.
func checkColumns(t *testing.T, texts []string) {
	t.Helper()
	var data []byte
	var spans []records.Span
	for _, s := range texts {
		spans = append(spans, records.Span{Off: uint32(len(data)), Len: uint32(len(s))})
		data = append(data, s...)
	}
	data = append(data, bytes.Repeat([]byte(`"1}`), records.Padding)...)
	data = data[:len(data)-3*records.Padding]
	d := mustJSON[single](t)
	c, vecs := columnsOf[single](t)
	c.Reset(len(texts))
	for i, sp := range spans {
		var row single
		want, got := d.Decode(data, sp, unsafe.Pointer(&row)), c.Add(data, sp)
		if want != got || !want && d.Reason() != c.Reason() {
			t.Fatalf("record %d, %q: rows %v %s, columns %v %s", i, texts[i], want, d.Reason(), got, c.Reason())
		}
		if !want {
			continue
		}
		for k, f := range c.root.fields {
			if vecs[k] == nil {
				continue
			}
			value := reflect.NewAt(f.node.typ, unsafe.Add(unsafe.Pointer(&row), f.off)).Elem()
			if w, g := fieldOf(value), valueOf(vecs[k], c.Len()-1); w != g {
				t.Fatalf("record %d, %q: %s is %v (%T), want %v (%T)", i, texts[i], f.name, g, g, w, w)
			}
		}
	}
}

// bothWays runs f with marks and without.
func bothWays(t *testing.T, f func(t *testing.T)) {
	has := hasMarks
	defer func() { hasMarks = has }()
	for _, hasMarks = range []bool{false, has} {
		t.Run(fmt.Sprintf("marks=%v", hasMarks), f)
	}
}

// object is a random object, usually of one layout, and now and then hostile.
func object(r *rand.Rand) string {
	pick := func(usual string, others ...string) string {
		if r.IntN(12) == 0 {
			return others[r.IntN(len(others))]
		}
		return usual
	}
	word := func() string {
		return pick(`"`+strings.Repeat("x", r.IntN(4))+`abc"`, `"a\"b"`, `"é"`, `"\u00e9"`, `""`, `"`+strings.Repeat("long ", 40)+`"`, `"a`+"\x01"+`"`, "null", "7", `"\ud800"`, "\"\xff\"", `"\\"`)
	}
	number := func() string {
		return pick(fmt.Sprint(r.Int64N(1_000_000_000_000)), "0", "-5", "1.5", "null", "9223372036854775807", "9223372036854775808", "007", `"3"`, "1e3", "12345678901234567890", "-")
	}
	items := []string{
		`"page":` + word(), `"count":` + number(), `"other":` + pick(word(), `{"a":[1,"]"]}`, "12", "null", "[", "true"),
		`"quoted":"` + fmt.Sprint(r.Int64N(1_000_000)) + pick(`"`, ` "`, "", `x"`), `"small":` + pick("12", "127", "128", "-128", "-129"),
		`"score":` + pick("1.25", "0", "-3e7", "1e400", "null"), `"rate":` + pick(`"0.5"`, `0.5`, `"x"`), `"ok":` + pick("true", "false", "null", "tru"),
		`"at":` + pick(`"2024-05-06T07:08:09.123456Z"`, `"2024-05-06T07:08:09+02:00"`, `"2024"`, "null"), `"millis":` + pick("1700000000000", `"1700000000000"`, "-1", "1.5"),
		`"data":` + pick(`"AAEC"`, "null", `"?"`, `""`), `"raw":` + pick(`{"x": 1}`, "null", "[1, 2]", `"t"`), `"who":` + word(), `"old":` + pick("5", "null", "3000000000"),
	}
	if r.IntN(10) == 0 {
		items = append(items, `"port":`+pick("80", "65536", "null"), `"name":`+word(), `"nested":{"a":1,"b":["x"]}`)
	}
	switch r.IntN(30) {
	case 0:
		r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	case 1:
		items = append(items, items[r.IntN(len(items))])
	case 2:
		items = items[:len(items)-1-r.IntN(3)]
	case 3:
		items[r.IntN(len(items))] += " "
	}
	s := "{" + strings.Join(items, ",") + "}"
	switch r.IntN(40) {
	case 0:
		s = s[:r.IntN(len(s))]
	case 1:
		s += pick(" ", "x", "}")
	case 2:
		b := []byte(s)
		b[r.IntN(len(b))] = byte(r.IntN(256))
		s = string(b)
	}
	return s
}

func TestColumnsAreRows(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, 1))
			texts := make([]string, 1+r.IntN(60))
			for i := range texts {
				texts[i] = object(r)
			}
			checkColumns(t, texts)
		}
	})
}

// TestColumnsExpect checks that objects of the layout of the one before are read without the way over a row.
func TestColumnsExpect(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		data, spans := ads(100)
		c, _ := columnsOf[ad](t)
		c.Reset(len(spans))
		for i, sp := range spans {
			if i > 0 {
				c.layout.wait = -1 // for good
			}
			if !c.Add(data, sp) {
				t.Fatal(c.Reason())
			}
			if i > 0 && c.layout.wait != -1 {
				t.Fatalf("record %d was not expected: %s", i, data[sp.Off:sp.Off+sp.Len])
			}
		}
	})
}

func TestMarks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		n := 64 * (1 + r.IntN(8))
		b := make([]byte, n+records.Padding)
		for i := range b {
			b[i] = byte(' ' + r.IntN(95))
			if r.IntN(4) == 0 {
				b[i] = byte(r.IntN(256))
			}
		}
		plain, fast := make([]uint64, n/64), make([]uint64, n/64)
		marksPlain(unsafe.Pointer(&b[0]), n, plain)
		marks(unsafe.Pointer(&b[0]), n, fast)
		for i := range n {
			want := b[i] == '"' || b[i] == '\\' || b[i] < ' ' || b[i] >= 0x80
			if got := plain[i/64]>>(i%64)&1 == 1; got != want {
				t.Fatalf("%q is marked: %v", b[i], got)
			}
		}
		if !reflect.DeepEqual(plain, fast) {
			t.Fatalf("%x, want %x, for %q", fast, plain, b[:n])
		}
	}
}

func FuzzColumns(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		f.Add(object(r), object(r))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 1<<20 {
			return
		}
		has := hasMarks
		defer func() { hasMarks = has }()
		for _, hasMarks = range []bool{false, has} {
			checkColumns(t, []string{a, b, a, b})
		}
	})
}

func BenchmarkColumnsAds(b *testing.B) {
	data, spans := ads(4000)
	c, _ := columnsOf[ad](b)
	b.ReportAllocs()
	for b.Loop() {
		c.Reset(len(spans))
		for _, sp := range spans {
			if !c.Add(data, sp) {
				b.Fatal(c.Reason())
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(spans)), "ns/record")
}
