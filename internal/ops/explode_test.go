package ops

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

// Split and Explode together give what strings.Split gives, with the columns beside it, of all rows or some, with nulls and without; and so does the way element by element.
func TestSplitExplode(t *testing.T) {
	in := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "line", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	split, err := expr.Bind(in, expr.Col("line").Split(" "))
	if err != nil {
		t.Fatal(err)
	}
	mid := arrow.NewSchema([]arrow.Field{in.Field(0), split.Field()}, nil)
	out := arrow.NewSchema([]arrow.Field{in.Field(0), {Name: "word", Type: arrow.BinaryTypes.String}}, nil)
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		b := col.Of(in, 0, col.New(arrow.PrimitiveTypes.Int64, r.IntN(20)), nil)
		b.N = b.Cols[0].N
		b.Cols[1] = col.New(arrow.BinaryTypes.String, b.N)
		nulls := r.IntN(2) == 0
		for i := range b.N {
			b.Cols[0].Ints[i], b.Cols[1].Texts[i] = int64(i), randomLine(r)
			if nulls && r.IntN(4) == 0 {
				b.Cols[1].SetNull(i)
			}
		}
		if r.IntN(2) == 0 {
			b.Sel = []int32{}
			for i := range b.N {
				if r.IntN(2) == 0 {
					b.Sel = append(b.Sel, int32(i))
				}
			}
		}
		var ids []int64
		var words []string
		dense := b.Dense()
		for i := range dense.N {
			if !dense.Cols[1].IsNull(i) {
				for _, w := range strings.Split(dense.Cols[1].Texts[i], " ") {
					ids, words = append(ids, dense.Cols[0].Ints[i]), append(words, w)
				}
			}
		}
		lists := &col.Batch{Schema: mid, N: b.N, Sel: b.Sel, Cols: []*col.Vec{b.Cols[0], split.Eval().Vec(b)}}
		check := func(what string, got *col.Batch) {
			if got.N != len(words) || !slices.Equal(got.Cols[0].Ints[:got.N], ids) || !slices.Equal(got.Cols[1].Texts[:got.N], words) {
				t.Fatalf("%s: %v %q, want %v %q", what, got.Cols[0].Ints, got.Cols[1].Texts, ids, words)
			}
		}
		check("exploded", exploded(out, lists, 1, false))
		d := lists.Dense()
		asArray := col.FromArray(d.Cols[1].Take(nil).Arrow())
		check("picked", picked(out, d, 1, asArray.Arrow().(*array.List), false))
		check("from an array", exploded(out, &col.Batch{Schema: mid, N: d.N, Cols: []*col.Vec{d.Cols[0], asArray}}, 1, false))
		lists.Cols[0] = nil // nobody reads it
		if got := exploded(out, lists, 1, false); got.Cols[0] != nil || !slices.Equal(got.Cols[1].Texts[:got.N], words) {
			t.Fatalf("without ids: %q, want %q", got.Cols[1].Texts, words)
		}
	}
}

// randomLine has words of 0 to 20 bytes, some of bytes that are near the separator.
func randomLine(r *rand.Rand) string {
	b := make([]byte, r.IntN(60))
	for i := range b {
		b[i] = []byte{' ', '!', 0x1f, 'a', 'w', '7', 0x7f, '_'}[r.IntN(8)]
		if r.IntN(3) == 0 {
			b[i] = "äö"[r.IntN(2)]
		}
	}
	return string(b)
}
