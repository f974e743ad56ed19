package state

import (
	"cmp"
	"slices"
)

// dueHeap is a binary heap by time. An entry counts only if it is still its row's due time: changes add entries and
// leave the old ones to be dropped when they come up.
type dueHeap []dueEntry

type dueEntry struct {
	at  int64
	row int32
}

func (h *dueHeap) push(e dueEntry) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].at <= e.at {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *dueHeap) pop() {
	s := *h
	n := len(s) - 1
	s[0] = s[n]
	*h = s[:n]
	if n > 0 {
		h.down(0)
	}
}

// down moves the entry at place i, which may be later than those below it, to where it belongs.
func (h *dueHeap) down(i int) {
	s := *h
	n := len(s)
	for {
		low := 2*i + 1
		if low >= n {
			return
		}
		if low+1 < n && s[low+1].at < s[low].at {
			low++
		}
		if s[i].at <= s[low].at {
			return
		}
		s[i], s[low] = s[low], s[i]
		i = low
	}
}

// take removes the entries whose time is <= until. They are the top of the heap, so it looks at them and at those right below only; the holes are filled from
// the lowest up, most of which are near the ground: that is much less than to pop one by one.
func (h *dueHeap) take(until int64) []dueEntry {
	s := *h
	if len(s) == 0 || s[0].at > until {
		return nil
	}
	holes := []int{0}
	taken := make([]dueEntry, 0, 64)
	for i := 0; i < len(holes); i++ {
		taken = append(taken, s[holes[i]])
		for low := 2*holes[i] + 1; low <= 2*holes[i]+2 && low < len(s); low++ {
			if s[low].at <= until {
				holes = append(holes, low)
			}
		}
	}
	for _, hole := range slices.Backward(holes) {
		n := len(*h) - 1
		last := (*h)[n]
		*h = (*h)[:n]
		if hole < n {
			(*h)[hole] = last
			h.down(hole)
		}
	}
	return taken
}

// SetDue sets the due time of rows idx, µs since 1970; 0 means never. It marks the row changed.
func (t *Table) SetDue(idx []int32, due []int64) {
	t.mustBeOpen()
	for i, r := range idx {
		t.mark(r)
		t.setDue(r, due[i])
	}
}

// setDue sets a due time without keeping the old one.
func (t *Table) setDue(r int32, due int64) {
	if t.due == nil {
		if due == 0 {
			return
		}
		t.due = make([]int64, len(t.group))
	}
	if t.due[r] == due {
		return
	}
	t.due[r] = due
	if due == 0 {
		return
	}
	t.heap.push(dueEntry{due, r})
	if len(t.heap) > 64+2*t.live {
		t.tidyDue()
	}
}

// tidyDue drops entries that no longer count. It runs after as many changes as there are rows.
func (t *Table) tidyDue() {
	h := slices.DeleteFunc(t.heap, func(e dueEntry) bool { return t.due[e.row] != e.at })
	slices.SortFunc(h, func(a, b dueEntry) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.row, b.row)) })
	t.heap = slices.Compact(h)
}

// Due returns the rows whose due time is <= until, ordered by (due, key bytes), and clears their due times. Cost is what is due,
// not what there is.
func (t *Table) Due(until int64) []int32 {
	t.mustBeOpen()
	taken := t.heap.take(until)
	found, more := make([]entry, len(taken)), make([]entry, len(taken))
	for i, e := range taken {
		found[i] = entry{word: uint64(e.row), row: e.row, at: int32(i)}
	}
	sortWords(found, more) // by row, as they lie in memory
	n := 0
	for _, f := range found {
		if e := taken[f.at]; t.due[e.row] == e.at {
			t.mark(e.row)
			t.due[e.row] = 0
			found[n] = entry{word: uint64(e.at) ^ 1<<63, row: e.row} // times in the order of numbers without a sign
			n++
		}
	}
	found = found[:n]
	sortWords(found, more)
	runs(found, func(lo, hi int) { t.sortByKey(found[lo:hi], more) })
	rows := make([]int32, len(found))
	for i, e := range found {
		rows[i] = e.row
	}
	return rows
}

// sortByKey orders rows by their keys.
func (t *Table) sortByKey(es, more []entry) {
	rows := make([]int32, len(es))
	for i := range es {
		rows[i], es[i].at = es[i].row, int32(i)
	}
	sortKeys(t.keys.collect(rows), es, more, 0)
}

// Waits tells whether row r has a due time.
func (t *Table) Waits(r int32) bool { return t.due != nil && t.due[r] != 0 }

// NextDue is the earliest due time, 0 if there is none.
func (t *Table) NextDue() int64 {
	for len(t.heap) > 0 {
		if e := t.heap[0]; t.due[e.row] == e.at {
			return e.at
		}
		t.heap.pop()
	}
	return 0
}
