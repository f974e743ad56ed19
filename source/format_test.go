package source

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// absent is a value or key that a record lacks.
const absent = "\x00absent"

// block builds a block from keys (or nil) and values.
func block(keys []string, values ...string) *records.Block {
	b := &records.Block{First: 100, Next: 100 + int64(len(values))}
	span := func(s string) records.Span {
		if s == absent {
			return records.Span{Len: records.Null}
		}
		off := len(b.Data)
		b.Data = append(b.Data, s...)
		return records.Span{Off: uint32(off), Len: uint32(len(s))}
	}
	for i, v := range values {
		if keys != nil {
			b.Keys = append(b.Keys, span(keys[i]))
		}
		b.Values = append(b.Values, span(v))
		b.Times = append(b.Times, 1_700_000_000_000_000+int64(i))
	}
	b.Data = pad(b.Data)
	return b
}

// decodeAll decodes [lo, hi) of b by f.
func decodeAll[T any](t testing.TB, f Format[T], b *records.Block, lo, hi int) ([]T, []int32, []rdd.Bad) {
	t.Helper()
	if f.err != nil {
		t.Fatal(f.err)
	}
	c, rows, bad := f.spec("test", "x").NewDecoder().Decode(b, lo, hi)
	if out := c.Vals.([]T); len(out) != c.N || rows != nil && len(rows) != c.N {
		t.Fatalf("%d rows, N %d, %d indexes", len(out), c.N, len(rows))
	}
	return c.Vals.([]T), rows, bad
}

type view struct {
	Page  string
	Count int64
	Who   *string
}

// TestBadInput is the list of what may be wrong with a record: each is reported with its reason, and the rows around it are there.
func TestBadInput(t *testing.T) {
	good := `{"page":"a","count":1}`
	for _, c := range []struct{ value, reason string }{
		{`{"page":"a"`, "not the JSON that was asked for"},
		{`hello`, "want an object"},
		{``, "want an object, found the end"},
		{`{"page":"a","count":"many"}`, `column "count": want an integer, found a string`},
		{`{"page":1,"count":1}`, `column "page": want a string`},
		{`{"page":"` + strings.Repeat("x", 200) + `","count":1}`, "too long: more than 100 bytes"},
		{"{\"page\":\"\xff\xfe\",\"count\":1}", `column "page": invalid UTF-8`},
		{`{"page":"a"}`, `column "count": missing or null`},
		{`{"page":"a","count":null}`, `column "count": missing or null`},
		{absent, "record has no value"},
	} {
		f := JSON[view](MaxRecord(100))
		rows, at, bad := decodeAll(t, f, block(nil, "skipped", good, c.value, good, good), 1, 5)
		if len(rows) != 3 || !cmp.Equal(at, []int32{1, 3, 4}) || len(bad) != 1 || bad[0].Index != 2 || !strings.Contains(bad[0].Reason, c.reason) {
			t.Errorf("%q: %d rows at %v, bad %+v, want %q", c.value, len(rows), at, bad, c.reason)
		}
		for _, r := range rows {
			if r != (view{Page: "a", Count: 1}) {
				t.Errorf("%q: neighbour is %+v", c.value, r)
			}
		}
	}
}

// TestBadLeavesNothing checks that a record that failed half-way leaves none of its columns in the next row.
func TestBadLeavesNothing(t *testing.T) {
	rows, _, bad := decodeAll(t, JSON[view](), block(nil, `{"page":"a","who":"me","count":"x"}`, `{"page":"b","count":2}`), 0, 2)
	if len(bad) != 1 || !cmp.Equal(rows, []view{{Page: "b", Count: 2}}) {
		t.Errorf("rows %+v, bad %+v", rows, bad)
	}
}

func TestText(t *testing.T) {
	rows, at, bad := decodeAll(t, Text(MaxRecord(10)), block(nil, "one", "", "\xc3", "longer than ten", absent, "zwölf"), 0, 6)
	if !cmp.Equal(rows, []string{"one", "", "zwölf"}) || !cmp.Equal(at, []int32{0, 1, 5}) {
		t.Errorf("rows %q at %v", rows, at)
	}
	want := []rdd.Bad{{Index: 2, Reason: "invalid UTF-8"}, {Index: 3, Reason: "too long: more than 10 bytes"}, {Index: 4, Reason: "record has no value"}}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Error(diff)
	}
}

func TestRaw(t *testing.T) {
	rows, _, bad := decodeAll(t, Raw(), block([]string{"k", absent, ""}, "v", absent, "\xff"), 0, 3)
	at := func(i int64) time.Time { return time.UnixMicro(1_700_000_000_000_000 + i).UTC() }
	want := []Record{{100, at(0), []byte("k"), []byte("v"), false}, {101, at(1), nil, nil, true}, {102, at(2), nil, []byte("\xff"), false}}
	if diff := cmp.Diff(want, rows); diff != "" || bad != nil {
		t.Error(diff, bad)
	}
}

func TestChangelog(t *testing.T) {
	f := Changelog[view]()
	rows, at, bad := decodeAll(t, f, block([]string{"k1", "k2", absent, "\xff", "k3"}, `{"page":"a","count":1}`, absent, `{}`, `{}`, `{}`), 0, 5)
	want := []Change[view]{{"k1", false, view{Page: "a", Count: 1}}, {Key: "k2", Deleted: true}}
	if diff := cmp.Diff(want, rows); diff != "" || !cmp.Equal(at, []int32{0, 1}) {
		t.Error(diff, at)
	}
	reasons := ""
	for _, b := range bad {
		reasons += b.Reason + "\n"
	}
	if len(bad) != 3 || !strings.Contains(reasons, "has no key\nkey: invalid UTF-8\ncolumn \"page\": missing") {
		t.Error(reasons)
	}
	if s := LogChangelog[view]("profiles"); !s.Spec().Mutable || s.Spec().Err != nil || s.Spec().Name != "log:profiles" {
		t.Errorf("%+v", s.Spec())
	}
}

func TestCSVHeader(t *testing.T) {
	type r struct {
		A string
		B int64
	}
	rows, at, bad := decodeAll(t, CSV[r](Header()), block([]string{"a,b", "a,b", "b,x,a", "a"}, "x,1", "y,z", "2,?,w", "x"), 0, 4)
	if !cmp.Equal(rows, []r{{"x", 1}, {"w", 2}}) || !cmp.Equal(at, []int32{0, 2}) || len(bad) != 2 {
		t.Errorf("%+v %v %+v", rows, at, bad)
	}
}

func TestFunc(t *testing.T) {
	f := Func("upper", func(k, v []byte, at time.Time) (string, error) {
		if len(v) == 0 {
			return "", errors.New("nothing there")
		}
		return string(bytes.ToUpper(v)), nil
	})
	rows, _, bad := decodeAll(t, f, block(nil, "a", "", "b"), 0, 3)
	if !cmp.Equal(rows, []string{"A", "B"}) || len(bad) != 1 || bad[0].Reason != "nothing there" {
		t.Errorf("%v %v", rows, bad)
	}
}

// TestRowTypes checks that the row types of formats have columns, and that JSON names them as the engine does.
func TestRowTypes(t *testing.T) {
	for _, c := range []struct {
		codec func() (*row.Codec, error)
		want  string
	}{
		{row.For[Record], "offset: int64, time: timestamp[us], key: binary, value: binary, tombstone: bool"},
		{row.For[Tick], "value: int64, time: timestamp[us]"},
		{row.For[Change[view]], "key: utf8, deleted: bool, value: struct<page: utf8, count: int64, who: utf8?>"},
		{row.For[Change[string]], "key: utf8, deleted: bool, value: utf8"},
	} {
		codec, err := c.codec()
		if err != nil {
			t.Error(err)
			continue
		}
		if codec.Text() != c.want {
			t.Errorf("got  %s\nwant %s", codec.Text(), c.want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		spec *Spec
		want string
	}{
		{LogText("lines", From(Latest), MaxRecord(5)).Spec(), ""},
		{LogText("", From(Latest)).Spec(), "want the name of a topic"},
		{LogText("lines", Settle(0)).Spec(), "option Settle is not for a topic; it takes From, Compacted"},
		{LogText("lines", Header()).Spec(), "option Header is not for text"},
		{KafkaCSV[view]("lines", Header()).Spec(), "Header is for files"},
		{KafkaCSV[view]("lines", Columns("page")).Spec(), `column "count" is missing`},
		{KafkaJSON[chan int]("lines").Spec(), "chan int"},
		{LogText("lines", MaxRecord(0)).Spec(), "MaxRecord(0)"},
		{Rate(0).Spec(), "rate of 0 rows"},
		{Rate(1, Partitions(0)).Spec(), "Partitions(0)"},
	} {
		if c.want == "" != (c.spec.Err == nil) || c.want != "" && !strings.Contains(c.spec.Err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.spec.Name, c.spec.Err, c.want)
		}
	}
	s := KafkaJSON[view]("views").Named("clicks").Spec()
	if s.Name != "clicks" || s.Kind != "kafka" || s.PlanText() != "kafka views json{page:string count:int64 who:string?}" {
		t.Errorf("%+v", s)
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	var values []string
	for range 4096 {
		values = append(values, `{"page":"/a/page","referrer":"/another/page","count":12345,"who":"me"}`)
	}
	blk := block(nil, values...)
	d := JSON[view]().spec("test", "x").NewDecoder()
	b.ReportAllocs()
	for b.Loop() {
		d.Decode(blk, 0, blk.Len())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/record")
}
