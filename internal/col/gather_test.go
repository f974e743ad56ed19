package col_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

var kinds = arrow.NewSchema([]arrow.Field{
	{Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "i8", Type: arrow.PrimitiveTypes.Int8, Nullable: true}, {Name: "i16", Type: arrow.PrimitiveTypes.Int16, Nullable: true},
	{Name: "i32", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, {Name: "i64", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "u8", Type: arrow.PrimitiveTypes.Uint8, Nullable: true}, {Name: "u16", Type: arrow.PrimitiveTypes.Uint16, Nullable: true},
	{Name: "u32", Type: arrow.PrimitiveTypes.Uint32, Nullable: true}, {Name: "u64", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
	{Name: "f32", Type: arrow.PrimitiveTypes.Float32, Nullable: true}, {Name: "f64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "bytes", Type: arrow.BinaryTypes.Binary, Nullable: true},
	{Name: "time", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
	{Name: "decimal", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true},
	{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
}, nil)

// someBatch is rows of all kinds of column, with a selection or without, with nulls or without.
func someBatch(r *rand.Rand) *col.Batch {
	n := r.IntN(40)
	b := &col.Batch{Schema: kinds, N: n}
	for _, f := range kinds.Fields() {
		if f.Name == "list" {
			list := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64)
			for range n {
				list.Append(true)
				for range r.IntN(3) {
					list.ValueBuilder().(*array.Int64Builder).Append(r.Int64())
				}
			}
			b.Cols = append(b.Cols, col.FromArray(list.NewArray()))
			continue
		}
		v := col.New(f.Type, n)
		for i := range n {
			switch v.Kind {
			case col.Bool:
				v.Bools[i] = r.IntN(2) == 0
			case col.Int:
				v.Ints[i] = int64(int8(r.Int64()))
			case col.Uint:
				v.Uints[i] = uint64(uint8(r.Uint64()))
			case col.Float:
				v.Floats[i] = float64(r.IntN(9)) / 4
			case col.Text:
				v.Texts[i] = fmt.Sprint(r.IntN(1e6))[:r.IntN(2)]
			case col.Decimal:
				v.Decimals[i] = decimal128.FromI64(r.Int64())
			}
		}
		if r.IntN(2) == 0 {
			for i := range n {
				if r.IntN(4) == 0 {
					v.SetNull(i)
				}
			}
		}
		b.Cols = append(b.Cols, v)
	}
	if r.IntN(2) == 0 {
		b.Sel = []int32{}
		for i := range int32(n) {
			if r.IntN(2) == 0 {
				b.Sel = append(b.Sel, i)
			}
		}
	}
	return b
}

// TestGather: what rows of many batches become in one go is, byte for byte, what they become batch by batch.
func TestGather(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		parts := 1 + r.IntN(3)
		dealing, apart := col.NewDealing(kinds, parts), make([][]arrow.Record, parts)
		for range 2 {
			for range r.IntN(6) {
				b := someBatch(r)
				idx := make([][]int32, parts)
				for i := range int32(b.Len()) {
					p := r.IntN(parts)
					idx[p] = append(idx[p], i)
				}
				for p := range parts {
					if parts == 1 && r.IntN(2) == 0 {
						idx[p] = nil
					}
					if n := len(idx[p]); n > 0 || parts == 1 && b.Len() > 0 {
						if idx[p] == nil {
							n = b.Len()
						}
						apart[p] = append(apart[p], array.NewRecord(kinds, b.Arrays(idx[p]), int64(n)))
					}
					if idx[p] != nil || parts == 1 {
						dealing.Add(b, p, idx[p])
					}
				}
			}
			for p, got := range dealing.Records() {
				want := batch.Concat(apart[p])
				apart[p] = nil
				if (got == nil) != (want == nil) {
					t.Fatalf("seed %d: part %d: %v, want %v", seed, p, got, want)
				}
				if got != nil && (got.NumRows() != want.NumRows() || !bytes.Equal(bytes.Join(batch.Marshal(got, nil), nil), bytes.Join(batch.Marshal(want, nil), nil))) {
					t.Fatalf("seed %d: part %d:\n%v\nwant\n%v", seed, p, got, want)
				}
			}
		}
	}
}

// Rows that fill many batches are put together from several records.
func TestDealingOfManyRows(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	d := col.NewDealing(schema, 2)
	n := int64(0)
	for range 50 {
		v := col.New(arrow.PrimitiveTypes.Int64, 4096)
		for i := range v.Ints {
			v.Ints[i] = n
			n++
		}
		d.Add(col.Of(schema, v.N, v), 1, nil)
	}
	out := d.Records()
	if out[0] != nil || out[1].NumRows() != n {
		t.Fatalf("%v, %d rows, want none and %d", out[0], out[1].NumRows(), n)
	}
	for i, got := range out[1].Column(0).(*array.Int64).Int64Values() {
		if got != int64(i) {
			t.Fatalf("row %d is %d", i, got)
		}
	}
}
