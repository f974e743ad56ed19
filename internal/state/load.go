package state

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
)

// Load applies a delta or dump that was read back; only on a table with no open batch and no undo. With full, the
// groups in [from, until) are emptied first. Rows of groups outside [from, until) are passed over. Value columns are found by name: those of
// an earlier version of the type are widened by the defaults that Older set. After an error the table is of no use.
func (t *Table) Load(rec arrow.Record, from, until int, full bool) error {
	assert.True(t.open == nil && len(t.undo) == 0, "load into a table with an open batch or undo")
	if full {
		t.empty(from, until)
	}
	if rec == nil || rec.NumRows() == 0 {
		return nil
	}
	if err := t.load(rec, from, until); err != nil {
		return fmt.Errorf("state of key (%s), value (%s): %w", t.key.Text(), t.val.Text(), err)
	}
	return nil
}

// Older sets what columns hold in rows that were written before these existed.
func (t *Table) Older(defaults []row.Default) { t.older = defaults }

// widened is rec with the value columns of this table's schema, in its order.
func (t *Table) widened(rec arrow.Record) (arrow.Record, error) {
	nkey := headSchema.NumFields() + t.key.Schema().NumFields()
	have, want := rec.Schema().Fields(), t.schema.Fields()
	same := func(a, b arrow.Field) bool { return a.Name == b.Name && arrow.TypeEqual(a.Type, b.Type) }
	if len(have) <= nkey || slices.EqualFunc(have[nkey:], want[nkey:], same) {
		return rec, nil // if it is not of the schema, that is found by a closer look
	}
	vals, err := row.Widen(rec.Columns()[nkey:], have[nkey:], want[nkey:], int(rec.NumRows()), t.older)
	if err != nil {
		return nil, err
	}
	return array.NewRecord(t.schema, append(slices.Clone(rec.Columns()[:nkey]), vals...), rec.NumRows()), nil
}

// empty removes all rows of groups [from, until).
func (t *Table) empty(from, until int) {
	n := 0
	for g := from; g < until; g++ {
		n += t.groupLen[g]
	}
	gone := make([]int32, 0, n)
	for r := int32(0); len(gone) < n; r++ {
		if g := int(t.group[r]); g >= from && g < until {
			t.kill(r, t.keys.hash(r))
			gone = append(gone, r)
		}
	}
	t.release(gone)
}

func (t *Table) load(rec arrow.Record, from, until int) error {
	keyCols, nhead := t.key.Schema().NumFields(), headSchema.NumFields()
	rec, err := t.widened(rec)
	if err != nil {
		return err
	}
	if err := batch.CheckRecord(rec, t.schema); err != nil {
		return err
	}
	rows, err := headCodec.Rows(rec.Columns()[:nhead], nil)
	if err != nil {
		return err
	}
	heads := rows.([]head)
	var keys, put, drop row.Keys
	var gone []int32 // rows to drop
	if err := t.key.AppendKeyColumns(rec.Columns()[nhead:nhead+keyCols], &keys); err != nil {
		return err
	}
	var chosen []int32 // rows to put
	for i, h := range heads {
		g := int(h.Group)
		if g != row.Group(keys.Hash[i]) {
			return fmt.Errorf("row %d: group %d, but its key belongs to %d", i, g, row.Group(keys.Hash[i]))
		}
		switch {
		case g < from || g >= until:
		case h.Deleted:
			gone = append(gone, int32(i))
		default:
			chosen = append(chosen, int32(i))
		}
	}
	if len(chosen) == len(heads) {
		put = keys
	} else {
		rec = batch.Take(rec, chosen)
		put.AppendFrom(&keys, chosen)
	}
	vals, err := t.val.Rows(rec.Columns()[nhead+keyCols:], nil)
	if err != nil {
		return err
	}
	drop.AppendFrom(&keys, gone)
	t.drop(&drop)
	idx := make([]int32, put.Len())
	t.upsert(&put, idx)
	t.vals.Set(idx, vals)
	for i, r := range idx {
		h := heads[i]
		if chosen != nil {
			h = heads[chosen[i]]
		}
		t.setDue(r, h.Due)
	}
	return nil
}

// drop removes keys at once.
func (t *Table) drop(k *row.Keys) {
	idx := make([]int32, k.Len())
	t.Find(k, idx)
	gone := idx[:0]
	for i, r := range idx {
		if r >= 0 && t.group[r]&dead == 0 {
			t.kill(r, k.Hash[i])
			gone = append(gone, r)
		}
	}
	t.release(gone)
}

// LoadedTo sets the version after Load.
func (t *Table) LoadedTo(b int64) {
	assert.True(t.open == nil && len(t.undo) == 0, "load into a table with an open batch or undo")
	t.version = b
}
