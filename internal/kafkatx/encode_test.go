package kafkatx

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// same adds a record to both, in both ways.
func same(whole, parts *Records, key, val []byte, millis int64) {
	whole.Add(key, val, millis)
	if val == nil {
		parts.Add(key, val, millis)
		return
	}
	b := parts.Begin(key, millis)
	for len(val) > 0 { // the caller may move it
		n := min(len(val), 1000)
		b, val = append(b, val[:n]...), val[n:]
	}
	parts.Finish(b)
}

func compare(t *testing.T, whole, parts *Records) {
	t.Helper()
	if len(whole.batches) != len(parts.batches) || whole.Len() != parts.Len() || whole.Bytes() != parts.Bytes() {
		t.Fatalf("%d batches, %d records, %d bytes, want %d, %d, %d", len(parts.batches), parts.Len(), parts.Bytes(), len(whole.batches), whole.Len(), whole.Bytes())
	}
	for i := range whole.batches {
		if !bytes.Equal(whole.seal(i, 5, 1, 100), parts.seal(i, 5, 1, 100)) {
			t.Fatalf("batch %d differs", i)
		}
	}
}

// TestBeginFinish: a value that is written where it stays gives the same bytes as one that is added whole, in used memory too.
func TestBeginFinish(t *testing.T) {
	parts := &Records{}
	for seed := range uint64(60) {
		r, whole := rand.New(rand.NewPCG(seed, 3)), &Records{}
		most := []int{3, 70, 200, 20_000, 400_000, 1_200_000}[seed%6]
		millis := int64(1_700_000_000_000)
		for range 1 + r.IntN(3_000_000/(most+1000)) {
			key := bytes.Repeat([]byte("k"), r.IntN(80))
			if r.IntN(3) == 0 {
				key = nil
			}
			var val []byte
			if r.IntN(10) > 0 {
				val = bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(most))
			}
			if r.IntN(10) == 0 {
				millis += int64(r.IntN(100_000)) - 50_000
			}
			same(whole, parts, key, val, millis)
		}
		compare(t, whole, parts)
		parts.Reset()
		if parts.Len() != 0 || parts.Bytes() != 0 {
			t.Fatal("records are left")
		}
	}
}

func FuzzBeginFinish(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), uint16(300), int64(7), int64(-9))
	f.Fuzz(func(t *testing.T, key, val []byte, times uint16, a, b int64) {
		whole, parts := &Records{}, &Records{}
		long := bytes.Repeat(val, int(times))
		for i, v := range [][]byte{val, long, nil, {}, long, val} {
			if i == 3 {
				key = nil
			}
			same(whole, parts, key, v, []int64{a, b}[i%2])
		}
		compare(t, whole, parts)
	})
}
