package search

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// check compares ContainsEach with the plain one.
func check(t *testing.T, in []string, sep string) {
	t.Helper()
	got, want := make([]bool, len(in)), make([]bool, len(in))
	for i := range got {
		got[i] = i%2 == 0 // it is overwritten
	}
	ContainsEach(got, in, sep)
	containsPlain(want, in, sep)
	if !slices.Equal(got, want) {
		t.Fatalf("%q in %q: %v, want %v", sep, in, got, want)
	}
}

// pieces cuts a text at random places, so that they lie one behind the other, and leaves some out.
func pieces(r *rand.Rand, all string) []string {
	var in []string
	for len(all) > 0 {
		n := r.IntN(min(len(all), 1+r.IntN(90)) + 1)
		if r.IntN(8) > 0 {
			in = append(in, all[:n])
		}
		if r.IntN(9) == 0 {
			in = append(in, "")
		}
		if r.IntN(9) == 0 {
			in = append(in, strings.Clone(all[:n]))
		}
		all = all[n:]
	}
	return in
}

func TestContainsEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		all := make([]byte, r.IntN(700))
		for i := range all {
			all[i] = "aab\xffw7 "[r.IntN(1+r.IntN(7))]
		}
		in := pieces(r, string(all))
		sep := make([]byte, r.IntN(6))
		if r.IntN(4) == 0 {
			sep = make([]byte, r.IntN(80))
		}
		for i := range sep {
			sep[i] = "aab\xffw7 "[r.IntN(1+r.IntN(7))]
		}
		check(t, in, string(sep))
		if len(in) > 0 {
			s := in[r.IntN(len(in))]
			from := r.IntN(len(s) + 1)
			check(t, in, s[from:from+r.IntN(len(s)-from+1)])
		}
	}
	check(t, nil, "a")
	check(t, []string{"", "", ""}, "a")
}

func FuzzContainsEach(f *testing.F) {
	f.Add("the quick brown fox jumps over the lazy dog, and on", "dog", uint64(7))
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "aab", uint64(1))
	f.Fuzz(func(t *testing.T, all, sep string, seed uint64) {
		check(t, pieces(rand.New(rand.NewPCG(seed, 3)), all), sep)
	})
}

func benchmark(b *testing.B, f func([]bool, []string, string)) {
	r := rand.New(rand.NewPCG(1, 2))
	var sb strings.Builder
	var ends []int
	for range 2048 {
		for range 10 {
			sb.WriteString(" w")
			sb.WriteString(strings.Repeat(string(rune('0'+r.IntN(10))), 1+r.IntN(3)))
		}
		ends = append(ends, sb.Len())
	}
	all, at := sb.String(), 0
	var in []string
	for _, e := range ends {
		in, at = append(in, all[at:e]), e
	}
	out := make([]bool, len(in))
	b.SetBytes(int64(len(all)))
	for b.Loop() {
		f(out, in, "w778")
	}
}

func BenchmarkContainsEach(b *testing.B)  { benchmark(b, ContainsEach) }
func BenchmarkContainsPlain(b *testing.B) { benchmark(b, containsPlain) }
