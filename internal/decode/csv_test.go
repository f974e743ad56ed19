package decode

import (
	"encoding/csv"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/records"
)

type plane struct {
	Tailnum string
	Year    *int32
	Seats   int64     `csv:"seats"`
	Weight  float64   `csv:"weight,omitempty"`
	Jet     bool      `arrow:"is_jet"`
	Seen    time.Time `layout:"2006-01-02"`
}

func decodeCSV[T any](d *CSVDecoder, s string) (v T, why string) {
	b := padded(s)
	if !d.Decode(b, records.Span{Len: uint32(len(b))}, unsafe.Pointer(&v)) {
		return v, d.Reason()
	}
	return v, ""
}

func TestCSV(t *testing.T) {
	p, err := CSV(reflect.TypeFor[plane](), CSVOptions{Null: "NA"})
	if err != nil {
		t.Fatal(err)
	}
	year := int32(2004)
	day := time.Date(2013, 1, 2, 0, 0, 0, 0, time.UTC)
	cases := []struct {
		header, text string
		want         plane
		bad          string
	}{
		{"", `N1,2004,55,1.5,true,2013-01-02`, plane{"N1", &year, 55, 1.5, true, day}, ""},
		{"", `"N""1,",NA,55,,false,2013-01-02`, plane{"N\"1,", nil, 55, 0, false, day}, ""},
		{"", `,,0,NA,false,2013-01-02`, plane{"", nil, 0, 0, false, day}, ""},
		{"seats,seen,is_jet,tailnum,extra", `7,2013-01-02,true,"NA",whatever`, plane{"NA", nil, 7, 0, true, day}, ""},
		{"\ufeffseats, seen,is_jet,tailnum", `7,2013-01-02,true,é`, plane{"é", nil, 7, 0, true, day}, ""},
		{"seats,seen,is_jet", `7,2013-01-02,true`, plane{}, `header: column "tailnum" is missing`},
		{"seats,seats,seen,is_jet,tailnum", ``, plane{}, `column "seats" is there twice`},
		{"", `N1,2004,55,1.5,true`, plane{}, "5 fields, want 6"},
		{"", `N1,2004,55,1.5,true,2013-01-02,x`, plane{}, "more than 6 fields"},
		{"", `N1,2004,,1.5,true,2013-01-02`, plane{}, `column "seats": empty`},
		{"", `NA,2004,1,1.5,true,2013-01-02`, plane{}, `column "tailnum": empty`},
		{"", `N1,20x4,55,1.5,true,2013-01-02`, plane{}, `column "year": "20x4" is not an integer that fits int32`},
		{"", `N1,3000000000,55,1.5,true,2013-01-02`, plane{}, `column "year"`},
		{"", `N1,2004,55,1.5x,true,2013-01-02`, plane{}, `column "weight"`},
		{"", `N1,2004,55,1.5,TRUE,2013-01-02`, plane{}, `column "is_jet"`},
		{"", `N1,2004,55,1.5,true,2013-13-02`, plane{}, `column "seen"`},
		{"", `"N1,2004,55,1.5,true,2013-01-02`, plane{}, "quotes do not match"},
		{"", `"N1"x,2004,55,1.5,true,2013-01-02`, plane{}, "quotes do not match"},
		{"", `N"1,2004,55,1.5,true,2013-01-02`, plane{}, "quotes do not match"},
		{"", "N\xff,2004,55,1.5,true,2013-01-02", plane{}, "invalid UTF-8"},
		{"", "", plane{}, "1 fields, want 6"},
	}
	for _, c := range cases {
		d := p.Decoder()
		if c.header != "" {
			d.Header([]byte(c.header))
		}
		got, why := decodeCSV[plane](d, c.text)
		if (c.bad == "") != (why == "") || !strings.Contains(why, c.bad) {
			t.Errorf("%q %q: %q, want %q", c.header, c.text, why, c.bad)
			continue
		}
		if diff := cmp.Diff(c.want, got); why == "" && diff != "" {
			t.Errorf("%q %q: %s", c.header, c.text, diff)
		}
	}
}

func TestCSVRefuses(t *testing.T) {
	type nested struct{ X struct{ Y int } }
	type quoted struct {
		X string `csv:"x,string"`
	}
	for _, c := range []struct {
		t    reflect.Type
		o    CSVOptions
		want string
	}{
		{reflect.TypeFor[nested](), CSVOptions{}, "nested.X: a CSV column"},
		{reflect.TypeFor[quoted](), CSVOptions{}, "quoted.X: the option string is for numbers and booleans"},
		{reflect.TypeFor[string](), CSVOptions{}, "rows of CSV are structs"},
		{reflect.TypeFor[plane](), CSVOptions{Comma: '"'}, "cannot stand between"},
		{reflect.TypeFor[plane](), CSVOptions{Columns: []string{"tailnum"}}, `column "seats" is missing`},
	} {
		if _, err := CSV(c.t, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.t, err, c.want)
		}
	}
}

// FuzzCSV compares single lines with encoding/csv.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b,c", `"a","b""c",""`, `a"b,c,d`, `"a`, `,,`, `é,"ü,",x`, `"a"b,c,d`} {
		f.Add(s)
	}
	type row struct{ A, B, C string }
	p, err := CSV(reflect.TypeFor[row](), CSVOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\r\n") || s == "" {
			return
		}
		got, why := decodeCSV[row](p.Decoder(), s)
		r := csv.NewReader(strings.NewReader(s + "\n"))
		r.FieldsPerRecord = 3
		want, err := r.Read()
		if !utf8.ValidString(s) {
			want, err = nil, strings.NewReader("").UnreadByte()
		}
		if (err == nil) != (why == "") {
			t.Fatalf("%q: twin %v, ours %q", s, err, why)
		}
		if err == nil && (row{want[0], want[1], want[2]}) != got {
			t.Fatalf("%q: twin %q, ours %q", s, want, got)
		}
	})
}
