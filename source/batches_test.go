package source

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

type measured struct {
	ID   int64
	Name *string
	On   bool
	Tags []string
}

func someMeasured(r *rand.Rand, n int) []measured {
	rows := make([]measured, n)
	for i := range rows {
		rows[i] = measured{ID: int64(i), On: r.IntN(2) == 0}
		if r.IntN(3) > 0 {
			rows[i].Name = &[]string{"", "a", "bé"}[r.IntN(3)]
		}
		for range r.IntN(3) {
			rows[i].Tags = append(rows[i].Tags, "t")
		}
	}
	return rows
}

// Blocks of record batches are cut as blocks of records are, and read as rows and as columns, with and without conditions.
func TestBatchBlocks(t *testing.T) {
	codec, err := row.For[measured]()
	if err != nil {
		t.Fatal(err)
	}
	spec := Batches[measured](&Spec{Name: "m"}).Spec()
	where, err := expr.Bind(codec.Schema(), expr.Col("on"))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		rows := someMeasured(r, 1+r.IntN(70))
		var offsets []int64
		first, next := int64(r.IntN(9)), int64(0)
		if next = first + int64(len(rows)); r.IntN(2) == 0 {
			next = first
			for range rows {
				next += int64(r.IntN(3))
				offsets = append(offsets, next)
				next++
			}
			next += int64(r.IntN(3))
		}
		b := BatchBlock(array.NewRecord(codec.Schema(), codec.Columns(rows, nil), int64(len(rows))), offsets, first, next)
		from := first + int64(r.IntN(int(next-first)))
		part := b.Slice(from, from+int64(r.IntN(int(next-from)+1)))
		var want, wantOn []measured
		for i, m := range rows {
			if at := b.Offset(i); at >= part.First && at < part.Next {
				want = append(want, m)
				if m.On {
					wantOn = append(wantOn, m)
				}
			}
		}
		p := rdd.Projection{Read: []bool{true, r.IntN(2) == 0, r.IntN(2) == 0, true}}
		all, some := spec.Columns(p), spec.Columns(rdd.Projection{Read: p.Read, Where: []*expr.Bound{where}})
		decoder := spec.Decoder()
		var got, gotAll, gotOn []measured
		for lo := 0; lo < part.Len(); {
			hi := min(lo+1+r.IntN(20), part.Len())
			rowsOf, _, bad := decoder.Decode(part, lo, hi)
			got = append(got, rowsOf.Vals.([]measured)...)
			columns, at, _ := all.Decode(part, lo, hi)
			gotAll = append(gotAll, fromColumns(codec, columns, p.Read)...)
			on, where, _ := some.Decode(part, lo, hi)
			gotOn = append(gotOn, fromColumns(codec, on, p.Read)...)
			if len(bad) > 0 || at != nil || len(where) != on.N {
				t.Fatalf("bad %v, rows of %v, %v", bad, at, where)
			}
			lo = hi
		}
		wantRead(t, want, p.Read, gotAll)
		wantRead(t, wantOn, p.Read, gotOn)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: rows: %s", seed, diff)
		}
	}
}

// wantRead compares rows but for columns that are not read.
func wantRead(t *testing.T, want []measured, read []bool, got []measured) {
	t.Helper()
	w := slices.Clone(want)
	for i := range w {
		if !read[1] {
			w[i].Name = nil
		}
		if !read[2] {
			w[i].On = false
		}
	}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Fatal(diff)
	}
}

// fromColumns are the rows of a chunk of columns of which some are not there.
func fromColumns(codec *row.Codec, c rdd.Chunk, read []bool) []measured {
	b := *c.Vals.(*col.Batch)
	b.Cols = slices.Clone(b.Cols)
	for i, v := range b.Cols {
		if read[i] != (v != nil) {
			panic("a column that is read is not there, or one that is not read is")
		}
		if v != nil {
			continue
		}
		f := codec.Schema().Field(i)
		b.Cols[i] = col.New(f.Type, b.N)
		for j := range b.N {
			if f.Nullable {
				b.Cols[i].SetNull(j)
			}
		}
		if !f.Nullable {
			b.Cols[i].Clear()
		}
	}
	return codec.FromBatch(&b).([]measured)
}
