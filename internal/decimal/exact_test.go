package decimal

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// checkRead compares Read with fractions of math/big.
func checkRead(t *testing.T, s string, f Form) {
	t.Helper()
	x, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	unscaled := x.Mul(x, new(big.Rat).SetInt(power(f.Scale)))
	before := new(big.Int).Quo(unscaled.Num(), unscaled.Denom())
	n, fit := f.Read(s)
	want := Exact
	switch {
	case before.CmpAbs(power(f.Digits)) >= 0:
		want = TooLarge
	case !unscaled.IsInt():
		want = TooFine
	}
	if fit != want {
		t.Fatalf("%q as %s: %d, want %d", s, f, fit, want)
	}
	if fit == Exact && n.BigInt().Cmp(unscaled.Num()) != 0 {
		t.Fatalf("%q as %s: %s, want %s", s, f, n.BigInt(), unscaled.Num())
	}
}

func TestReadIsExact(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for _, c := range []struct {
		s    string
		f    Form
		want string
		fit  Fit
	}{
		{"0", Form{18, 2}, "0.00", Exact}, {"-0.000", Form{18, 2}, "0.00", Exact}, {"0e999999999999999999999", Form{18, 2}, "0.00", Exact},
		{"12.34", Form{18, 2}, "12.34", Exact}, {"-12.3400", Form{18, 2}, "-12.34", Exact}, {"12.345", Form{18, 2}, "", TooFine},
		{"0.1", Form{38, 38}, "0.1" + strings.Repeat("0", 37), Exact}, {"1", Form{38, 38}, "", TooLarge},
		{nines, Form{38, 0}, nines, Exact}, {"1" + nines, Form{38, 0}, "", TooLarge}, {"-" + nines, Form{38, 0}, "-" + nines, Exact},
		{"0." + nines, Form{38, 38}, "0." + nines, Exact}, {"0.0" + nines, Form{38, 38}, "", TooFine},
		{"1" + strings.Repeat("0", 60) + "e-60", Form{3, 2}, "1.00", Exact}, {"0." + strings.Repeat("0", 60) + "12e61", Form{3, 2}, "1.20", Exact},
		{"9007199254740993", Form{18, 0}, "9007199254740993", Exact}, // no float64
		{"1e3", Form{4, 0}, "1000", Exact}, {"1E+4", Form{4, 0}, "", TooLarge}, {"1e99999999999999999999", Form{4, 0}, "", TooLarge}, {"1e-99999999999999999999", Form{4, 0}, "", TooFine},
		{"999.99", Form{5, 2}, "999.99", Exact}, {"1000", Form{5, 2}, "", TooLarge}, {"1" + nines + "." + nines, Form{38, 0}, "", TooLarge},
	} {
		n, fit := c.f.Read(c.s)
		if fit != c.fit || fit == Exact && Text(n, c.f.Scale) != c.want {
			t.Errorf("%s as %s: %s %d, want %s %d", c.s, c.f, Text(n, c.f.Scale), fit, c.want, c.fit)
		}
	}
	r := rand.New(rand.NewPCG(11, 12))
	for range 20_000 {
		digits := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = "0123456789000"[r.IntN(13)]
			}
			return string(b)
		}
		s := strings.TrimLeft(digits(r.IntN(42)), "0")
		if s == "" {
			s = "0"
		}
		if r.IntN(2) == 0 {
			s += "." + digits(1+r.IntN(42))
		}
		if r.IntN(3) == 0 {
			s += fmt.Sprintf("e%d", r.IntN(90)-45)
		}
		if r.IntN(2) == 0 {
			s = "-" + s
		}
		f := Form{Digits: 1 + r.IntN(MaxDigits)}
		f.Scale = r.IntN(f.Digits + 1)
		checkRead(t, s, f)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"0", "-12.340", "1e5", "0.00001e7", "99999999999999999999999999999999999999", "10.010e-2"} {
		f.Add(s, uint8(18), uint8(2))
	}
	f.Fuzz(func(t *testing.T, s string, digits, scale uint8) {
		form := Form{Digits: 1 + int(digits)%MaxDigits}
		form.Scale = int(scale) % (form.Digits + 1)
		if _, exp, has := strings.Cut(strings.ToLower(s), "e"); !jsonNumber.MatchString(s) || has && len(exp) > 5 {
			return // math/big would compute for long
		}
		checkRead(t, s, form)
	})
}
