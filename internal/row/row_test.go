package row

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

type level string

type inner struct {
	A int32
	B *string
	T time.Time
}

type Base struct {
	ID      uint64
	Created time.Time
}

type wide struct {
	Base
	Flag   bool
	I8     int8
	I16    int16
	I32    int32
	I64    int64
	I      int
	U8     uint8
	U16    uint16
	U32    uint32
	U      uint
	F32    float32
	F64    float64 `arrow:"f"`
	S      string
	L      level
	Raw    []byte
	At     time.Time
	For    time.Duration
	PBool  *bool
	PI     *int64
	PS     *string
	PRaw   *[]byte
	PAt    *time.Time
	In     inner
	PIn    *inner
	Ints   []int64
	Strs   []string
	PStrs  []*string
	Times  []time.Time
	Nested [][]int16
	Ins    []inner
	PIns   []*inner
	Map    map[string]int64
	MapIn  map[level]inner
	Skip   map[int]int `arrow:"-"`
	hidden int         `arrow:"-"`
}

// fill sets v to a random value.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> (64 - v.Type().Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(r.IntN(1000)) / 8)
	case reflect.String:
		v.SetString(randomString(r))
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Slice:
		n := r.IntN(5)
		if r.IntN(3) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i), depth+1)
			}
		}
	case reflect.Map:
		if r.IntN(3) > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range r.IntN(4) {
				k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				fill(r, k, depth+1)
				fill(r, e, depth+1)
				v.SetMapIndex(k, e)
			}
		}
	case reflect.Struct:
		if v.Type() == timeType {
			if r.IntN(4) > 0 {
				v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).In(time.FixedZone("x", 3600))))
			}
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(r, v.Field(i), depth+1)
			}
		}
	}
}

func randomString(r *rand.Rand) string {
	return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(4)) + strings.Repeat("é", r.IntN(2))
}

func randomRows[T any](r *rand.Rand, n int) []T {
	rows := make([]T, n)
	for i := range rows {
		fill(r, reflect.ValueOf(&rows[i]).Elem(), 0)
	}
	return rows
}

func codecOf[T any](t testing.TB) *Codec {
	t.Helper()
	c, err := For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var exported = cmp.Exporter(func(reflect.Type) bool { return true })

func roundTrip[T any](t *testing.T, seed uint64) {
	t.Helper()
	c := codecOf[T](t)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, n := range []int{0, 1, 2, 7, 8, 9, 64, 100} {
		rows := randomRows[T](r, n)
		c.Normalize(rows)
		cols := c.Columns(rows, nil)
		back, err := c.Rows(cols, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rows, back.([]T), exported); d != "" {
			t.Fatalf("%d rows of %s: %s", n, c.typ, d)
		}
		if n < 4 {
			continue
		}
		var idx []int32
		var want []T
		for range n {
			i := r.IntN(n)
			idx, want = append(idx, int32(i)), append(want, rows[i])
		}
		lo, hi := 1+r.IntN(n/3), n-r.IntN(n/3)
		sliced := make([]arrow.Array, len(cols))
		for i, col := range c.Columns(rows, idx) {
			sliced[i] = array.NewSlice(col, int64(lo), int64(hi))
		}
		dst := append(make([]T, 0, n*3), rows[:2]...)
		for i := range dst[:cap(dst)] {
			dst[:cap(dst)][i] = rows[i%n] // dirty memory behind the end
		}
		back, err = c.Rows(sliced, dst)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(append(rows[:2:2], want[lo:hi]...), back.([]T), exported); d != "" {
			t.Fatalf("%d rows of %s: %s", n, c.typ, d)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(5) {
		roundTrip[wide](t, seed)
		roundTrip[inner](t, seed)
		roundTrip[string](t, seed)
		roundTrip[bool](t, seed)
		roundTrip[*int64](t, seed)
		roundTrip[time.Time](t, seed)
		roundTrip[[]wide](t, seed)
		roundTrip[map[string][]inner](t, seed)
	}
}

func TestNormalizeMakesTheRoundTripTheIdentity(t *testing.T) {
	c := codecOf[wide](t)
	r := rand.New(rand.NewPCG(7, 7))
	rows := randomRows[wide](r, 200)
	for i := range rows {
		rows[i].hidden, rows[i].Skip = 3, map[int]int{1: 2}
	}
	back, err := c.Rows(c.Columns(rows, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Normalize(rows)
	if d := cmp.Diff(back.([]wide), rows, exported); d != "" {
		t.Fatal(d)
	}
}

func TestNormalizeCopiesWhatIsShared(t *testing.T) {
	at := time.Unix(1, 1001)
	shared := []time.Time{at}
	m := map[string]inner{"a": {T: at}}
	type holder struct {
		P *time.Time
		S []time.Time
		M map[string]inner
	}
	rows := []holder{{&at, shared, m}, {&at, shared, m}}
	codecOf[holder](t).Normalize(rows)
	want := time.Unix(1, 1000).UTC()
	if *rows[1].P != want || rows[1].S[0] != want || rows[1].M["a"].T != want {
		t.Fatalf("not normal: %v", rows[1])
	}
	if at.Nanosecond() != 1001 || shared[0].Nanosecond() != 1001 || m["a"].T.Nanosecond() != 1001 {
		t.Fatal("shared memory was changed")
	}
}

func TestFingerprintSeesChanges(t *testing.T) {
	c, rows := codecOf[wide](t), randomRows[wide](rand.New(rand.NewPCG(8, 8)), 20)
	before := c.Fingerprint(rows)
	if c.Fingerprint(rows) != before {
		t.Fatal("two fingerprints of the same rows")
	}
	for name, change := range map[string]func(w *wide){
		"field":   func(w *wide) { w.I16++ },
		"element": func(w *wide) { w.Strs = append(w.Strs, "x") },
		"deep":    func(w *wide) { w.PIn = &inner{A: 77} },
		"map":     func(w *wide) { w.Map = map[string]int64{"new": 1} },
	} {
		old := rows[11]
		change(&rows[11])
		if c.Fingerprint(rows) == before {
			t.Errorf("%s: the change does not show", name)
		}
		rows[11] = old
	}
}
