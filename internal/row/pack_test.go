package row

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// checkPack packs random rows and takes them back, all and some.
func checkPack[T any](t *testing.T, random func(*rand.Rand) T) {
	t.Helper()
	c, r := codecOf[T](t), rand.New(rand.NewPCG(5, 5))
	rows := make([]T, 50)
	for i := range rows {
		rows[i] = random(r)
	}
	c.Normalize(rows)
	packed := c.Pack([]byte("x"), rows, nil)
	back, rest, err := c.Unpack(append(packed, "rest"...)[1:], len(rows), rows[:2:2])
	if err != nil || string(rest) != "rest" {
		t.Fatalf("%T: %v, and %q behind the rows", rows, err, rest)
	}
	if want := append(slices.Clone(rows[:2]), rows...); !reflect.DeepEqual(want, back) {
		t.Fatalf("%T: other rows come back:\n%v\n%v", rows, want, back)
	}
	idx := []int32{7, 7, 3}
	some, _, err := c.Unpack(c.Pack(nil, rows, idx), len(idx), nil)
	if err != nil || !reflect.DeepEqual(some, []T{rows[7], rows[7], rows[3]}) {
		t.Fatalf("%T: chosen rows are others: %v", rows, err)
	}
	for cut := range packed[1:] {
		if _, rest, err := c.Unpack(packed[1:1+cut], len(rows), nil); err == nil && len(rest) > 0 {
			t.Fatalf("%T: %d of %d bytes are all rows, and %d are left", rows, cut, len(packed), len(rest))
		}
	}
}

func TestPack(t *testing.T) {
	checkPack(t, (*rand.Rand).Int64)
	checkPack(t, func(r *rand.Rand) int64 { return r.Int64N(9) - 4 })
	checkPack(t, func(r *rand.Rand) int16 { return int16(r.Uint32()) })
	checkPack(t, func(r *rand.Rand) uint16 { return uint16(r.Uint32()) })
	checkPack(t, func(r *rand.Rand) int32 { return int32(r.Uint32()) })
	checkPack(t, (*rand.Rand).Uint32)
	checkPack(t, (*rand.Rand).Uint64)
	checkPack(t, func(r *rand.Rand) int8 { return int8(r.Uint32()) })
	checkPack(t, func(r *rand.Rand) bool { return r.IntN(2) == 0 })
	checkPack(t, (*rand.Rand).Float64)
	checkPack(t, few)
	checkPack(t, func(r *rand.Rand) []string { return []string{few(r), few(r)}[:r.IntN(3)] })
	checkPack(t, func(r *rand.Rand) *int64 {
		if r.IntN(2) == 0 {
			return nil
		}
		n := r.Int64()
		return &n
	})
	checkPack(t, func(r *rand.Rand) wide { return randomRows[wide](r, 1)[0] })
	small := codecOf[int64](t).Pack(nil, []int64{1, -1, 63, 100}, nil)
	if !bytes.Equal(small, []byte{2, 1, 126, 200, 1}) {
		t.Errorf("small integers are packed as %v", small)
	}
}

func TestPackKeys(t *testing.T) {
	for name, check := range map[string]func() (*Codec, *Keys){
		"words":   func() (*Codec, *Keys) { c := codecOf[string](t); return c, encode(c, "b", "", "word") },
		"numbers": func() (*Codec, *Keys) { c := codecOf[int64](t); return c, encode(c, int64(5), -1, 1<<40) },
		"groups": func() (*Codec, *Keys) {
			c := codecOf[grouping](t)
			return c, encode(c, grouping{5, 1}, grouping{5, 2}, grouping{0, 0})
		},
	} {
		c, k := check()
		var back Keys
		rest, err := c.UnpackKeys(append(c.PackKeys(nil, k, nil), 9), 3, &back)
		if err != nil || !bytes.Equal(rest, []byte{9}) {
			t.Fatalf("%s: %v, and %v behind them", name, err, rest)
		}
		if d := gocmp.Diff(k, &back); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if _, err := c.UnpackKeys(c.PackKeys(nil, k, []int32{2, 0}), 3, &back); err == nil {
			t.Errorf("%s: two keys are three", name)
		}
	}
}

// Bytes from outside give an error or rows, and never a panic.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, 2)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 1)
	c, err := For[wide]()
	if err != nil {
		f.Fatal(err)
	}
	words, _ := For[string]()
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		if rows, _, err := c.Unpack(b, n, nil); err == nil && c.Len(rows) != n {
			t.Fatalf("%d rows, want %d", c.Len(rows), n)
		}
		var k Keys
		if _, err := words.UnpackKeys(b, n, &k); err == nil && k.Len() != n {
			t.Fatalf("%d keys, want %d", k.Len(), n)
		}
	})
}
