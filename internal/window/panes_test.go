package window

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/row"
)

func codec[T any](t testing.TB) *row.Codec {
	t.Helper()
	c, err := row.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Panes hold, group by group, what was packed, in order.
func TestPackedPanes(t *testing.T) {
	key, val := codec[string](t), codec[int64](t)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		words, counts := []string{}, []int64{}
		for i := range rng.IntN(400) {
			words, counts = append(words, fmt.Sprint("w", i)), append(counts, rng.Int64N(1000)-300)
		}
		var k row.Keys
		key.AppendKeys(words, &k)
		want := map[int][]string{}
		for i, h := range k.Hash {
			g := row.Group(h)
			want[g] = append(want[g], fmt.Sprint(words[i], "=", counts[i]))
		}
		got := map[int][]string{}
		for g, data := range pack(key, val, &k, counts) {
			if data == nil {
				continue
			}
			var back row.Keys
			vals, err := unpack(key, val, data, &back, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range vals.([]int64) {
				got[g] = append(got[g], fmt.Sprint(string(back.Key(i)), "=", n))
			}
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

// What is packed for small counts of short words takes few bytes.
func TestPackedPanesAreSmall(t *testing.T) {
	var k row.Keys
	codec[string](t).AppendKeys([]string{"w1", "w22", "w333"}, &k)
	size := 0
	for _, b := range pack(codec[string](t), codec[int64](t), &k, []int64{1, 2, 3}) {
		size += len(b)
	}
	if size > 3*2+3+9+3 {
		t.Errorf("three words take %d bytes", size)
	}
}

// Bytes from outside give an error or keys and values that are packed the same way again, and never a panic.
func FuzzUnpackPane(f *testing.F) {
	f.Add([]byte{1, 2, 1, 'a', 1, 'b', 2, 4})
	f.Add([]byte{1, 0})
	f.Add([]byte{2, 1, 1})
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	key, val := codec[string](f), codec[int64](f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var k row.Keys
		vals, err := unpack(key, val, data, &k, nil)
		if err != nil {
			return
		}
		if k.Len() != val.Len(vals) {
			t.Fatalf("%d keys, %d values", k.Len(), val.Len(vals))
		}
		again := val.Pack(key.PackKeys(nil, &k, nil), vals, nil)
		if len(again) > len(data) || len(again) == len(data)-2 && !bytes.Equal(again, data[2:]) {
			t.Fatalf("%x is packed again as %x", data, again)
		}
	})
}

// Boundaries of windows of batch time, by hand.
func TestSpan(t *testing.T) {
	for _, c := range []struct {
		s                  Span
		at, enters, leaves int64
		missed             bool
	}{
		{Span{4, 2}, 1, 2, 6, false}, {Span{4, 2}, 2, 2, 6, false}, {Span{4, 2}, 3, 4, 8, false},
		{Span{5, 2}, 1, 2, 6, false}, {Span{5, 2}, 2, 2, 8, false},
		{Span{2, 5}, 3, 5, 5, true}, {Span{2, 5}, 4, 5, 10, false}, {Span{2, 5}, 5, 5, 10, false}, {Span{2, 5}, 6, 10, 10, true},
		{Span{5, 5}, 5, 5, 10, false}, {Span{4, 2}, -1, 0, 4, false},
	} {
		if e, l, m := c.s.enters(c.at), c.s.leaves(c.at), c.s.missed(c.at); e != c.enters || l != c.leaves || m != c.missed {
			t.Errorf("%v at %d: enters %d, leaves %d, missed %v", c.s, c.at, e, l, m)
		}
	}
}
