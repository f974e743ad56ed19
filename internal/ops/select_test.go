package ops

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A selection is what a stable sort of all rows gives, cut group by group.
func TestSelection(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n, groups, limit := r.IntN(200), 1+r.IntN(1+r.IntN(20)), r.IntN(12)
		vals, of := make([]int, n), make([]int32, n)
		for i := range vals {
			vals[i], of[i] = r.IntN(1+r.IntN(50)), int32(r.IntN(groups))
		}
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		slices.SortStableFunc(all, func(a, b int32) int { return vals[a] - vals[b] })
		var want []int32
		for g := range groups {
			at := len(want)
			for _, i := range all {
				if int(of[i]) == g && (limit == 0 || len(want)-at < limit) {
					want = append(want, i)
				}
			}
		}
		s := selection{limit: limit, before: func(a, b int32) bool { return vals[a] < vals[b] || vals[a] == vals[b] && a < b }}
		if got := s.of(of, groups); !slices.Equal(got, want) {
			t.Fatalf("limit %d of %v by %v: %v, want %v", limit, of, vals, got, want)
		}
	}
}
