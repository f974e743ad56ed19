package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// View is how the rows of a table are read: its key's columns, then the value's.
type View struct {
	Schema *arrow.Schema
	Key    *row.Codec
	// Values are the values of rows: the columns of those numbers, nil for all. hidden are rows that are not to be seen, nil for none.
	Values func(t *state.Table, rows []int32, columns []int) (vals *col.Batch, hidden []bool)

	chosen       bool // Schema has only these columns of the key and of the value
	ofKey, ofVal []int
}

// choose is v with the columns of those numbers only.
func (v *View) choose(numbers []int) View {
	keys := v.Key.Schema().NumFields()
	out := View{Schema: chooseFields(v.Schema, numbers), Key: v.Key, Values: v.Values, chosen: true, ofKey: []int{}, ofVal: []int{}}
	for _, n := range numbers {
		if n < keys {
			out.ofKey = append(out.ofKey, n)
		} else {
			out.ofVal = append(out.ofVal, n-keys)
		}
	}
	return out
}

// keyCols are the columns of the keys of rows.
func (v *View) keyCols(t *state.Table, rows []int32) []*col.Vec {
	switch {
	case !v.chosen:
		return t.KeyCols(rows)
	case len(v.ofKey) == 0:
		return nil
	}
	all := t.KeyCols(rows)
	cols := make([]*col.Vec, len(v.ofKey))
	for i, n := range v.ofKey {
		cols[i] = all[n]
	}
	return cols
}

// find are the rows of keys as a batch, and each key's place in it, -1 for none.
func (v *View) find(t *state.Table, k *row.Keys) (b *col.Batch, at []int32) {
	at = make([]int32, k.Len())
	t.Find(k, at)
	known, places := ops.Present(at)
	if len(known) == 0 {
		return emptyBatch(v.Schema), at
	}
	vals, hidden := v.Values(t, known, v.ofVal)
	for i, p := range places {
		at[p] = int32(i)
		if hidden != nil && hidden[i] {
			at[p] = -1
		}
	}
	return &col.Batch{Schema: v.Schema, N: len(known), Cols: append(v.keyCols(t, known), vals.Cols...)}, at
}

// WithTable joins rows with a table by its key: each row has one partner at most. The right side is the table, Sides[1].Schema as its View has it. Rows keep their order.
type WithTable struct {
	Spec
	View View
}

// Inputs is the left side as an input of a shuffle.
func (w *WithTable) Inputs() []task.Input {
	return []task.Input{w.Sides[0].Input(w.Key, w.Kind.Lonely(0))}
}

// New makes the reducer of one task, which reads ctx.Tables[0].
func (w *WithTable) New() task.Reducer { return &withTable{w} }

type withTable struct{ *WithTable }

// Reduce joins the blocks chunk by chunk, in order.
func (r *withTable) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	keys := NewKeys(r.Key, r.Sides[0].Keys)
	for _, rec := range in[0] {
		for lo := int64(0); lo < rec.NumRows(); lo += task.ChunkRows {
			l := col.FromRecord(rec.NewSlice(lo, min(lo+task.ChunkRows, rec.NumRows())))
			null := keys.Read(l)
			right, at := r.View.find(ctx.Tables[0], &keys.Keys)
			for i, n := range null {
				if n {
					at[i] = -1
				}
			}
			out := r.join(l, right, at)
			if out.N == 0 {
				continue
			}
			if err := emit(task.Chunk{N: out.N, Vals: out}); err != nil {
				return err
			}
		}
	}
	return nil
}

// join is rows l with those at places at of r, -1 for none.
func (s *Spec) join(l, r *col.Batch, at []int32) *col.Batch {
	found := make([]int32, 0, len(at)) // rows of l with a partner
	for i, j := range at {
		if j >= 0 {
			found = append(found, int32(i))
		}
	}
	if s.If != nil && len(found) > 0 {
		ok := s.If.Eval().Where(s.rows(l, r, found, col32(at, found)), nil)
		found = col32(found, ok)
	}
	if s.Kind == Inner {
		return s.out(s.rows(l, r, found, col32(at, found)))
	}
	partner := make([]int32, l.N)
	for i := range partner {
		partner[i] = -1
	}
	for _, i := range found {
		partner[i] = at[i]
	}
	switch s.Kind {
	case Semi:
		return s.out(chosen(l, found))
	case Anti:
		var alone []int32
		for i, j := range partner {
			if j < 0 {
				alone = append(alone, int32(i))
			}
		}
		return s.out(chosen(l, alone))
	}
	return s.out(s.rows(l, r, numbered(l.N), partner))
}
