package row

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

type lazyRow struct {
	A, B int64
	C    uint64
	D    float64
	E    int32

	First, Last, Other time.Time
}

// lazyValue has small numbers, and wide ones among them: what four bytes hold just so, and just not; times that are near each other, and far.
func lazyValue(r *rand.Rand, wide bool) lazyRow {
	first := time.UnixMicro(r.Int64N(1 << 50)).UTC()
	v := lazyRow{int64(r.IntN(3)), int64(r.IntN(2)), uint64(r.IntN(3)), float64(r.IntN(2)), int32(r.IntN(3)), first, first.Add(time.Duration(r.IntN(3)) * time.Hour / 2), first}
	if wide && r.IntN(3) == 0 {
		v.A = []int64{math.MaxUint32, math.MaxUint32 + 1, -1, math.MinInt64}[r.IntN(4)]
		v.C = []uint64{math.MaxUint32, math.MaxUint64}[r.IntN(2)]
		v.Last = []time.Time{first.Add(-time.Microsecond), {}, first.Add(math.MaxUint32 * time.Microsecond), first.Add((math.MaxUint32 + 1) * time.Microsecond)}[r.IntN(4)]
	}
	return v
}

// Columns of numbers that are zero or small take less memory, and behave as others do: in values, in images and when rows are cleared.
func TestNarrowColumnsBehaveAsOthers(t *testing.T) {
	c, err := For[lazyRow]()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 40 {
		v, want := NewVectors(c), map[int32]lazyRow{}
		rows, zeros := 1+r.IntN(100), r.IntN(20) // steps before anything but zero is set
		small := zeros + r.IntN(20)              // and before anything wide is
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
					vals[i] = lazyValue(r, step >= small)
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

// Times of a pair take 12 bytes, small numbers 4, zeros none.
func TestNarrowColumnsTakeLess(t *testing.T) {
	type session struct {
		Start, End time.Time
		Count, Sum int64
		High       int64
	}
	c, err := For[session]()
	if err != nil {
		t.Fatal(err)
	}
	const rows = 1000
	v, idx, vals := NewVectors(c), make([]int32, rows), make([]session, rows)
	v.Grow(rows)
	for i := range idx {
		at := time.UnixMicro(int64(i) << 40).UTC()
		idx[i], vals[i] = int32(i), session{at, at.Add(time.Hour), 3, int64(i), 0}
	}
	v.Set(idx, vals)
	if got := v.Bytes(); got != rows*(8+4+4+4) {
		t.Errorf("%d bytes, want 20 a row", got)
	}
	if got := v.Ints(2); len(got) != rows || got[7] != 3 || v.Bytes() != rows*(8+4+8+4) {
		t.Errorf("%d numbers in %d bytes: Ints are of eight bytes", len(got), v.Bytes())
	}
}
