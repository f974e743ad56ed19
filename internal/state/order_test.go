package state

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/row"
)

// Keys come out in the order of their bytes: short and long ones, that begin alike, that end in zeros, that are there twice.
func TestSortKeysGoesByBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 15, 17, 127, 128, 1000, 5000} {
		for letters := 1; letters <= 256; letters *= 16 {
			k := &row.Keys{}
			prefix := make([]byte, r.IntN(100))
			var want [][]byte
			for range n {
				key := append([]byte{}, prefix...)
				for range r.IntN(20) {
					key = append(key, byte(r.IntN(letters)))
				}
				want = append(want, key)
				k.Append(key)
			}
			slices.SortFunc(want, bytes.Compare)
			es, more := make([]entry, n), make([]entry, n)
			for i := range es {
				es[i].at = int32(i)
			}
			sortKeys(k, es, more, 0)
			for i, e := range es {
				if !bytes.Equal(k.Key(int(e.at)), want[i]) {
					t.Fatalf("%d keys of %d letters: number %d is %x, want %x", n, letters, i, k.Key(int(e.at)), want[i])
				}
			}
		}
	}
}

// What is due is taken from the heap whole, and what is left is a heap.
func TestTakeLeavesAHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var h dueHeap
		n, most := r.IntN(200), 1+r.IntN(100)
		for i := range n {
			h.push(dueEntry{int64(r.IntN(most)), int32(i)})
		}
		until := int64(r.IntN(most))
		want := 0
		for _, at := range h.at {
			if at <= until {
				want++
			}
		}
		taken := h.take(until)
		if len(taken) != want || h.len() != n-want {
			t.Fatalf("%d taken and %d left of %d, of which %d are due", len(taken), h.len(), n, want)
		}
		seen := make([]bool, n)
		rows := slices.Clone(h.row)
		for _, e := range taken {
			rows = append(rows, e.row)
		}
		for _, row := range rows {
			if seen[row] {
				t.Fatalf("entry %d is there twice", row)
			}
			seen[row] = true
		}
		for _, e := range taken {
			if e.at > until {
				t.Fatalf("%d is taken, and is not due until %d", e.at, until)
			}
		}
		for last := until; h.len() > 0; h.pop() {
			if h.at[0] <= until || h.at[0] < last {
				t.Fatalf("%d comes behind %d, due until %d", h.at[0], last, until)
			}
			last = h.at[0]
		}
	}
}

// Add gives rows to keys that Find has not found: one to a key that stands there twice, and those that are known keep theirs.
func TestAddBehindFind(t *testing.T) {
	kc, vc := codec[string](t), codec[int64](t)
	table := New(kc, vc, 0)
	table.Begin(1)
	known := make([]int32, 1)
	table.Upsert(keysOf(kc, "b"), known)
	k, idx := keysOf(kc, "a", "b", "a", "c"), make([]int32, 4)
	table.Find(k, idx)
	table.Add(k, idx)
	again := make([]int32, 4)
	table.Find(k, again)
	if !slices.Equal(idx, again) || idx[0] != idx[2] || idx[1] != known[0] || table.Len() != 3 {
		t.Errorf("added as %d, found as %d, %d rows; b is %d", idx, again, table.Len(), known)
	}
}
