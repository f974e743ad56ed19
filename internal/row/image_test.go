package row

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

type lazyRow struct {
	A, B int64
	C    uint64
	D    float64
	E    int32
}

// Columns whose numbers are all zero take no memory, and behave as others do: in values, in images and when rows are cleared.
func TestZeroColumnsBehaveAsOthers(t *testing.T) {
	c, err := For[lazyRow]()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 40 {
		v, want := NewVectors(c), map[int32]lazyRow{}
		rows, zeros := 1+r.IntN(100), r.IntN(20) // steps before anything but zero is set
		v.Grow(rows)
		for step := range 30 {
			idx := make([]int32, 1+r.IntN(3))
			for i := range idx {
				idx[i] = int32((step*5 + i) % rows)
			}
			if rows < 3 {
				idx = idx[:1]
			}
			vals := make([]lazyRow, len(idx))
			for i := range vals {
				if step >= zeros {
					vals[i] = lazyRow{int64(r.IntN(3)), int64(r.IntN(2)), uint64(r.IntN(3)), float64(r.IntN(2)), int32(r.IntN(3))}
				}
			}
			image := v.AppendImages([]byte{}, idx)
			var one []byte
			for _, row := range idx {
				one = v.AppendImage(one, row)
			}
			if string(image) != string(one) {
				t.Fatalf("images %x, one by one %x", image, one)
			}
			if step%2 == 0 {
				v.Set(idx, vals)
			} else {
				v.SetCols(idx, c.Batch(vals, nil, nil))
			}
			switch r.IntN(4) {
			case 0: // taken back
				for _, row := range idx {
					image = v.SetImage(image, row)
				}
			case 1:
				v.Clear(idx)
				for _, row := range idx {
					delete(want, row)
				}
			default:
				for i, row := range idx {
					want[row] = vals[i]
				}
			}
			if r.IntN(10) == 0 {
				rows += 10
				v.Grow(rows)
			}
			all, expect := make([]int32, rows), make([]lazyRow, rows)
			for i := range all {
				all[i], expect[i] = int32(i), want[int32(i)]
			}
			if got := v.Get(all, nil); fmt.Sprint(got) != fmt.Sprint(expect) {
				t.Fatalf("round %d step %d: got %v, want %v", round, step, got, expect)
			}
			if got, want := fmt.Sprint(v.GetCols(all).Arrays(nil)), fmt.Sprint(c.Columns(expect, nil)); got != want {
				t.Fatalf("round %d step %d: got %v, want %v", round, step, got, want)
			}
		}
	}
}
