package join

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Foreign joins a table with another by columns that are the other's key, into a third that has the left one's key: inner or left. It takes two steps, as rows of two keys are never in one
// place:
//
//	left changes  ─ by foreign key ─▶ references ─ answers, by left key ─▶ result
//	right changes ─ by key ─────────▶            left changes ────────────▶
//
// References are the index: of each key of the right table, the keys of the left rows that refer to it. When either side changes, they tell the left rows that this concerns what the right table
// has for them, at this batch's version. The result is then made anew from the left table and these answers. So each left row has one answer at most: from the key that it refers to now.
type Foreign struct {
	Tables  // of the result; Sides[0].Keys are what left rows refer to, Key is of the right table
	Left    *row.Codec
	Held    *row.Codec       // of the references' state
	Answers *arrow.Schema    // left key, whether the right table has a row, the row
	changes *arrow.Schema    // what references read of left changes: foreign key, left key, Diff
	keys    [2][]*expr.Bound // the left key in changes of the left table, and in answers
}

// Prepare fills what follows from Spec and Views, which must be prepared.
func (f *Foreign) Prepare() (err error) {
	f.Left = f.Views[0].Key
	var fields, answers []arrow.Field
	for i, k := range f.Key.Schema().Fields() {
		k.Name, k.Nullable = fmt.Sprintf("refers %d", i), true
		fields = append(fields, k)
	}
	for i, k := range f.Left.Schema().Fields() {
		k.Name = fmt.Sprintf("key %d", i)
		fields, answers = append(fields, k), append(answers, k)
	}
	f.changes = arrow.NewSchema(append(fields, DiffField), nil)
	answers = append(answers, arrow.Field{Name: "found", Type: arrow.FixedWidthTypes.Boolean})
	for _, c := range f.Sides[1].Schema.Fields() {
		c.Name, c.Nullable = "right "+c.Name, true
		answers = append(answers, c)
	}
	f.Answers = arrow.NewSchema(answers, nil)
	f.Held = heldCodec("references from " + row.FieldsText(f.Left.Schema().Fields()) + " to " + row.FieldsText(f.Key.Schema().Fields()))
	if f.keys[0], err = firstColumns(f.Views[0].Schema, f.Left); err != nil {
		return err
	}
	f.keys[1], err = firstColumns(f.Answers, f.Left)
	return err
}

// firstColumns are the columns of a schema that are a key, bound to it.
func firstColumns(s *arrow.Schema, key *row.Codec) (bound []*expr.Bound, err error) {
	for _, f := range s.Fields()[:key.Schema().NumFields()] {
		b, err := expr.Bind(s, expr.Col(f.Name))
		if err != nil {
			return nil, err
		}
		bound = append(bound, b)
	}
	return bound, nil
}

// ReferenceInputs are what references read: changes of the left table, and keys of changes of the right one.
func (f *Foreign) ReferenceInputs() []task.Input {
	return []task.Input{
		{Schema: f.changes, New: func() task.Writer { return &referenceWriter{f: f, keys: NewKeys(f.Key, f.Sides[0].Keys)} }},
		{Schema: f.Key.Schema(), New: func() task.Writer { return f.writer(1) }},
	}
}

// referenceWriter sends what left rows refer to, and their keys, to where the right table's row is. Rows that refer to nothing stay.
type referenceWriter struct {
	f    *Foreign
	keys *Keys
	out  [][]arrow.Record
}

// Add deals the changes of a chunk out.
func (w *referenceWriter) Add(ctx *task.Context, in task.Chunk) error {
	if w.out == nil {
		w.out = make([][]arrow.Record, ctx.Layout.Reduce)
	}
	b := in.Vals.(*col.Batch).Dense()
	null := w.keys.Read(b)
	n := w.f.Left.Schema().NumFields()
	cols := append(append([]*col.Vec{}, w.keys.vecs...), b.Cols[:n]...)
	sent := &col.Batch{Schema: w.f.changes, N: b.N, Cols: append(cols, b.Cols[len(b.Cols)-1])}
	for p, idx := range ops.Parts(ctx.Layout, w.keys.Hash) {
		if null != nil {
			idx = without(idx, null)
		}
		if len(idx) > 0 {
			w.out[p] = append(w.out[p], array.NewRecord(w.f.changes, sent.Arrays(idx), int64(len(idx))))
		}
	}
	return nil
}

// Flush makes the blocks.
func (w *referenceWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := ops.Joined(ctx, w.out)
	w.out = nil
	return out, nil
}

// ResultInputs are what the result reads: keys of changes of the left table, and answers.
func (f *Foreign) ResultInputs() []task.Input {
	left := func() task.Writer {
		return &keyWriter{writer{schema: f.Left.Schema(), keys: NewKeys(f.Left, f.keys[0])}}
	}
	answers := Side{Schema: f.Answers, Keys: f.keys[1]}
	return []task.Input{{Schema: f.Left.Schema(), New: left}, answers.Input(f.Left, false)}
}

// NewResult makes the reducer of one task of the result, which reads the left table.
func (f *Foreign) NewResult() task.Reducer { return &foreignResult{f} }

type foreignResult struct{ *Foreign }

// Reduce brings the rows up to date whose left row has changed, or of which there is an answer.
func (r *foreignResult) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 && len(in[1]) == 0 {
		return nil
	}
	dict, n := row.NewDict(0), r.Left.Schema().NumFields()
	number := func(b *col.Batch) []int32 {
		var keys row.Keys
		numbers := make([]int32, b.N)
		if b.N > 0 {
			r.Left.AppendVecKeys(b.Cols[:n], numbered(b.N), &keys)
			dict.Add(&keys, numbers)
		}
		return numbers
	}
	number(gather(r.Left.Schema(), in[0]))
	answers := gather(r.Answers, in[1])
	numbers := number(answers)
	ri := make([]int32, dict.Len())
	for i := range ri {
		ri[i] = -1
	}
	for i, k := range numbers {
		if answers.Cols[n].Bools[i] {
			ri[k] = int32(i)
		}
	}
	left, li := r.Views[0].find(ctx.Tables[0], dict.Keys())
	right := &col.Batch{Schema: r.Sides[1].Schema, N: answers.N, Cols: answers.Cols[n+1:]}
	return (&tables{&r.Tables}).update(ctx, r.Left, dict.Keys(), left, right, li, ri, emit)
}
