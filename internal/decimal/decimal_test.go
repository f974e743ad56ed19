package decimal

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// limit is 10^38.
var limit = power(MaxDigits)

func random(r *rand.Rand) Num {
	n := new(big.Int)
	for range 1 + r.IntN(MaxDigits) {
		n.Mul(n, big.NewInt(10)).Add(n, big.NewInt(int64(r.IntN(10))))
	}
	if r.IntN(8) == 0 {
		n.Sub(limit, big.NewInt(1+int64(r.IntN(3))))
	}
	if r.IntN(2) == 0 {
		n.Neg(n)
	}
	return decimal128.FromBigInt(n)
}

func rat(n Num, scale int) *big.Rat { return new(big.Rat).SetFrac(n.BigInt(), power(scale)) }

// rounded is x at a scale, half away from zero, nil if it has too many digits.
func rounded(x *big.Rat, scale int) *big.Int {
	x = new(big.Rat).Mul(x, new(big.Rat).SetInt(power(scale)))
	half := big.NewRat(1, 2)
	if x.Sign() < 0 {
		half.Neg(half)
	}
	x.Add(x, half)
	q := new(big.Int).Quo(x.Num(), x.Denom())
	if q.CmpAbs(limit) >= 0 {
		return nil
	}
	return q
}

func agree(t *testing.T, what string, got Num, ok bool, want *big.Int) {
	t.Helper()
	if ok != (want != nil) || ok && got.BigInt().Cmp(want) != 0 {
		t.Fatalf("%s: %s, %v; want %s", what, got.BigInt(), ok, want)
	}
}

func TestArithmeticIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b := random(r), random(r)
		sa, sb, s := r.IntN(MaxDigits+1), r.IntN(MaxDigits+1), r.IntN(MaxDigits+1)
		x, y := rat(a, 0), rat(b, 0)
		sum, ok := Add(a, b)
		agree(t, "add", sum, ok, rounded(new(big.Rat).Add(x, y), 0))
		diff, ok := Sub(a, b)
		agree(t, "sub", diff, ok, rounded(new(big.Rat).Sub(x, y), 0))
		prod, ok := Mul(a, b)
		agree(t, "mul", prod, ok, rounded(new(big.Rat).Mul(x, y), 0))
		re, ok := Rescale(a, sa, s)
		agree(t, "rescale", re, ok, rounded(rat(a, sa), s))
		if got, want := Cmp(a, sa, b, sb), rat(a, sa).Cmp(rat(b, sb)); got != want {
			t.Fatalf("cmp %s %s: %d, want %d", Text(a, sa), Text(b, sb), got, want)
		}
		var quo, rem *big.Int
		if b.Sign() != 0 {
			quo = rounded(new(big.Rat).Quo(rat(a, sa), rat(b, sb)), s)
			rem = new(big.Int).Rem(a.BigInt(), b.BigInt())
		}
		q, ok := Quo(a, sa, b, sb, s)
		agree(t, "quo", q, ok, quo)
		m, ok := Rem(a, b)
		agree(t, "rem", m, ok, rem)
		want, _ := rat(a, sa).Float64()
		if got := Float(a, sa); got != want {
			t.Fatalf("float of %s: %v, want %v", Text(a, sa), got, want)
		}
		floor, ok := Floor(a, sa)
		whole := new(big.Int).Div(a.BigInt(), power(sa)) // Euclid's: down for a positive divisor
		agree(t, "floor", floor, ok, whole)
	}
}

func TestTextRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		n, scale, to := random(r), r.IntN(MaxDigits+1), r.IntN(MaxDigits+1)
		text := Text(n, scale)
		if want := rat(n, scale).FloatString(scale); text != want && strings.Trim(want, "-0.") != "" {
			t.Fatalf("text %s, want %s", text, want)
		}
		got, ok := Parse(text, to)
		agree(t, text, got, ok, rounded(rat(n, scale), to))
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in    string
		scale int
		want  string
	}{
		{"0", 2, "0.00"}, {"-.5", 0, "-1"}, {"+1.", 1, "1.0"}, {"1e3", 0, "1000"}, {"12.5e-1", 2, "1.25"}, {"1.005", 2, "1.01"}, {"-1.005", 2, "-1.01"},
		{"", 0, "none"}, {".", 0, "none"}, {"1.2.3", 0, "none"}, {"1x", 0, "none"}, {"e5", 0, "none"}, {"1e", 0, "none"}, {"1e99999999999", 0, "none"}, {" 1", 0, "none"},
		{strings.Repeat("9", 38), 0, strings.Repeat("9", 38)}, {strings.Repeat("9", 39), 0, "none"}, {"1" + strings.Repeat("0", 38), 0, "none"},
		{strings.Repeat("0", 50) + "7", 0, "7"}, {"0." + strings.Repeat("3", 60), 3, "0.333"}, {"0." + strings.Repeat("0", 60) + "1", 38, Text(Num{}, 38)},
		{"1." + strings.Repeat("9", 60), 2, "2.00"}, {"1e-60", 5, "0.00000"}, {"0e900", 1, "0.0"},
		{"123456789012345678901234567890.123456789012345678", 8, "123456789012345678901234567890.12345679"},
	} {
		got := "none"
		if n, ok := Parse(c.in, c.scale); ok {
			got = Text(n, c.scale)
		}
		if got != c.want {
			t.Errorf("%q at scale %d: %s, want %s", c.in, c.scale, got, c.want)
		}
	}
	if n, ok := FromFloat(0.1, 20); !ok || Text(n, 20) != "0.10000000000000000000" {
		t.Errorf("0.1 is %s", Text(n, 20))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.5", "-0.001e5", "99999999999999999999999999999999999999", "000.00"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, scale int) {
		if scale < 0 || scale > MaxDigits || len(s) > 200 {
			return
		}
		n, ok := Parse(s, scale)
		want, valid := new(big.Rat).SetString(s)
		if strings.ContainsAny(s, "/_xXpPbBoO") || !valid {
			if ok && !valid {
				t.Fatalf("%q is read as %s", s, Text(n, scale))
			}
			return
		}
		if w := rounded(want, scale); ok != (w != nil) && !strings.ContainsAny(s, "eE") || ok && w != nil && n.BigInt().Cmp(w) != 0 {
			t.Fatalf("%q: %s, %v; want %v", s, Text(n, scale), ok, w)
		}
	})
}
