package state

import "github.com/millrace/millrace/internal/assert"

// undo is what takes one batch's changes back: the changed rows in order of their first change, and what they were (P14). Values of rows that were deleted
// stay where they are until the batch is forgotten, so only those of rows that were set are kept here.
type undo struct {
	batch  int64
	rows   []int32
	fresh  []bool  // row i did not exist before
	due    []int64 // old due times; those that are missing are 0
	set    []int32 // rows that are not fresh and whose values were set
	images []byte  // their old values, one behind the other
	gone   []int32 // rows that the batch deleted
}

// newUndo is an empty undo for batch b.
func (t *Table) newUndo(b int64) *undo {
	if n := len(t.spare); n > 0 {
		u := t.spare[n-1]
		t.spare = t.spare[:n-1]
		*u = undo{batch: b, rows: u.rows[:0], fresh: u.fresh[:0], due: u.due[:0], set: u.set[:0], images: u.images[:0], gone: u.gone[:0]}
		return u
	}
	return &undo{batch: b}
}

// maxSpare is the size above which an undo's memory is not kept for the next batch.
const maxSpare = 1 << 20

func (t *Table) recycle(u *undo) {
	if u.bytes() <= maxSpare && len(t.spare) < 4 {
		t.spare = append(t.spare, u)
	}
}

// mark records row r, which must be live, at its first change in the open batch, whatever that is. Its value is not kept.
func (t *Table) mark(r int32) {
	if t.group[r]&dead != 0 {
		assert.True(false, "row %d was deleted", r)
	}
	if t.changed[r>>6]>>(r&63)&1 == 0 {
		t.open.add(t, r, false)
	}
}

// touch is mark for a row whose value is about to be set, which it keeps.
func (t *Table) touch(r int32) {
	t.mark(r)
	if u := t.open; u.first(t, r) {
		u.images = t.vals.AppendImage(u.images, r)
	}
}

// touchAll is touch for many rows.
func (t *Table) touchAll(idx []int32) {
	u := t.open
	known := len(u.set)
	for _, r := range idx {
		t.mark(r)
		u.first(t, r)
	}
	u.images = t.vals.AppendImages(u.images, u.set[known:])
}

// first tells whether row r has a value from before the batch that was not set in it yet, and notes that it is set now.
func (u *undo) first(t *Table, r int32) bool {
	if t.imaged[r>>6]>>(r&63)&1 != 0 {
		return false
	}
	t.imaged[r>>6] |= 1 << (r & 63)
	u.set = append(u.set, r)
	return true
}

// born records row r, which the batch has made.
func (u *undo) born(t *Table, r int32) {
	u.add(t, r, true)
	t.imaged[r>>6] |= 1 << (r & 63)
}

func (u *undo) add(t *Table, r int32, fresh bool) {
	t.changed[r>>6] |= 1 << (r & 63)
	if t.due != nil {
		for len(u.due) < len(u.rows) {
			u.due = append(u.due, 0) // from before the first due time was set
		}
		u.due = append(u.due, t.due[r])
	}
	u.rows = append(u.rows, r)
	u.fresh = append(u.fresh, fresh)
}

func (u *undo) bytes() int64 {
	return int64(4*cap(u.rows) + cap(u.fresh) + 8*cap(u.due) + 4*cap(u.set) + cap(u.images) + 4*cap(u.gone))
}

// Seal ends the open batch, which is then the table's version, and keeps what undoes it.
func (t *Table) Seal() {
	t.mustBeOpen()
	t.version = t.open.batch
	t.undo = append(t.undo, t.open)
	t.close()
}

// close leaves the open batch.
func (t *Table) close() {
	for _, r := range t.open.rows {
		t.changed[r>>6], t.imaged[r>>6] = 0, 0
	}
	t.open = nil
}

// Abort undoes the open batch, if one is open.
func (t *Table) Abort() {
	if u := t.open; u != nil {
		t.close()
		t.takeBack(u)
	}
}

// Rollback undoes the open batch, if one is open, and sealed batches down to version to; an assertion fails if the undo of
// one was forgotten.
func (t *Table) Rollback(to int64) {
	t.Abort()
	assert.True(to <= t.version, "rollback to %d of state of version %d", to, t.version)
	for t.version > to {
		n := len(t.undo) - 1
		assert.True(n >= 0 && t.undo[n].batch == t.version, "rollback to %d: the undo of batch %d was forgotten", to, t.version)
		t.takeBack(t.undo[n])
		t.undo = t.undo[:n]
		t.version--
	}
}

// takeBack makes every row that a batch changed what it was before.
func (t *Table) takeBack(u *undo) {
	images := u.images
	for _, r := range u.set {
		images = t.vals.SetImage(images, r)
	}
	var made []int32
	for i, r := range u.rows {
		if u.fresh[i] {
			if t.group[r]&dead == 0 {
				t.kill(r, t.keys.hash(r))
			}
			made = append(made, r)
			continue
		}
		if t.group[r]&dead != 0 {
			t.revive(r, t.keys.hash(r))
		}
		due := int64(0)
		if i < len(u.due) {
			due = u.due[i]
		}
		t.setDue(r, due)
	}
	t.release(made)
	t.recycle(u)
}

// Forget drops the undo of batches up to and including b: they are published. Rows that they deleted are free then.
func (t *Table) Forget(b int64) {
	n := 0
	for n < len(t.undo) && t.undo[n].batch <= b {
		t.release(t.undo[n].gone)
		t.recycle(t.undo[n])
		n++
	}
	t.undo = append(t.undo[:0], t.undo[n:]...)
}
