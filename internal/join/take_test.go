package join

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// A struct that a row without partner does not have is null, and its fields are not: they may be of a type without nulls, and must pass as columns.
func TestStructWithoutPartner(t *testing.T) {
	type inner struct {
		Site string
		No   int16
	}
	type outer struct{ Page *inner }
	codec, err := row.For[outer]()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*col.Vec{
		"some": codec.Batch([]outer{{&inner{"a", 1}}, {&inner{"b", 2}}}, nil, nil).Cols[0],
		"none": codec.Batch([]outer{}, nil, nil).Cols[0],
	} {
		idx := []int32{-1, 1, -1}
		if name == "none" {
			idx = []int32{-1, -1}
		}
		got := take(v, idx, true)

		rows, err := codec.Rows([]arrow.Array{got.Array}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, r := range rows.([]outer) {
			if (r.Page != nil) != (idx[i] >= 0) || r.Page != nil && *r.Page != (inner{"b", 2}) {
				t.Errorf("%s: row %d is %v", name, i, r.Page)
			}
		}
	}
}

// TestRowsInMemory: rows that are made in memory which is used again are the same, until the next ones are made.
func TestRowsInMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	fields := []arrow.Field{
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "int", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "float", Type: arrow.PrimitiveTypes.Float64}, {Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	}
	side := func(n int) *col.Batch {
		b := &col.Batch{Schema: arrow.NewSchema(fields, nil), N: n}
		for _, f := range fields {
			v := col.New(f.Type, n)
			for i := range n {
				switch {
				case f.Nullable && r.IntN(5) == 0:
					v.SetNull(i)
				case v.Kind == col.Text:
					v.Texts[i] = strings.Repeat("x", r.IntN(9))
				case v.Kind == col.Int:
					v.Ints[i] = r.Int64()
				case v.Kind == col.Float:
					v.Floats[i] = r.Float64()
				default:
					v.Bools[i] = r.IntN(2) == 0
				}
			}
			b.Cols = append(b.Cols, v)
		}
		return b
	}
	s := &Spec{}
	var both []arrow.Field
	for i, f := range fields {
		s.From = append(s.From, Source{Left: i, Right: -1}, Source{Left: -1, Right: i}, Source{Left: i, Right: i})
		for range 3 {
			f.Name = fmt.Sprint("c", len(both))
			f.Nullable = true
			both = append(both, f)
		}
	}
	s.Both = arrow.NewSchema(both, nil)
	memory := make([]*col.Vec, len(s.From))
	for range 300 {
		left, right := side(1+r.IntN(20)), side(1+r.IntN(20))
		left.Cols[r.IntN(4)].Null = nil
		var li, ri []int32
		for i := range left.N {
			for n := r.IntN(3); n > 0; n-- {
				li, ri = append(li, int32(i)), append(ri, int32(r.IntN(right.N+1))-1)
			}
		}
		want, got := s.rows(left, right, li, ri), s.rowsIn(memory, left, right, li, ri)
		if want.N != got.N || batch.Sum(want.Record()) != batch.Sum(got.Record()) {
			t.Fatalf("rows %v and %v: %v, want %v", li, ri, got.Record(), want.Record())
		}
	}
}
