package decode

import (
	"bytes"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/records"
)

// padded is text as decoders want it, followed by bytes that would continue it.
func padded(s string) []byte {
	b := append([]byte(s), strings.Repeat(`"1}`, records.Padding)...)
	return b[:len(s)]
}

func mustJSON[T any](t testing.TB) *JSONDecoder {
	p, err := JSON(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return p.Decoder()
}

func decodeJSON[T any](d *JSONDecoder, s string) (v T, why string) {
	b := padded(s)
	if !d.Decode(b, records.Span{Len: uint32(len(b))}, unsafe.Pointer(&v)) {
		return v, d.Reason()
	}
	return v, ""
}

type inner struct {
	A int64   `json:"a,omitzero"`
	B *string `json:"b"`
}

// wide has every kind of column; all are optional so that it agrees with encoding/json.
type wide struct {
	S string            `json:"s,omitzero"`
	T string            `json:"t,omitzero"`
	I int64             `json:"i,omitzero"`
	J int8              `json:"j,omitzero"`
	U uint64            `json:"u,omitzero"`
	V uint16            `json:"v,omitzero"`
	F float64           `json:"f,omitzero"`
	G float32           `json:"g,omitzero"`
	B bool              `json:"b,omitzero"`
	P *string           `json:"p"`
	N *int32            `json:"n"`
	O inner             `json:"o,omitzero"`
	Q *inner            `json:"q"`
	L []int64           `json:"l"`
	K []string          `json:"k"`
	M map[string]string `json:"m"`
	W int64             `json:"w,string,omitzero"`
	R json.RawMessage   `json:"r"`
	Y []byte            `json:"y"`
}

// must has some of the columns of wide, and none may be missing.
type must struct {
	S string  `json:"s"`
	I int64   `json:"i"`
	B bool    `json:"b"`
	P *string `json:"p"`
}

type mustTwin struct {
	S *string `json:"s"`
	I *int64  `json:"i"`
	B *bool   `json:"b"`
	P *string `json:"p"`
}

// checkTwin compares a decoder with encoding/json/v2 on one text.
func checkTwin(t *testing.T, d, strict *JSONDecoder, s string) {
	t.Helper()
	var want wide
	err := jsonv2.Unmarshal([]byte(s), &want, jsontext.AllowDuplicateNames(true))
	isNull := strings.Trim(s, " \t\r\n") == "null"
	got, why := decodeJSON[wide](d, s)
	nullElement := strings.Contains(why, "null (byte") && strings.Contains(s, "null") // which v2 reads as zero
	if (err == nil && !isNull && !nullElement) != (why == "") {
		t.Fatalf("%q:\n twin: %v\n ours: %q", s, err, why)
	}
	unique := jsonv2.Unmarshal([]byte(s), new(wide)) == nil
	if why == "" && unique {
		normalize(&want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: (-twin +ours)\n%s", s, diff)
		}
	}
	var twin mustTwin
	err = jsonv2.Unmarshal([]byte(s), &twin, jsontext.AllowDuplicateNames(true))
	ok := err == nil && twin.S != nil && twin.I != nil && twin.B != nil
	m, why := decodeJSON[must](strict, s)
	if ok != (why == "") {
		t.Fatalf("%q:\n twin: %v %+v\n ours: %q", s, err, twin, why)
	}
	if ok {
		if diff := cmp.Diff(must{*twin.S, *twin.I, *twin.B, twin.P}, m); diff != "" {
			t.Fatalf("%q: (-twin +ours)\n%s", s, diff)
		}
	}
}

// normalize makes empty nil, as we do.
func normalize(w *wide) {
	if len(w.L) == 0 {
		w.L = nil
	}
	if len(w.K) == 0 {
		w.K = nil
	}
	if len(w.M) == 0 {
		w.M = nil
	}
	if len(w.Y) == 0 {
		w.Y = nil
	}
}

var texts = []string{
	`{"s":"a","i":1,"b":true,"p":null}`,
	`{"s":"longer than eight bytes","i":-12345,"b":false,"p":"x"}`,
	`{ "s" : "a" , "i" : 1 , "b" : true }`,
	`{"b":true,"i":1,"s":"other order"}`,
	`{"s":"a","s":"b","i":1,"i":2,"b":true,"p":"x","p":null}`,
	`{"s":"esc \" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00","i":0,"b":true}`,
	`{"\u0073":"escaped name","i":0,"b":true}`,
	`{"s":"é ü 漢字 😀","i":9223372036854775807,"b":true}`,
	`{"s":"a","i":9223372036854775808,"b":true}`,
	`{"s":"a","i":-9223372036854775808,"b":true,"u":18446744073709551615,"v":65535,"j":-128}`,
	`{"u":18446744073709551616}`, `{"v":65536}`, `{"j":128}`, `{"u":-1}`, `{"u":-0}`, `{"i":-0}`, `{"f":-0}`, `{"i":1.0}`, `{"i":1e2}`, `{"i":01}`, `{"i":+1}`, `{"i":.5}`, `{"i":"1"}`,
	`{"f":0.1,"g":0.1}`, `{"f":1e308,"g":1e38}`, `{"f":1e309}`, `{"g":1e39}`, `{"f":123456789012345678901234567890}`, `{"f":3.141592653589793}`, `{"f":12345678901234.5}`, `{"f":0.0000000000000001}`, `{"f":-1.25}`, `{"f":1.}`, `{"f":1e}`, `{"f":NaN}`,
	`{"n":1,"o":{"a":1,"b":"x"},"q":{"a":2},"l":[1,2,3],"k":["a","b\n"],"m":{"x":"y","\n":"z"},"w":"12","r":{"any":[1, "x"]},"y":"aGk="}`,
	`{"n":null,"o":{},"q":null,"l":[],"k":null,"m":{},"r":null,"y":""}`,
	`{"l":[1,]}`, `{"l":[1 2]}`, `{"l":[null]}`, `{"l":["x"]}`, `{"l":{}}`, `{"m":[]}`, `{"m":{"a":1}}`, `{"o":[]}`, `{"o":{"a":"x"}}`, `{"w":12}`, `{"w":"12 "}`, `{"w":""}`, `{"y":"?"}`,
	`{"x":{"deep":[{"a":[[[]]]},null,true,false,1.5e-3,"\u0041"]},"s":"after"}`, `{"x":[1,2`, `{"x":{"a"}}`, `{"x":{"a":1,}}`, `{"x":tru}`, `{"x":"\x"}`, "{\"x\":\"\x01\"}", `{"x":"\ud800"}`, `{"x":"\ud800\u0041"}`, `{"x":"\udc00"}`, "{\"x\":\"\xff\"}", "{\"s\":\"\xc3\"}", "{\"s\":\"\xed\xa0\x80\"}",
	``, ` `, `{`, `}`, `{}`, `{} `, ` {}`, `{}}`, `null`, `[]`, `1`, `"x"`, `{"s"}`, `{"s":}`, `{"s":"a"`, `{"s":"a`, `{"s":"a",}`, `{,}`, `{s:1}`, `{"s":"a"} x`, "\ufeff{}", "{\"s\":\"a\"}\x00",
	`{"s":"0123456","i":1,"b":true}`, `{"s":"01234567","i":1,"b":true}`, `{"s":"012345678","i":1,"b":true}`,
	`{"a column with a very long name that no template would keep inline":1,"s":"x","i":1,"b":true}`,
}

func TestJSONAgreesWithTwin(t *testing.T) {
	for _, first := range append([]string{""}, texts[:8]...) { // each text after others, so that templates fit, fit in part or not at all
		for _, s := range texts {
			d, strict := mustJSON[wide](t), mustJSON[must](t)
			decodeJSON[wide](d, first)
			decodeJSON[must](strict, first)
			checkTwin(t, d, strict, s)
			checkTwin(t, d, strict, s)
		}
	}
}

// TestJSONCut cuts and damages a record at every byte; the twin decides what is still a record.
func TestJSONCut(t *testing.T) {
	d, strict := mustJSON[wide](t), mustJSON[must](t)
	for _, s := range texts {
		for i := range len(s) {
			checkTwin(t, d, strict, s[:i])
			for _, c := range []byte{'"', '\\', '}', ',', ' ', 0x80, 0x1f, '0'} {
				checkTwin(t, d, strict, s[:i]+string([]byte{c})+s[i+1:])
			}
			decodeJSON[must](strict, s)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for i, s := range texts {
		f.Add(texts[i/2], s)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		d, strict := mustJSON[wide](t), mustJSON[must](t)
		for range 2 {
			checkTwin(t, d, strict, first)
			checkTwin(t, d, strict, second)
		}
	})
}

func TestJSONReasons(t *testing.T) {
	type place struct {
		Lat float64
	}
	type event struct {
		UserID string
		Count  int32
		Place  place
		At     time.Time `layout:"millis"`
	}
	good := `{"user_id":"u","count":1,"place":{"lat":1.5},"at":"1700000000000"}`
	cases := []struct{ text, want string }{
		{good, ``},
		{`{"count":1,"place":{"lat":1.5},"at":"1"}`, `column "user_id": missing or null (byte 40)`},
		{`{"user_id":null,"count":1,"place":{"lat":1.5},"at":"1"}`, `column "user_id": missing or null`},
		{`{"user_id":5,"count":1}`, `column "user_id": want a string, found a number (byte 11)`},
		{`{"user_id":"u","count":"1"}`, `column "count": want an integer, found a string`},
		{`{"user_id":"u","count":3000000000}`, `column "count": number out of the range of int32`},
		{`{"user_id":"u","count":1,"place":{}}`, `column "place.lat": missing or null`},
		{`{"user_id":"u","count":1,"place":{"lat":true}}`, `column "place.lat": want a number, found a boolean`},
		{`{"user_id":"u","count":1,"place":{"lat":1},"at":"x"}`, `column "at": not a time as a whole number since 1970`},
		{"{\"user_id\":\"\xff\"}", `column "user_id": invalid UTF-8`},
		{`{"user_id":"u"`, `not the JSON that was asked for: want ',' or '}' (byte 14)`},
		{`null`, `null`},
		{``, `want an object`},
	}
	for _, c := range cases {
		d := mustJSON[event](t)
		decodeJSON[event](d, good)
		_, why := decodeJSON[event](d, c.text)
		if c.want == "" != (why == "") || !strings.Contains(why, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.text, why, c.want)
		}
	}
}

func TestJSONTimes(t *testing.T) {
	type row struct {
		A time.Time  `json:"a"`
		B time.Time  `layout:"millis"`
		C time.Time  `layout:"millis"`
		D time.Time  `layout:"seconds"`
		E *time.Time `layout:"micros"`
		F time.Time  `layout:"2006-01-02T15:04" json:",omitzero"`
	}
	got, why := decodeJSON[row](mustJSON[row](t), `{"a":"2013-01-01T01:00:00.123456789+01:00","b":"1700000000123","c":1700000000123,"d":1700000000,"e":5,"f":"2013-01-01T05:17"}`)
	if why != "" {
		t.Fatal(why)
	}
	e := time.UnixMicro(5).UTC()
	want := row{time.Date(2013, 1, 1, 0, 0, 0, 123456000, time.UTC), time.UnixMilli(1700000000123).UTC(), time.UnixMilli(1700000000123).UTC(), time.Unix(1700000000, 0).UTC(), &e, time.Date(2013, 1, 1, 5, 17, 0, 0, time.UTC)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, bad := range []string{`{"c":1.5}`, `{"c":9223372036854775807}`, `{"b":"1x"}`, `{"b":"1.5"}`, `{"a":"yesterday"}`, `{"f":"2013-01-01"}`} {
		if _, why := decodeJSON[row](mustJSON[row](t), bad); !strings.Contains(why, "column") {
			t.Errorf("%s: %s", bad, why)
		}
	}
}

// TestJSONKeeps decodes many rows and then checks the first: what a row holds is never used again (P26).
func TestJSONKeeps(t *testing.T) {
	d := mustJSON[wide](t)
	s := `{"s":"a\nb","p":"p\n","n":7,"y":"aGk=","q":{"a":3,"b":"\u0041"}}`
	var rows []wide
	for range 1000 {
		v, why := decodeJSON[wide](d, s)
		if why != "" {
			t.Fatal(why)
		}
		rows = append(rows, v)
		decodeJSON[wide](d, strings.NewReplacer("a", "z", "p\\n", "z\\n", "7", "8").Replace(s))
	}
	for _, r := range rows {
		if r.S != "a\nb" || *r.P != "p\n" || *r.N != 7 || string(r.Y) != "hi" || r.Q.A != 3 || *r.Q.B != "A" {
			t.Fatalf("row changed: %+v", r)
		}
	}
}

func TestJSONRefusesTypes(t *testing.T) {
	type recursive struct{ Next []struct{ R *recursive } }
	type row struct {
		C chan int
		F func()
		M map[int]string
		P **int
		Y int `json:"y,case:ignore"`
		Z int `layout:"millis"`
		A int `json:"same"`
		B int `arrow:"same"`
		R *recursive
	}
	_, err := JSON(reflect.TypeFor[row]())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"row.C:", "row.F:", "row.M:", "row.P:", `row.Y: unknown option "case:ignore"`, "row.Z:", "row.B:", "recursive type"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, s := range []string{"0", "-0", "1", "0.1", "123456789.125", "9007199254740993", "0.30000000000000004", "5e-324", "1e22", "99999999999999.9"} {
		var want float64
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		got, why := decodeJSON[float64](mustJSON[float64](t), s)
		if why != "" || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: got %v want %v (%s)", s, got, want, why)
		}
	}
}

const adEvent = `{"user_id":"11111111-1111-4111-8111-111111111111","page_id":"22222222-2222-4222-8222-222222222222","ad_id":"33333333-3333-4333-8333-333333333333","ad_type":"banner","event_type":"view","event_time":"1700000000000","ip_address":"10.1.2.3"}`

type ad struct {
	AdID      string `json:"ad_id"`
	EventType string `json:"event_type"`
	EventTime int64  `json:"event_time,string"`
}

// ads are events as the Yahoo benchmark has them.
func ads(n int) (data []byte, spans []records.Span) {
	types := []string{"banner", "modal", "sponsored-search", "mail", "mobile"}
	events := []string{"view", "click", "purchase"}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		s := strings.Replace(strings.Replace(adEvent, "banner", types[r.IntN(5)], 1), "view", events[r.IntN(3)], 1)
		s = strings.Replace(s, "10.1.2.3", fmt.Sprintf("%d.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256)), 1)
		spans = append(spans, records.Span{Off: uint32(len(data)), Len: uint32(len(s))})
		data = append(data, s...)
	}
	return append(data, bytes.Repeat([]byte{0}, records.Padding)...), spans
}

func BenchmarkJSONAds(b *testing.B) {
	const n = 4000
	data, spans := ads(n)
	d := mustJSON[ad](b)
	b.ReportAllocs()
	for b.Loop() {
		rows := make([]ad, n)
		for i, sp := range spans {
			if !d.Decode(data, sp, unsafe.Pointer(&rows[i])) {
				b.Fatal(d.Reason())
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
