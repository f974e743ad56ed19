package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Tables joins two tables that have the same key into a third. Inputs are the changes of both; what a key has in the third is computed anew from the two tables,
// at this batch's version, when one of them has changed it.
type Tables struct {
	Spec    // sides are the tables, as Views has them
	Views   [2]View
	Val     *row.Codec    // of the state: Out without the key's columns
	Changes *arrow.Schema // Out, Diff
	Read    func() bool   // somebody reads the changes
}

// Inputs are the keys of changes of both tables.
func (j *Tables) Inputs() []task.Input {
	var in []task.Input
	for i := range j.Views {
		in = append(in, task.Input{Schema: j.Key.Schema(), New: func() task.Writer { return j.writer(i) }})
	}
	return in
}

// writer sends the keys of one table's changes: they are its first columns.
func (j *Tables) writer(side int) task.Writer {
	return &keyWriter{writer{schema: j.Key.Schema(), keys: NewKeys(j.Key, j.Sides[side].Keys)}}
}

type keyWriter struct{ writer }

// Add deals the keys of a chunk out.
func (w *keyWriter) Add(ctx *task.Context, in task.Chunk) error {
	b := in.Vals.(*col.Batch).Dense()
	n := w.schema.NumFields()
	return w.writer.Add(ctx, task.Chunk{N: in.N, Vals: &col.Batch{Schema: w.schema, Cols: b.Cols[:n], N: b.N}})
}

// New makes the reducer of one task, which reads both tables.
func (j *Tables) New() task.Reducer { return &tables{j} }

type tables struct{ *Tables }

// Reduce brings the rows of the keys up to date that have changed.
func (r *tables) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 && len(in[1]) == 0 {
		return nil
	}
	dict := row.NewDict(0)
	for _, recs := range in {
		keys := &Keys{}
		b := gather(r.Key.Schema(), recs)
		if b.N == 0 {
			continue
		}
		r.Key.AppendVecKeys(b.Cols, numbered(b.N), &keys.Keys)
		dict.Add(&keys.Keys, make([]int32, b.N))
	}
	k := dict.Keys()
	left, li := r.Views[0].find(ctx.Tables[0], k)
	right, ri := r.Views[1].find(ctx.Tables[1], k)
	return r.update(ctx, r.Key, k, left, right, li, ri, emit)
}

// update makes the rows of keys anew, each from the rows at li of the left table and at ri of the right one, -1 for none.
func (r *tables) update(ctx *task.Context, key *row.Codec, k *row.Keys, left, right *col.Batch, li, ri []int32, emit func(task.Chunk) error) error {
	u := &Update{Table: ctx.State, Key: key, Keys: k, Here: make([]bool, k.Len())}
	r.partners(left, right, li, ri)
	for i := range u.Here {
		u.Here[i] = li[i] >= 0 && (ri[i] >= 0 || r.Kind == Left || r.Kind == Full) || ri[i] >= 0 && r.Kind == Full
	}
	all := r.rows(left, right, li, ri)
	n := key.Schema().NumFields()
	u.Vals = &col.Batch{Schema: r.Val.Schema(), N: all.N, Cols: all.Cols[n:]}
	if r.Read() {
		u.Out, u.Emit = r.Changes, emit
	}
	return u.Apply()
}

// partners takes the pairs apart that the condition does not want: the right row of each then has no place but in a full join, which has no condition.
func (r *tables) partners(left, right *col.Batch, li, ri []int32) {
	if r.If == nil {
		return
	}
	var both []int32
	for i := range li {
		if li[i] >= 0 && ri[i] >= 0 {
			both = append(both, int32(i))
		}
	}
	eval := r.If.Eval()
	ok := make([]bool, len(both))
	for _, i := range eval.Where(r.rows(left, right, col32(li, both), col32(ri, both)), nil) {
		ok[i] = true
	}
	for i, at := range both {
		if !ok[i] {
			ri[at] = -1
		}
	}
}
