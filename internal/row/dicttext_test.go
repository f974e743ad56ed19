package row

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// Texts get the numbers, encodings and hashes that they get as keys.
func TestDictAddTexts(t *testing.T) {
	c, err := OfSchema(arrow.NewSchema([]arrow.Field{{Name: "word", Type: arrow.BinaryTypes.String}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if !c.BareText() {
		t.Fatal("a text without nulls is not bare")
	}
	r := rand.New(rand.NewPCG(1, 1))
	want, got := NewDict(0), NewDict(0)
	for range 50 {
		v := col.New(arrow.BinaryTypes.String, r.IntN(200))
		for i := range v.Texts {
			v.Texts[i] = strings.Repeat("ab", r.IntN(20)) + string(rune('a'+r.IntN(26)))
		}
		var sel []int32
		if r.IntN(2) == 0 {
			sel = []int32{}
			for i := range v.N {
				if r.IntN(3) == 0 {
					sel = append(sel, int32(i))
				}
			}
		}
		var k Keys
		c.AppendVecKeys([]*col.Vec{v}, sel, &k)
		a, b := make([]int32, k.Len()), make([]int32, k.Len())
		if sel == nil {
			want.Find(&k, a)
			got.FindTexts(v, b)
			if !slices.Equal(a, b) {
				t.Fatalf("numbers found are %v, want %v", b, a)
			}
		}
		want.Add(&k, a)
		got.AddTexts(v, sel, b)
		if !slices.Equal(a, b) {
			t.Fatalf("numbers %v, want %v", b, a)
		}
	}
	a, b := want.Keys(), got.Keys()
	if !bytes.Equal(a.Data, b.Data) || !slices.Equal(a.Ends, b.Ends) || !slices.Equal(a.Hash, b.Hash) {
		t.Error("the keys differ")
	}
}

// Keys that are more than their bytes are not bare.
func TestBareText(t *testing.T) {
	text := arrow.BinaryTypes.String
	for _, fields := range [][]arrow.Field{
		{{Name: "a", Type: text, Nullable: true}},
		{{Name: "a", Type: text}, {Name: "b", Type: text}},
		{{Name: "a", Type: arrow.PrimitiveTypes.Int64}},
	} {
		c, err := OfSchema(arrow.NewSchema(fields, nil))
		if err != nil {
			t.Fatal(err)
		}
		if c.BareText() {
			t.Errorf("%s is bare", c.Text())
		}
	}
}
