package decode

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestZulu compares the quick way of reading times with package time's, for all days of some centuries and for texts that are nearly times.
func TestZulu(t *testing.T) {
	check := func(s string) {
		t.Helper()
		var want time.Time
		err := want.UnmarshalText([]byte(s))
		us, ok := zulu([]byte(s))
		if ok && (err != nil || us != want.UnixMicro()) {
			t.Fatalf("%q is %d, want %d, %v", s, us, want.UnixMicro(), err)
		}
		if !ok && err == nil && s[len(s)-1] == 'Z' && !strings.Contains(s, ",") {
			t.Fatalf("%q is not read", s)
		}
	}
	for at := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2500; at = at.AddDate(0, 0, 1) {
		check(at.Format(time.RFC3339))
	}
	for at := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 10000; at = at.AddDate(0, 0, 1) {
		check(at.Format(time.RFC3339))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		at := time.Unix(r.Int64N(8_000_000_000)-4_000_000_000, r.Int64N(1_000_000_000)).UTC()
		b := []byte(at.Format([...]string{time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00"}[r.IntN(4)]))
		if r.IntN(2) == 0 {
			b[r.IntN(len(b))] = "0123456789-:TZ.+ ,"[r.IntN(18)]
		}
		check(string(b))
	}
	for _, year := range []int{2023, 2024, 1900, 2000} {
		for month := range 14 {
			for day := range 33 {
				check(fmt.Sprintf("%04d-%02d-%02dT23:59:59.999999999Z", year, month, day))
			}
		}
	}
}

func BenchmarkTimes(b *testing.B) {
	text := []byte("2024-05-06T07:08:09.123Z")
	b.Run("zulu", func(b *testing.B) {
		for b.Loop() {
			if _, ok := zulu(text); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("time", func(b *testing.B) {
		for b.Loop() {
			var t time.Time
			if err := t.UnmarshalText(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
