package decode

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
	"unsafe"

	"github.com/millrace/millrace/internal/records"
)

// TestFewDigits compares the quick way of reading integers with strconv, for all lengths and for what is no plain integer.
func TestFewDigits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := make([]byte, r.IntN(22))
		for i := range b {
			b[i] = "0123456789"[r.IntN(10)]
			if r.IntN(40) == 0 {
				b[i] = "-/:.e 0"[r.IntN(7)]
			}
		}
		want, end := int64(0), 0
		for end < len(b) && b[end] >= '0' && b[end] <= '9' {
			end++
		}
		if end > 18 || end > 0 && b[0] == '0' {
			end = 0
		}
		if end > 0 {
			var err error
			if want, err = strconv.ParseInt(string(b[:end]), 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		data := append(bytes.Clone(b), bytes.Repeat([]byte{'7'}, records.Padding)...)
		v, j := text{unsafe.Pointer(unsafe.SliceData(data)), len(b)}.few(0)
		if j != end || j > 0 && v != want {
			t.Fatalf("%q: %d behind %d, want %d behind %d", b, v, j, want, end)
		}
	}
}
