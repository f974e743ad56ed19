package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// Update is what a batch does to a table: for each of some keys, each there once, the row that it has from now on, or none.
type Update struct {
	Table *state.Table
	Key   *row.Codec
	Keys  *row.Keys
	Here  []bool                           // by key: it has a row
	Vals  *col.Batch                       // by key: of any content where it has none
	Show  func(vals *col.Batch) *col.Batch // what readers see of values; nil: the values
	Out   *arrow.Schema
	Emit  func(task.Chunk) error // takes changes, under the schema Out: key, value, Diff; nil: nobody reads them
}

// Apply changes the table, and emits the rows that are not there any more and those that came, in order of the keys. A row that is as it was is no change.
func (u *Update) Apply() error {
	rows := make([]int32, u.Keys.Len())
	u.Table.Find(u.Keys, rows)
	known, places := ops.Present(rows)
	var old *col.Batch
	at := make([]int32, len(rows)) // in old, -1 for none
	for i := range at {
		at[i] = -1
	}
	for i, p := range places {
		at[p] = int32(i)
	}
	if len(known) > 0 {
		old = u.Table.GetCols(known)
	}
	var gone, set []int32
	same := u.same(old, u.Vals, at)
	for i, here := range u.Here {
		switch {
		case here && !same[i]:
			set = append(set, int32(i))
		case !here && at[i] >= 0:
			gone = append(gone, int32(i))
		}
	}
	if err := u.report(old, at); err != nil {
		return err
	}
	if len(gone) > 0 {
		u.Table.Delete(col32(rows, gone))
	}
	if len(set) > 0 {
		into := make([]int32, len(set))
		u.Table.Upsert(ops.Subset(u.Keys, set), into)
		u.Table.SetCols(into, chosen(u.Vals, set))
	}
	return nil
}

// same tells which keys have the values vals already in old.
func (u *Update) same(old, vals *col.Batch, at []int32) []bool {
	same := make([]bool, len(at))
	if old == nil {
		return same
	}
	for i, o := range at {
		same[i] = o >= 0 && u.Here[i]
	}
	for c, v := range vals.Cols {
		differ(same, old.Cols[c], v, at)
	}
	return same
}

// differ takes the flags of values away that are not what they were. Lists and the like count as changed.
func differ(same []bool, old, now *col.Vec, at []int32) {
	for i, o := range at {
		if !same[i] {
			continue
		}
		if null := now.IsNull(i); null || old.IsNull(int(o)) {
			same[i] = null && old.IsNull(int(o))
			continue
		}
		switch now.Kind {
		case col.Bool:
			same[i] = old.Bools[o] == now.Bools[i]
		case col.Int:
			same[i] = old.Ints[o] == now.Ints[i]
		case col.Uint:
			same[i] = old.Uints[o] == now.Uints[i]
		case col.Float:
			same[i] = old.Floats[o] == now.Floats[i]
		case col.Text:
			same[i] = old.Texts[o] == now.Texts[i]
		case col.Decimal:
			same[i] = old.Decimals[o] == now.Decimals[i]
		default:
			same[i] = false
		}
	}
}

// report emits the changes: of each key the old row, then the new one.
func (u *Update) report(old *col.Batch, at []int32) error {
	if u.Emit == nil {
		return nil
	}
	vals := u.Vals
	if u.Show != nil {
		vals = u.Show(vals)
		if old != nil {
			old = u.Show(old)
		}
	}
	same := u.same(old, vals, at)
	var key, from []int32 // of each row that goes out: its key, and its place in old, or behind it in Vals
	var diff []int64
	n := int32(0)
	if old != nil {
		n = int32(old.N)
	}
	for i, o := range at {
		if same[i] {
			continue
		}
		if o >= 0 {
			key, from, diff = append(key, int32(i)), append(from, o), append(diff, -1)
		}
		if u.Here[i] {
			key, from, diff = append(key, int32(i)), append(from, n+int32(i)), append(diff, 1)
		}
	}
	if len(key) == 0 {
		return nil
	}
	both := vals
	if old != nil {
		both = behind(old, vals)
	}
	out := &col.Batch{Schema: u.Out, N: len(key)}
	cols, err := u.Key.KeyVecs(u.Keys, key)
	if err != nil {
		return err
	}
	out.Cols = append(cols, chosen(both, from).Cols...)
	out.Cols = append(out.Cols, &col.Vec{Type: DiffField.Type, Kind: col.Int, N: len(key), Ints: diff})
	for lo := 0; lo < out.N; lo += task.ChunkRows {
		idx := numbered(min(task.ChunkRows, out.N-lo))
		for i := range idx {
			idx[i] += int32(lo)
		}
		if err := u.Emit(task.Chunk{N: len(idx), Vals: chosen(out, idx)}); err != nil {
			return err
		}
	}
	return nil
}
