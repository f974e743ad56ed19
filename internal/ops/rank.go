package ops

import (
	"cmp"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Ranking is the first rows of each group of a Frame in an order: groups in order of first appearance, rows that are equal in (block, row) order.
type Ranking struct {
	Schema *arrow.Schema // of the rows
	Keys   []*expr.Bound // none: all rows are one group, in the first partition
	Key    *row.Codec    // of the encoded keys; nil without Keys
	Order  []*expr.Bound // none: as they come
	How    []expr.Order  // which way, by Order
	Limit  int           // rows of a group; 0: all
}

// Rank is the operator. Tasks send what can be among the first only.
func (r *Ranking) Rank() Shuffle {
	return Shuffle{
		Inputs: []task.Input{{Schema: r.Schema, New: func() task.Writer { return &rankWriter{Ranking: r, keys: NewVecs(r.Keys), order: NewVecs(r.Order)} }}},
		New:    func() task.Reducer { return rankReducer{r} },
	}
}

// first are the numbers of the rows of b, which has no selection, that are wanted, in their order, and the hash of each one's key; nil without keys.
func (r *Ranking) first(b *col.Batch, keys, order *Vecs) (rows []int32, hashes []uint64) {
	if len(r.Keys) == 0 {
		return r.selection(b, order).of(make([]int32, b.N), 1), nil
	}
	s := NewScratch()
	of := s.AddVecs(r.Key, keys.Of(b), b)
	rows = r.selection(b, order).of(of, s.Dict.Len())
	hashes = make([]uint64, len(rows))
	for i, row := range rows {
		hashes[i] = s.Keys.Hash[row]
	}
	s.Free()
	return rows, hashes
}

// selection is that of rows of b.
func (r *Ranking) selection(b *col.Batch, order *Vecs) *selection {
	if len(r.Order) == 0 {
		return &selection{before: func(a, b int32) bool { return a < b }, limit: r.Limit}
	}
	compare := r.comparing(order.Of(b))
	return &selection{limit: r.Limit, before: func(a, b int32) bool {
		if c := compare(a, b); c != 0 {
			return c < 0
		}
		return a < b
	}}
}

// comparing compares rows by columns.
func (r *Ranking) comparing(by []*col.Vec) func(a, b int32) int {
	var list []func(a, b int32) int
	for i, v := range by {
		list = append(list, comparison(v, r.How[i]))
	}
	if len(list) == 1 {
		return list[0]
	}
	return func(a, b int32) int {
		for _, f := range list {
			if c := f(a, b); c != 0 {
				return c
			}
		}
		return 0
	}
}

// comparison compares values of one column.
func comparison(v *col.Vec, how expr.Order) func(a, b int32) int {
	f := values(v)
	if how.Descending() {
		up := f
		f = func(a, b int32) int { return up(b, a) }
	}
	if v.Null == nil {
		return f
	}
	last := 1
	if how.NullsGoFirst() {
		last = -1
	}
	return func(a, b int32) int {
		switch x, y := v.Null[a], v.Null[b]; {
		case x && y:
			return 0
		case x:
			return last
		case y:
			return -last
		}
		return f(a, b)
	}
}

func values(v *col.Vec) func(a, b int32) int {
	switch v.Kind {
	case col.Bool:
		return func(a, b int32) int { return number(v.Bools[a]) - number(v.Bools[b]) }
	case col.Int:
		return func(a, b int32) int { return cmp.Compare(v.Ints[a], v.Ints[b]) }
	case col.Uint:
		return func(a, b int32) int { return cmp.Compare(v.Uints[a], v.Uints[b]) }
	case col.Float:
		return func(a, b int32) int { return compareFloats(v.Floats[a], v.Floats[b]) }
	case col.Text:
		return func(a, b int32) int { return strings.Compare(v.Texts[a], v.Texts[b]) }
	}
	return func(a, b int32) int { return v.Decimals[a].Cmp(v.Decimals[b]) }
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareFloats is cmp.Compare with NaN above all numbers.
func compareFloats(a, b float64) int {
	if a != a || b != b {
		return number(a != a) - number(b != b)
	}
	return cmp.Compare(a, b)
}

// rankWriter keeps the rows of a task that can be among the first.
type rankWriter struct {
	*Ranking
	keys, order *Vecs
	spread      bool // the rows of a chunk are of so many groups that few of them can be left out
	held        []arrow.Record
	rows        int // of held
	kept        int // of these, those that were chosen at last
}

// Add keeps the rows of the chunk that can be among the first: about twice those that are wanted, at most.
func (w *rankWriter) Add(_ *task.Context, in task.Chunk) error {
	b := in.Vals.(*col.Batch)
	if b.Len() == 0 {
		return nil
	}
	w.hold(b)
	if w.Limit > 0 && w.rows >= 2*w.kept+groupRows {
		b, rows, _ := w.chosen()
		w.held, w.rows, w.kept = []arrow.Record{batch.Take(b, rows)}, len(rows), len(rows)
	}
	return nil
}

// hold keeps the chunk's rows. Those that are not among the first of the chunk are left out before they are copied, as long as that is the greater part.
func (w *rankWriter) hold(b *col.Batch) {
	if w.Limit == 0 || w.Limit >= b.Len() || w.spread {
		w.held, w.rows = append(w.held, b.Record()), w.rows+b.Len()
		return
	}
	b = b.Dense()
	rows, _ := w.first(b, w.keys, w.order)
	w.spread = len(rows) > b.N/2
	w.held, w.rows = append(w.held, array.NewRecord(b.Schema, b.Arrays(rows), int64(len(rows)))), w.rows+len(rows)
}

// chosen are the rows so far, and the numbers of those that are wanted.
func (w *rankWriter) chosen() (arrow.Record, []int32, []uint64) {
	rec := batch.Concat(w.held)
	rows, hashes := w.first(col.FromRecord(rec), w.keys, w.order)
	return rec, rows, hashes
}

// Flush makes the blocks.
func (w *rankWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if len(w.held) == 0 {
		return out, nil
	}
	rec, rows, hashes := w.chosen()
	w.held, w.rows, w.kept, w.spread = nil, 0, 0, false
	if hashes == nil {
		out[0] = batch.Take(rec, rows)
		return out, nil
	}
	for p, places := range Parts(ctx.Layout, hashes) {
		if len(places) > 0 {
			out[p] = batch.Take(rec, Take(rows, places))
		}
	}
	return out, nil
}

type rankReducer struct{ *Ranking }

// Reduce emits the first rows of all tasks' rows.
func (r rankReducer) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	for _, rec := range in[0] {
		if err := batch.CheckRecord(rec, r.Schema); err != nil {
			return err
		}
	}
	b := col.FromRecord(batch.Concat(in[0]))
	b.Schema = r.Schema
	rows, _ := r.first(b, NewVecs(r.Keys), NewVecs(r.Order))
	for lo := 0; lo < len(rows); lo += task.ChunkRows {
		part := &col.Batch{Schema: r.Schema, N: min(task.ChunkRows, len(rows)-lo)}
		for _, v := range b.Cols {
			part.Cols = append(part.Cols, v.Take(rows[lo:lo+part.N]))
		}
		if err := emit(task.Chunk{N: part.N, Vals: part}); err != nil {
			return err
		}
	}
	return nil
}
