package ops

import (
	"cmp"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

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
	rows = make([]int32, b.N)
	for i := range rows {
		rows[i] = int32(i)
	}
	if len(r.Order) > 0 {
		slices.SortStableFunc(rows, r.comparing(order.Of(b)))
	}
	if len(r.Keys) == 0 {
		if r.Limit > 0 && len(rows) > r.Limit {
			rows = rows[:r.Limit]
		}
		return rows, nil
	}
	s := NewScratch()
	of := s.AddVecs(r.Key, keys.Of(b), b)
	rows = r.byGroup(rows, of, s.Dict.Len())
	for _, i := range rows {
		hashes = append(hashes, s.Keys.Hash[i])
	}
	s.Free()
	return rows, hashes
}

// byGroup are the first rows of each of n groups, group by group; row i is of group of[i].
func (r *Ranking) byGroup(rows, of []int32, n int) []int32 {
	sizes := make([]int32, n+1)
	for _, g := range of {
		if r.Limit == 0 || int(sizes[g+1]) < r.Limit {
			sizes[g+1]++
		}
	}
	for g := range n {
		sizes[g+1] += sizes[g] // now where group g+1 begins
	}
	next := slices.Clone(sizes[:n])
	out := make([]int32, sizes[n])
	for _, i := range rows {
		if g := of[i]; next[g] < sizes[g+1] {
			out[next[g]] = i
			next[g]++
		}
	}
	return out
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
	held        []arrow.Record
	rows        int // of held
	kept        int // of these, those that were chosen at last
}

// Add keeps the chunk's rows: about twice those that are wanted, at most.
func (w *rankWriter) Add(_ *task.Context, in task.Chunk) error {
	b := in.Vals.(*col.Batch)
	if b.Len() == 0 {
		return nil
	}
	w.held, w.rows = append(w.held, b.Record()), w.rows+b.Len()
	if w.Limit > 0 && w.rows >= 2*w.kept+groupRows {
		b, rows, _ := w.chosen()
		w.held, w.rows, w.kept = []arrow.Record{batch.Take(b, rows)}, len(rows), len(rows)
	}
	return nil
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
	w.held, w.rows, w.kept = nil, 0, 0
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
