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
		if again := encode(c, v); string(again.Key(0)) != enc || again.Hash[0] != k.Hash[i] || k.Hash[i] != c.KeyHash([]byte(enc)) {
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
	var copied Keys
	copied.AppendFrom(&fromCols, []int32{5, 3})
	if d := gocmp.Diff(encode(c, rows[5], rows[3]), &copied); d != "" {
		t.Fatal(d)
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
	checkKeys(t, func(r *rand.Rand) grouping { return grouping{GroupID(r.IntN(Groups)), r.Int64N(3)} })
	checkKeys(t, func(r *rand.Rand) struct {
		G GroupID
		S string
	} {
		return struct {
			G GroupID
			S string
		}{GroupID(r.IntN(Groups)), few(r)}
	})
	checkKeys(t, func(r *rand.Rand) struct{ G GroupID } { return struct{ G GroupID }{GroupID(r.IntN(Groups))} })
}

// grouping is a key that names its key group.
type grouping struct {
	Group GroupID
	At    int64
}

// A key that begins with a GroupID lies in that group, and by the rest of its hash where it would lie anyway. Only the first field counts.
func TestGroupID(t *testing.T) {
	c, behind := codecOf[grouping](t), codecOf[struct {
		At    int64
		Group GroupID
	}](t)
	for g := range GroupID(Groups) {
		k := encode(c, grouping{g, 5})
		if Group(k.Hash[0]) != int(g) || k.Hash[0]<<7 != xxh3.Hash(k.Key(0))<<7 {
			t.Errorf("group %d: hash %x, xxh3 is %x", g, k.Hash[0], xxh3.Hash(k.Key(0)))
		}
		other := encode(behind, struct {
			At    int64
			Group GroupID
		}{5, g})
		if other.Hash[0] != xxh3.Hash(other.Key(0)) {
			t.Errorf("group %d as the second field changes the hash", g)
		}
	}
	d := NewDict(0)
	k := encode(c, grouping{3, 1}, grouping{3, 2}, grouping{3, 1})
	idx := make([]int32, 3)
	d.Add(k, idx)
	d.Keys().Append(k.Key(0))
	if !slices.Equal(idx, []int32{0, 1, 0}) || !slices.Equal(d.Keys().Hash, []uint64{k.Hash[0], k.Hash[1], k.Hash[0]}) {
		t.Errorf("a dictionary gives numbers %v and hashes %x", idx, d.Keys().Hash)
	}
}

// Encodings of foreign rows, of whatever bytes, have the hash that they have one by one.
func FuzzGroupID(f *testing.F) {
	f.Add([]byte{127, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{})
	f.Add([]byte{255})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := For[grouping]()
		if err != nil {
			t.Fatal(err)
		}
		k := Keys{Grouped: true}
		k.Append(b)
		if k.Hash[0] != c.KeyHash(b) {
			t.Fatalf("two hashes of %x", b)
		}
		rows, err := c.KeyRows(&k, nil, nil)
		if (err == nil) != (len(b) == c.KeyWidth()) {
			t.Fatalf("%x: %v", b, err)
		}
		if err == nil && encode(c, rows.([]grouping)...).Hash[0] != k.Hash[0] {
			t.Fatalf("%x as a row has another hash", b)
		}
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
		{encode(codecOf[grouping](t), grouping{77, -2}), "4dfeffffffffffffff group 77"},
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
