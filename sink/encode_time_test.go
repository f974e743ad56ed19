package sink

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Times come out as package time writes them: around leap days, the ends of centuries, the years that have four digits, and anywhere.
func TestTimesAreThoseOfPackageTime(t *testing.T) {
	check := func(us int64) {
		t.Helper()
		want := time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
		if got := string(appendTime(nil, us, 1e6, true)); got != want {
			t.Fatalf("%d µs: got %s, want %s", us, got, want)
		}
	}
	for year := -1; year <= 10_001; year++ {
		for _, md := range [][2]int{{1, 1}, {2, 28}, {2, 29}, {3, 1}, {12, 31}} {
			at := time.Date(year, time.Month(md[0]), md[1], 0, 0, 0, 0, time.UTC).UnixMicro()
			for _, d := range []int64{-1, 0, 1, 86_399_999_999} {
				check(at + d)
			}
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		check(r.Int64N(600_000_000_000_000_000) - 300_000_000_000_000_000)
	}
}

func BenchmarkAppendTime(b *testing.B) {
	dst := make([]byte, 0, 64)
	for at := int64(1_700_000_000_000_000); b.Loop(); at += 7_919_000_123 {
		dst = appendTime(dst[:0], at, 1e6, false)
	}
}
