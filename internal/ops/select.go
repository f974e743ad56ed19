package ops

import (
	"slices"
)

// selection is the first rows of each group in an order, of rows that are numbered and have a group each. Rows that are equal stay in order of their numbers.
type selection struct {
	before func(a, b int32) bool // whether row a goes before row b
	limit  int                   // rows of a group; 0: all
}

// of are the rows that are wanted, in order, group by group; row i is of group of[i], below n.
func (s *selection) of(of []int32, n int) []int32 {
	ends := s.places(of, n)
	next := slices.Clone(ends[:n]) // where the next row of a group goes
	out := make([]int32, ends[n])
	for i, g := range of {
		row, lo, hi := int32(i), ends[g], ends[g+1]
		switch {
		case next[g] < hi:
			out[next[g]] = row
			next[g]++
			if int(hi-lo) == s.limit && next[g] == hi {
				s.heapify(out[lo:hi])
			}
		case s.before(row, out[lo]): // which is the last of those chosen
			out[lo] = row
			s.sink(out[lo:hi], 0)
		}
	}
	for g := range n {
		slices.SortFunc(out[ends[g]:ends[g+1]], func(a, b int32) int {
			if s.before(a, b) {
				return -1
			}
			return 1 // no two rows are equal
		})
	}
	return out
}

// places are where the rows of each group begin, and where those of the last end.
func (s *selection) places(of []int32, n int) []int32 {
	ends := make([]int32, n+1)
	for _, g := range of {
		if s.limit == 0 || int(ends[g+1]) < s.limit {
			ends[g+1]++
		}
	}
	for g := range n {
		ends[g+1] += ends[g]
	}
	return ends
}

// heapify makes rows a heap with the last of them on top.
func (s *selection) heapify(rows []int32) {
	for i := len(rows)/2 - 1; i >= 0; i-- {
		s.sink(rows, i)
	}
}

// sink moves row i, which may go before those below it, to where it belongs.
func (s *selection) sink(rows []int32, i int) {
	for {
		last := 2*i + 1
		if last >= len(rows) {
			return
		}
		if last+1 < len(rows) && s.before(rows[last], rows[last+1]) {
			last++
		}
		if !s.before(rows[i], rows[last]) {
			return
		}
		rows[i], rows[last] = rows[last], rows[i]
		i = last
	}
}
