package row

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// keyRow has a column of each type that may be part of a key.
type keyRow struct {
	S    string
	B    []byte
	Flag bool
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U8   uint8
	U32  uint32
	U64  uint64
	At   time.Time
}

func randomKeyRow(r *rand.Rand) keyRow {
	return keyRow{
		few(r), []byte(few(r)), r.IntN(2) == 0, int8(r.IntN(5) - 2), int16(r.IntN(5) - 2), int32(r.IntN(5) - 2), int64(r.IntN(5) - 2), uint8(r.IntN(3)), r.Uint32(), r.Uint64(),
		time.UnixMicro(r.Int64N(5) - 2).UTC(),
	}
}

// columnsOf are rows as columns of schema's dynamic codec, with nulls in nullable columns.
func columnsOf(t *testing.T, r *rand.Rand, nullable bool) (*Codec, *Codec, []keyRow, *col.Batch) {
	t.Helper()
	typed := codecOf[keyRow](t)
	fields := append([]arrow.Field(nil), typed.Schema().Fields()...)
	for i := range fields {
		fields[i].Nullable = nullable
	}
	c, err := OfSchema(arrow.NewSchema(fields, nil))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]keyRow, r.IntN(50))
	for i := range rows {
		rows[i] = randomKeyRow(r)
	}
	typed.Normalize(rows)
	b := col.FromArrays(c.Schema(), typed.Columns(rows, nil))
	if nullable {
		for _, v := range b.Cols {
			for i := range v.N {
				if r.IntN(3) == 0 {
					own(v)
					v.SetNull(i)
				}
			}
		}
	}
	if r.IntN(2) == 0 {
		b.Sel = []int32{}
		for i := range int32(len(rows)) {
			if r.IntN(3) > 0 {
				b.Sel = append(b.Sel, i)
			}
		}
	}
	return typed, c, rows, b
}

func TestKeysOfColumns(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		typed, c, rows, b := columnsOf(t, r, false)
		var got, want Keys
		c.AppendVecKeys(b.Cols, b.Sel, &got)
		if b.Sel != nil {
			chosen := make([]keyRow, len(b.Sel))
			for i, j := range b.Sel {
				chosen[i] = rows[j]
			}
			rows = chosen
		}
		typed.AppendKeys(rows, &want)
		if d := gocmp.Diff(want.Data, got.Data); d != "" || fmt.Sprint(got.Ends, got.Hash) != fmt.Sprint(want.Ends, want.Hash) {
			t.Fatalf("seed %d: keys of columns are not those of rows: %s", seed, d)
		}
	}
}

// Each single column as a key, and all of them, with nulls: what rows, Arrow columns and Vecs give is the same, decoding takes it back, and null is no value.
func TestNullableKeys(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		_, all, _, b := columnsOf(t, r, seed%4 < 3)
		for i, f := range all.Schema().Fields() {
			c, err := OfSchema(arrow.NewSchema([]arrow.Field{f}, nil))
			if err != nil {
				t.Fatal(err)
			}
			checkVecKeys(t, c, &col.Batch{Schema: c.Schema(), Cols: b.Cols[i : i+1], N: b.N, Sel: b.Sel})
		}
		checkVecKeys(t, all, b)
	}
}

func checkVecKeys(t *testing.T, c *Codec, b *col.Batch) {
	t.Helper()
	if err := c.CheckKey(); err != nil {
		t.Fatal(err)
	}
	var got, byRow, byColumn Keys
	c.AppendVecKeys(b.Cols, b.Sel, &got)
	rows, err := c.Rows(b.Arrays(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.AppendKeys(rows, &byRow)
	if err := c.AppendKeyColumns(b.Arrays(nil), &byColumn); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]Keys{"rows": byRow, "arrays": byColumn} {
		if string(k.Data) != string(got.Data) || fmt.Sprint(k.Ends, k.Hash) != fmt.Sprint(got.Ends, got.Hash) {
			t.Fatalf("keys %s of columns differ from those of %s: %q, %q", c.Text(), name, got.Data, k.Data)
		}
	}
	text := func(v *col.Vec, i int) string {
		if v.IsNull(i) {
			return "null"
		}
		return fmt.Sprintf("%q", v.Take([]int32{int32(i)}).ToArray(nil).String())
	}
	seen := map[string]string{}
	for i := range b.Len() {
		at := i
		if b.Sel != nil {
			at = int(b.Sel[i])
		}
		var texts []string
		for _, v := range b.Cols {
			texts = append(texts, text(v, at))
		}
		key, value := string(got.Key(i)), strings.Join(texts, ",")
		if old, ok := seen[key]; ok && old != value {
			t.Fatalf("%s and %s have one encoding, %q (P25)", old, value, key)
		}
		seen[key] = value
		if w := c.KeyWidth(); w > 0 && len(key) != w {
			t.Fatalf("key of %d bytes, want %d", len(key), w)
		}
	}
	idx := []int32{}
	for i := got.Len() - 1; i >= 0; i -= 2 {
		idx = append(idx, int32(i))
	}
	for _, which := range [][]int32{nil, idx} {
		vecs, err := c.KeyVecs(&got, which)
		if err != nil {
			t.Fatal(err)
		}
		keyRows, err := c.KeyRows(&got, which, nil)
		if err != nil {
			t.Fatal(err)
		}
		dense := b.Dense()
		for i, v := range vecs {
			want := dense.Cols[i].Take(which)
			if a, b := v.ToArray(nil), want.ToArray(nil); a.String() != b.String() {
				t.Fatalf("key column %d comes back as %s, want %s", i, a, b)
			}
			if a, b := c.Columns(keyRows, nil)[i], want.ToArray(nil); a.String() != b.String() {
				t.Fatalf("key column %d comes back by row as %s, want %s", i, a, b)
			}
		}
	}
}

func TestKeyVecsOfForeignBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	_, c, _, _ := columnsOf(t, r, true)
	for range 2000 {
		var k Keys
		b := make([]byte, r.IntN(60))
		for i := range b {
			b[i] = byte(r.IntN(4))
		}
		k.Append(b)
		_, _ = c.KeyVecs(&k, nil)
	}
}

func TestFloatColumnsAreNoKeys(t *testing.T) {
	c, err := OfSchema(arrow.NewSchema([]arrow.Field{{Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckKey(); err == nil || err.Error() != `column "score": a float may not be part of a key (P25); round it to an integer, or use its text` {
		t.Error(err)
	}
}

// wideRow has a column of each type that state keeps, nullable ones too.
type wideRow struct {
	keyRow
	F32   float32
	F64   *float64
	Name  *string
	Raw   *[]byte
	Small *int16
	When  *time.Time
	Yes   *bool
	Tags  []string
	Pairs map[string]int64
	Opt   *struct{ A, B string }
}

func randomWideRow(r *rand.Rand) wideRow {
	w := wideRow{keyRow: randomKeyRow(r), F32: float32(r.IntN(9)) / 2}
	if r.IntN(3) > 0 {
		f, s, i, at, y := r.Float64(), few(r), int16(r.IntN(9)-4), time.UnixMicro(r.Int64N(100)).UTC(), r.IntN(2) == 0
		w.F64, w.Name, w.Small, w.When, w.Yes = &f, &s, &i, &at, &y
		w.Tags, w.Pairs = []string{few(r)}, map[string]int64{few(r): 3}
		w.Opt = &struct{ A, B string }{few(r), few(r)}
	}
	return w
}

// Rows stored as rows come back as columns and the other way round.
func TestVectorsAsColumns(t *testing.T) {
	typed := codecOf[wideRow](t)
	c, err := OfSchema(typed.Schema())
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 8))
		rows := make([]wideRow, 1+r.IntN(30))
		for i := range rows {
			rows[i] = randomWideRow(r)
		}
		typed.Normalize(rows)
		byRow, byCol := NewVectors(typed), NewVectors(c)
		byRow.Grow(50)
		byCol.Grow(50)
		idx := make([]int32, 0, len(rows))
		for _, i := range r.Perm(50)[:len(rows)] {
			idx = append(idx, int32(i))
		}
		byRow.Set(idx, rows)
		byCol.SetCols(idx, col.FromArrays(c.Schema(), typed.Columns(rows, nil)))
		everything := make([]int32, 50)
		for i := range everything {
			everything[i] = int32(i)
		}
		want := typed.Columns(byRow.Get(everything, nil), nil)
		a, b := byRow.GetCols(everything).Arrays(nil), byCol.GetCols(everything).Arrays(nil)
		back := c.Columns(byCol.Get(everything, nil), nil)
		for i := range want {
			for name, got := range map[string]arrow.Array{"set as rows": a[i], "set as columns": b[i], "got as rows": back[i]} {
				if sumOf(got) != sumOf(want[i]) {
					t.Fatalf("seed %d, %s: column %s is another one", seed, name, typed.Schema().Field(i).Name)
				}
			}
		}
		for _, i := range idx {
			if string(byRow.AppendImage(nil, i)) != string(byCol.AppendImage(nil, i)) {
				t.Fatalf("seed %d: row %d is kept as other bytes", seed, i)
			}
		}
	}
}

func BenchmarkAppendVecKeys(b *testing.B) {
	const n = 2048
	for name, fields := range map[string][]arrow.Field{
		"text":  {{Name: "s", Type: arrow.BinaryTypes.String}},
		"int64": {{Name: "i", Type: arrow.PrimitiveTypes.Int64}},
		"null":  {{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true}},
		"both":  {{Name: "s", Type: arrow.BinaryTypes.String}, {Name: "i", Type: arrow.PrimitiveTypes.Int32}},
	} {
		b.Run(name, func(b *testing.B) {
			c, err := OfSchema(arrow.NewSchema(fields, nil))
			if err != nil {
				b.Fatal(err)
			}
			var vecs []*col.Vec
			for _, f := range fields {
				v := col.New(f.Type, n)
				for i := range n {
					if v.Kind == col.Text {
						v.Texts[i] = fmt.Sprint("page", i%100)
					} else {
						v.Ints[i] = int64(i % 100)
					}
				}
				vecs = append(vecs, v)
			}
			var k Keys
			b.ReportAllocs()
			for b.Loop() {
				k.Reset()
				c.AppendVecKeys(vecs, nil, &k)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}

// own gives a column memory of its own, which a test may change.
func own(v *col.Vec) {
	all := make([]int32, v.N)
	for i := range all {
		all[i] = int32(i)
	}
	*v = *v.Take(all)
}

// sumOf is a checksum of an array's values.
func sumOf(a arrow.Array) uint64 {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: a.DataType(), Nullable: true}}, nil)
	return batch.Sum(array.NewRecord(schema, []arrow.Array{a}, int64(a.Len())))
}
