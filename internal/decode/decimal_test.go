package decode

import (
	"encoding/json/jsontext"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/millrace/millrace/internal/decimal"
	"github.com/millrace/millrace/internal/records"
)

type priced struct {
	Price decimal.Dec  `decimal:"18,2"`
	Fee   *decimal.Dec `decimal:"4,4"`
}

func TestDecimals(t *testing.T) {
	d := mustJSON[priced](t)
	for _, c := range []struct{ s, price, fee, why string }{
		{`{"price":12.34}`, "12.34", "", ""},
		{`{"price":"-12.3400","fee":0.5}`, "-12.34", "0.5000", ""},
		{`{"price":9007199254740993.01,"fee":null}`, "9007199254740993.01", "", ""},
		{`{"price":1.5E2,"fee":"1e-4"}`, "150.00", "0.0001", ""},
		{`{"price":1.234}`, "", "", `column "price": more than 2 digits behind the point (byte 9)`},
		{`{"price":10000000000000000}`, "", "", `column "price": more than 16 digits before the point (byte 9)`},
		{`{"price":1,"fee":"1"}`, "", "", `column "fee": more than 0 digits before the point (byte 17)`},
		{`{"price":true}`, "", "", `column "price": want a number, within a string or not, found a boolean (byte 9)`},
		{`{"price":"1,5"}`, "", "", `column "price": want a string that holds nothing but a number (byte 9)`},
		{`{"price":"+1"}`, "", "", `column "price": want a number, within a string or not, found a string (byte 9)`},
		{`{"price":null}`, "", "", `column "price": missing or null (byte 14)`},
	} {
		v, why := decodeJSON[priced](d, c.s)
		if why != c.why {
			t.Errorf("%s: %q, want %q", c.s, why, c.why)
		}
		if why == "" && (v.Price.Text(2) != c.price || (v.Fee != nil) != (c.fee != "") || v.Fee != nil && v.Fee.Text(4) != c.fee) {
			t.Errorf("%s: %v", c.s, v)
		}
	}
	p, err := CSV(reflect.TypeFor[priced](), CSVOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ s, price, fee, why string }{
		{"12.34,", "12.34", "", ""},
		{`"-0.5",0.25`, "-0.50", "0.2500", ""},
		{"1.234,", "", "", `column "price": "1.234" is not a decimal of at most 16 digits before the point and 2 behind it`},
		{"1 ,", "", "", `column "price": "1 " is not a decimal of at most 16 digits before the point and 2 behind it`},
		{",", "", "", `column "price": empty`},
	} {
		var v priced
		b := padded(c.s)
		dec := p.Decoder()
		if ok := dec.Decode(b, records.Span{Len: uint32(len(b))}, unsafe.Pointer(&v)); ok != (c.why == "") || !ok && dec.Reason() != c.why {
			t.Errorf("%s: %v %q, want %q", c.s, ok, dec.Reason(), c.why)
		} else if ok && (v.Price.Text(2) != c.price || (v.Fee != nil) != (c.fee != "")) {
			t.Errorf("%s: %v", c.s, v)
		}
	}
}

func TestDecimalsNeedTheirDigits(t *testing.T) {
	type row struct {
		A decimal.Dec
		B decimal.Dec `decimal:"39,2"`
		C decimal.Dec `decimal:"9,2" csv:"c,string"`
	}
	_, err := CSV(reflect.TypeFor[row](), CSVOptions{})
	for _, want := range []string{"row.A: a decimal without its digits", "row.B: a decimal without its digits", "row.C: the option string"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	p, err := JSON(reflect.TypeFor[priced]())
	if err != nil || p.Text() != "json{price:decimal(18,2) fee:decimal(4,4)?}" {
		t.Errorf("%v %v", p, err)
	}
}

// FuzzDecimals compares what becomes of a number, in JSON, in a string of JSON and in CSV, with fractions of math/big.
func FuzzDecimals(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1e3", "123456789012345678", "0.005", "1.", ".5", "01", "1e", "--1", "0x1", "1_0", "Inf", "-0", "1E-2"} {
		f.Add(s)
	}
	csv, err := CSV(reflect.TypeFor[priced](), CSVOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, " \t\r\n,\"\\") || len(s) > 100 {
			return // other than a number by itself
		}
		number := jsontext.Value(s).Kind() == '0' && jsontext.Value(s).IsValid()
		if _, exp, has := strings.Cut(strings.ToLower(s), "e"); number && has && len(exp) > 4 {
			return // math/big would compute for long
		}
		want, ok := new(big.Int), false
		if number {
			x, _ := new(big.Rat).SetString(s)
			x.Mul(x, big.NewRat(100, 1))
			limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)
			want, ok = x.Num(), x.IsInt() && x.Num().CmpAbs(limit) < 0
		}
		check := func(what string, v priced, read bool, why string) {
			if read != ok || ok && v.Price.BigInt().Cmp(want) != 0 {
				t.Fatalf("%s %q: %v %s, want %v %s; %s", what, s, read, v.Price.BigInt(), ok, want, why)
			}
		}
		d := mustJSON[priced](t)
		for _, form := range []string{`{"price":%s}`, `{"price":"%s"}`} {
			v, why := decodeJSON[priced](d, fmt.Sprintf(form, s))
			check(form, v, why == "", why)
		}
		var v priced
		b, line := padded(s+","), csv.Decoder()
		read := line.Decode(b, records.Span{Len: uint32(len(b))}, unsafe.Pointer(&v))
		check("CSV", v, read, line.Reason())
		if ok {
			again, why := decodeJSON[priced](d, `{"price":`+v.Price.Text(2)+`}`) // as sinks write it
			if why != "" || again.Price != v.Price {
				t.Fatalf("%q is written as %s and read as %v: %s", s, v.Price.Text(2), again.Price, why)
			}
		}
	})
}
