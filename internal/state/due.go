package state

import (
	"cmp"
	"slices"
)

// dueHeap is a binary heap by time. An entry counts only if it is still its row's due time: changes add entries and
// leave the old ones to be dropped when they come up. Times and rows lie apart, since together they would take a third more.
type dueHeap struct {
	at  []int64
	row []int32
}

type dueEntry struct {
	at  int64
	row int32
}

func (h *dueHeap) len() int              { return len(h.at) }
func (h *dueHeap) get(i int) dueEntry    { return dueEntry{h.at[i], h.row[i]} }
func (h *dueHeap) set(i int, e dueEntry) { h.at[i], h.row[i] = e.at, e.row }
func (h *dueHeap) bytes() int            { return 8*cap(h.at) + 4*cap(h.row) }

func (h *dueHeap) push(e dueEntry) {
	h.at, h.row = append(h.at, e.at), append(h.row, e.row)
	i := h.len() - 1
	for i > 0 {
		up := (i - 1) / 2
		if h.at[up] <= e.at {
			break
		}
		h.set(i, h.get(up))
		i = up
	}
	h.set(i, e)
}

func (h *dueHeap) pop() { h.fill(0) }

// fill puts the last entry at place i, whose entry goes.
func (h *dueHeap) fill(i int) {
	n := h.len() - 1
	last := h.get(n)
	h.at, h.row = h.at[:n], h.row[:n]
	if i < n {
		h.down(i, last)
	}
}

// down puts e at place i or below, where it belongs.
func (h *dueHeap) down(i int, e dueEntry) {
	n := h.len()
	for {
		low := 2*i + 1
		if low >= n {
			break
		}
		if low+1 < n && h.at[low+1] < h.at[low] {
			low++
		}
		if e.at <= h.at[low] {
			break
		}
		h.set(i, h.get(low))
		i = low
	}
	h.set(i, e)
}

// take removes the entries whose time is <= until. They are the top of the heap, so it looks at them and at those right below only; the holes are filled from
// the lowest up, most of which are near the ground: that is much less than to pop one by one.
func (h *dueHeap) take(until int64) []dueEntry {
	if h.len() == 0 || h.at[0] > until {
		return nil
	}
	holes := []int{0}
	taken := make([]dueEntry, 0, 64)
	for i := 0; i < len(holes); i++ {
		taken = append(taken, h.get(holes[i]))
		for low := 2*holes[i] + 1; low <= 2*holes[i]+2 && low < h.len(); low++ {
			if h.at[low] <= until {
				holes = append(holes, low)
			}
		}
	}
	for _, hole := range slices.Backward(holes) {
		h.fill(hole)
	}
	return taken
}

// keep leaves the entries that f is true for, once each.
func (h *dueHeap) keep(f func(e dueEntry) bool) {
	es := make([]dueEntry, 0, h.len())
	for i := range h.at {
		if e := h.get(i); f(e) {
			es = append(es, e)
		}
	}
	slices.SortFunc(es, func(a, b dueEntry) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.row, b.row)) })
	es = slices.Compact(es)
	h.at, h.row = h.at[:len(es)], h.row[:len(es)]
	for i, e := range es {
		h.set(i, e)
	}
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
	if t.heap.len() > 64+2*t.live { // after as many changes as there are rows: what no longer counts goes
		t.heap.keep(func(e dueEntry) bool { return t.due[e.row] == e.at })
	}
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

// DueTimes are the due times of rows, 0 of those that have none. Those that Due has given are cleared.
func (t *Table) DueTimes(idx []int32) []int64 {
	out := make([]int64, len(idx))
	if t.due != nil {
		for i, r := range idx {
			out[i] = t.due[r]
		}
	}
	return out
}

// NextDue is the earliest due time, 0 if there is none.
func (t *Table) NextDue() int64 {
	for t.heap.len() > 0 {
		if e := t.heap.get(0); t.due[e.row] == e.at {
			return e.at
		}
		t.heap.pop()
	}
	return 0
}
