package row

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// TestColumnarIsWhatArrowGives takes random rows to columns and back, directly and over Arrow's arrays: both ways end in the same.
func TestColumnarIsWhatArrowGives(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	c := codecOf[wide](t)
	for n := range 40 {
		rows := randomRows[wide](r, n)
		var idx []int32
		for i := range rows {
			if r.IntN(3) > 0 {
				idx = append(idx, int32(i))
			}
		}
		for _, idx := range [][]int32{nil, idx} {
			cols := c.Columns(rows, idx)
			want, err := c.Rows(cols, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := c.Batch(rows, idx, nil)
			if got, over := batch.Sum(b.Record()), batch.Sum(array.NewRecord(c.schema, cols, int64(b.N))); got != over {
				t.Fatalf("%d rows: columns differ", n)
			}
			got := c.FromBatch(b)
			if diff := cmp.Diff(want, got, exported); diff != "" {
				t.Fatalf("%d rows: %s", n, diff)
			}
			if b.N == 0 {
				continue
			}
			if diff := cmp.Diff(want.([]wide)[b.N-1:], c.FromBatch(b.Where([]int32{int32(b.N - 1)})), exported); diff != "" {
				t.Fatalf("last of %d rows: %s", n, diff)
			}
		}
	}
}

// TestColumnarLeavesOut checks that columns which are not wanted are not made, and that memory given back is written anew, nulls included.
func TestColumnarLeavesOut(t *testing.T) {
	type r struct {
		A int32
		B *string
	}
	x := "x"
	c := codecOf[r](t)
	b := c.Batch([]r{{1, &x}, {2, nil}}, nil, []bool{false, true})
	if b.Cols[0] != nil || b.N != 2 || !cmp.Equal(b.Cols[1].Texts, []string{"x", ""}) || !b.Cols[1].IsNull(1) || b.Cols[1].IsNull(0) {
		t.Errorf("%+v", b.Cols)
	}
	v := c.Vec(1, []r{{1, nil}, {2, &x}, {3, nil}}, b.Cols[1])
	if v.N != 3 || !cmp.Equal(v.Texts[:3], []string{"", "x", ""}) || !cmp.Equal(v.Null, []bool{true, false, true}) {
		t.Errorf("%+v", v)
	}
	if v = c.Vec(1, []r{{4, &x}}, v); v.N != 1 || v.IsNull(0) || v.Texts[0] != "x" {
		t.Errorf("%+v", v)
	}
}

func benchmarkColumnar(b *testing.B, f func(c *Codec, rows []view)) {
	c := codecOf[view](b)
	rows := make([]view, 2048)
	for i := range rows {
		rows[i] = view{"a page of some length", "another one", int64(i), int64(i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		f(c, rows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2048, "ns/row")
}

type view struct {
	Page, Referrer string
	At, Viewer     int64
}

func BenchmarkToColumns(b *testing.B) {
	b.Run("direct", func(b *testing.B) { benchmarkColumnar(b, func(c *Codec, rows []view) { c.Batch(rows, nil, nil) }) })
	b.Run("arrow", func(b *testing.B) {
		benchmarkColumnar(b, func(c *Codec, rows []view) { col.FromArrays(c.schema, c.Columns(rows, nil)) })
	})
}

func BenchmarkFromColumns(b *testing.B) {
	var made *col.Batch
	back := func(c *Codec, rows []view) *col.Batch {
		if made == nil {
			made = c.Batch(rows, nil, nil)
		}
		return made
	}
	b.Run("direct", func(b *testing.B) { benchmarkColumnar(b, func(c *Codec, rows []view) { c.FromBatch(back(c, rows)) }) })
	b.Run("arrow", func(b *testing.B) {
		benchmarkColumnar(b, func(c *Codec, rows []view) {
			if _, err := c.Rows(back(c, rows).Arrays(nil), nil); err != nil {
				b.Fatal(err)
			}
		})
	})
}
