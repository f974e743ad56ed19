package host

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
)

// mixed has rows of all shapes, whose texts are sometimes large.
func mixed(r *rand.Rand, n, most int) arrow.Record {
	list := arrow.ListOf(arrow.BinaryTypes.String)
	s := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "b", Type: arrow.FixedWidthTypes.Boolean}, {Name: "s", Type: arrow.BinaryTypes.Binary},
		{Name: "l", Type: list}, {Name: "t", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.BinaryTypes.String})},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	text := func() string { return string(make([]byte, r.IntN(most))) }
	for i := range n {
		if i%5 == 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
		}
		b.Field(1).(*array.BooleanBuilder).Append(i%2 == 0)
		b.Field(2).(*array.BinaryBuilder).AppendString(text())
		l := b.Field(3).(*array.ListBuilder)
		l.Append(true)
		for range r.IntN(3) {
			l.ValueBuilder().(*array.StringBuilder).Append(text())
		}
		t := b.Field(4).(*array.StructBuilder)
		t.Append(true)
		t.FieldBuilder(0).(*array.StringBuilder).Append(text())
	}
	return b.NewRecord()
}

// Sizes of slices are those of their rows, and not of the buffers that they lie in.
func TestSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rec := mixed(r, 1000, 50)
	whole := recordBytes(rec)
	if held := batch.Bytes(rec); whole > held+1000 || whole < held*9/10 {
		t.Errorf("%d bytes, and its buffers hold %d", whole, held)
	}
	sum := int64(0)
	for i := range 10 {
		part := recordBytes(rec.NewSlice(int64(100*i), int64(100*i+100)))
		if part != rangeBytes(rec, 100*i, 100*i+100) {
			t.Errorf("part %d: the slice has %d bytes, and its range %d", i, part, rangeBytes(rec, 100*i, 100*i+100))
		}
		sum += part
	}
	if sum < whole || sum > whole+100 {
		t.Errorf("parts have %d bytes, and the whole %d", sum, whole)
	}
	if n := recordBytes(nil); n != 0 {
		t.Errorf("nothing has %d bytes", n)
	}
}

func TestPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, rec := range []arrow.Record{mixed(r, 0, 1), mixed(r, 1, 1), mixed(r, 20_000, 20), mixed(r, 2000, 3000), mixed(r, 5, 2<<20), mixed(r, 10_000, 30).NewSlice(1000, 9500)} {
		list := pieces(rec)
		for i, p := range list {
			if p.NumRows() > pieceRows || recordBytes(p) > pieceBytes && p.NumRows() > 1 {
				t.Errorf("piece %d has %d rows and %d bytes", i, p.NumRows(), recordBytes(p))
			}
		}
		if all := batch.Concat(list); !array.RecordEqual(all, rec) {
			t.Errorf("pieces of %d rows are other rows", rec.NumRows())
		}
	}
}

// Ranges have each key once, with all of its rows in order.
func TestKeyRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct{ rows, keys, most int }{{0, 1, 10}, {100, 3, 10}, {5000, 1, 2000}, {5000, 700, 1000}, {3000, 3000, 4000}, {10, 10, 1 << 20}} {
		rows, keys := mixed(r, c.rows, c.most), mixed(r, c.keys, 100)
		of := make([]int32, c.rows)
		for i := range of {
			of[i] = r.Int32N(int32(c.keys))
		}
		ranges := keyRanges(rows, of, c.keys, keys)
		at, n := 0, 0
		for _, k := range ranges {
			if k.from != at {
				t.Fatalf("%v: a range from %d, and the one before it ends at %d", c, k.from, at)
			}
			at = k.to
			if k.whole {
				n = c.rows
				continue
			}
			for _, i := range k.rows {
				if int(of[i]) < k.from || int(of[i]) >= k.to {
					t.Fatalf("%v: row %d of key %d is in the range [%d, %d)", c, i, of[i], k.from, k.to)
				}
			}
			if n += len(k.rows); !slices.IsSorted(k.rows) {
				t.Errorf("%v: rows out of order", c)
			}
			if size := recordBytes(batch.Take(rows, k.rows)); size > pieceBytes && k.to-k.from > 1 {
				t.Errorf("%v: a range of %d keys has %d bytes", c, k.to-k.from, size)
			}
		}
		if at != c.keys || n != c.rows {
			t.Errorf("%v: ranges have %d keys and %d rows", c, at, n)
		}
		if total := recordBytes(rows) + recordBytes(keys); total > wholeBytes && c.keys > 1 && len(ranges) < 2 {
			t.Errorf("%v: %d bytes in one request", c, total)
		}
	}
}
