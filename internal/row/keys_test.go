package row

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/zeebo/xxh3"
)

type place struct {
	City, Street string
	No           int16
	In           struct{ Floor, Flat string }
}

func encode[K any](c *Codec, rows ...K) *Keys {
	var k Keys
	c.AppendKeys(rows, &k)
	return &k
}

func few(r *rand.Rand) string {
	return strings.Repeat("a", r.IntN(3)) + strings.Repeat("\x01", r.IntN(3))
}

// checkKeys verifies that keys are equal exactly if their encodings are (P25), that rows, columns and encodings give the
// same, and that decoding takes encoding back.
func checkKeys[K comparable](t *testing.T, random func(*rand.Rand) K) {
	t.Helper()
	c, r := codecOf[K](t), rand.New(rand.NewPCG(3, 3))
	rows := make([]K, 400)
	for i := range rows {
		rows[i] = random(r)
	}
	c.Normalize(rows)
	k := encode(c, rows...)
	seen := map[string]K{}
	for i, v := range rows {
		enc := string(k.Key(i))
		if old, ok := seen[enc]; ok && old != v {
			t.Fatalf("%#v and %#v have one encoding, %q (P25)", old, v, enc)
		}
		seen[enc] = v
		if again := encode(c, v); string(again.Key(0)) != enc || again.Hash[0] != k.Hash[i] || k.Hash[i] != xxh3.HashString(enc) {
			t.Fatalf("%#v has two encodings or hashes", v)
		}
	}
	distinct := map[K]bool{}
	for _, v := range rows {
		distinct[v] = true
	}
	if len(distinct) != len(seen) {
		t.Fatalf("%d keys have %d encodings", len(distinct), len(seen))
	}
	var fromCols Keys
	if err := c.AppendKeyColumns(c.Columns(rows, nil), &fromCols); err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(k, &fromCols); d != "" {
		t.Fatal(d)
	}
	back, err := c.KeyRows(k, nil, nil)
	if err != nil || !slices.Equal(back.([]K), rows) {
		t.Fatalf("decoded keys are others: %v", err)
	}
	cols, err := c.KeyColumns(k, []int32{5, 3})
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.Rows(cols, rows[:1:1])
	if err != nil || !slices.Equal(two.([]K), []K{rows[0], rows[5], rows[3]}) {
		t.Fatalf("columns of keys are others: %v", err)
	}
	if w := c.KeyWidth(); w != 0 && len(k.Key(0)) != w {
		t.Fatalf("a key of %d bytes, the width is %d", len(k.Key(0)), w)
	}
}

func TestKeys(t *testing.T) {
	checkKeys(t, few)
	checkKeys(t, func(r *rand.Rand) int64 { return r.Int64N(200) - 100 })
	checkKeys(t, func(r *rand.Rand) uint8 { return uint8(r.IntN(256)) })
	checkKeys(t, func(r *rand.Rand) bool { return r.IntN(2) == 0 })
	checkKeys(t, func(r *rand.Rand) time.Time { return time.Unix(r.Int64N(3), r.Int64N(9)*500) })
	checkKeys(t, func(r *rand.Rand) struct{ A, B string } { return struct{ A, B string }{few(r), few(r)} })
	checkKeys(t, func(r *rand.Rand) struct{ A string } { return struct{ A string }{few(r)} })
	checkKeys(t, func(r *rand.Rand) struct{ In struct{ A int32 } } {
		return struct{ In struct{ A int32 } }{struct{ A int32 }{r.Int32N(9)}}
	})
	checkKeys(t, func(r *rand.Rand) place {
		return place{few(r), few(r), int16(r.IntN(2)), struct{ Floor, Flat string }{few(r), few(r)}}
	})
}

// The encodings are part of what is stored: these bytes and hashes never change.
func TestKeyEncodingsAreFixed(t *testing.T) {
	for _, c := range []struct {
		keys *Keys
		want string
	}{
		{encode(codecOf[string](t), "word"), "776f7264 group 113"},
		{encode(codecOf[int64](t), int64(-2)), "feffffffffffffff group 59"},
		{encode(codecOf[place](t), place{"Rome", "x", 258, struct{ Floor, Flat string }{"", "b"}}), "04526f6d650178020100" + "0162 group 56"},
		{encode(codecOf[time.Time](t), time.Unix(1, 2999)), "42420f0000000000 group 18"},
	} {
		if got := fmt.Sprintf("%x group %d", c.keys.Key(0), Group(c.keys.Hash[0])); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestKeyRowsOfForeignBytes(t *testing.T) {
	c := codecOf[place](t)
	good := encode(c, place{"Rome", "x", 258, struct{ Floor, Flat string }{"", "b"}}).Key(0)
	for n := range good {
		var k Keys
		k.Append(good[:n])
		if _, err := c.KeyRows(&k, nil, nil); err == nil {
			t.Errorf("%d of %d bytes are a key", n, len(good))
		}
	}
	var k Keys
	k.Append(append(bytes.Clone(good), 0))
	if _, err := c.KeyRows(&k, nil, nil); err == nil {
		t.Error("a byte too many is a key")
	}
}

func TestCheckKey(t *testing.T) {
	for want, c := range map[string]*Codec{
		"a float":   codecOf[float64](t),
		"a pointer": codecOf[struct{ P *int64 }](t),
		"a slice":   codecOf[struct{ In struct{ S []int64 } }](t),
		"a map":     codecOf[map[string]int64](t),
	} {
		if err := c.CheckKey(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", c.Type(), err, want)
		}
	}
	for _, c := range []*Codec{codecOf[string](t), codecOf[[]byte](t), codecOf[place](t), codecOf[time.Duration](t)} {
		if err := c.CheckKey(); err != nil {
			t.Error(err)
		}
	}
}

func TestDictAgainstAMap(t *testing.T) {
	r, c := rand.New(rand.NewPCG(4, 4)), codecOf[string](t)
	d, model := NewDict(0), map[string]int32{}
	var order []string
	for range 300 {
		words := make([]string, r.IntN(60))
		for i := range words {
			words[i] = fmt.Sprint(r.IntN(3000))
		}
		k := encode(c, words...)
		idx := make([]int32, len(words))
		if d.Find(k, idx); len(words) > 0 {
			for i, w := range words {
				if n, ok := model[w]; ok != (idx[i] >= 0) || ok && n != idx[i] {
					t.Fatalf("%s is %d, want %d %v", w, idx[i], n, ok)
				}
			}
		}
		if before := d.Add(k, idx); before != len(model) {
			t.Fatalf("%d numbers before, want %d", before, len(model))
		}
		for i, w := range words {
			if _, ok := model[w]; !ok {
				model[w] = int32(len(model))
				order = append(order, w)
			}
			if idx[i] != model[w] {
				t.Fatalf("%s is %d, want %d", w, idx[i], model[w])
			}
		}
		if r.IntN(100) == 0 {
			d.Reset()
			clear(model)
			order = order[:0]
		}
	}
	if d.Len() != len(order) {
		t.Fatalf("%d keys, want %d", d.Len(), len(order))
	}
	back, err := c.KeyRows(d.Keys(), nil, nil)
	if err != nil || !slices.Equal(back.([]string), order) {
		t.Fatal("the keys by number are others", err)
	}
	for i, w := range order {
		if d.Keys().Hash[i] != xxh3.HashString(w) {
			t.Fatal("a hash is another")
		}
	}
}
