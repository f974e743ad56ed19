package state

import (
	"bytes"
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
	s = s[:n]
	*h = s
	for i := 0; ; {
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

// SetDue sets the due time of rows idx, µs since 1970; 0 means never. It marks the row changed.
func (t *Table) SetDue(idx []int32, due []int64) {
	t.mustBeOpen()
	for i, r := range idx {
		t.touch(r)
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
	var found []dueEntry
	for len(t.heap) > 0 && t.heap[0].at <= until {
		e := t.heap[0]
		t.heap.pop()
		if t.due[e.row] == e.at {
			t.touch(e.row)
			t.due[e.row] = 0
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b dueEntry) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		return bytes.Compare(t.keys.get(a.row), t.keys.get(b.row))
	})
	rows := make([]int32, len(found))
	for i, e := range found {
		rows[i] = e.row
	}
	return rows
}

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
