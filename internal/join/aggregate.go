package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// Aggregate keeps aggregates of a table's rows by key, as a table: rows that come are added, rows that go are taken back. A key is there as long as the table has rows of it; rows
// with a null in the key do not count.
type Aggregate struct {
	Side                // changes of the table; the last column is Diff
	Set      *agg.Set   // passes CheckRetract
	Key, Val *row.Codec // of the state: the number of rows, partial aggregates
	Changes  *arrow.Schema
	Read     func() bool // somebody reads the changes
}

// StateFields are the columns of the state's values: how many rows a key has, and the partial aggregates.
func (a *Aggregate) StateFields() []arrow.Field {
	return append([]arrow.Field{{Name: "_rows", Type: arrow.PrimitiveTypes.Int64}}, a.Set.Partial().Fields()...)
}

// Input sends the changes to the partitions of their keys.
func (a *Aggregate) Input() task.Input { return a.Side.Input(a.Key, false) }

// New makes the reducer of one task.
func (a *Aggregate) New() task.Reducer { return &aggregator{a} }

// Values are what readers see of the table's rows.
func (a *Aggregate) Values(t *state.Table, rows []int32, columns []int) (*col.Batch, []bool) {
	all := a.results(t.GetCols(rows))
	if columns == nil {
		return all, nil
	}
	b := &col.Batch{N: all.N}
	for _, c := range columns {
		b.Cols = append(b.Cols, all.Cols[c])
	}
	return b, nil
}

// results are the aggregates of rows of the state.
func (a *Aggregate) results(held *col.Batch) *col.Batch {
	g := a.Set.NewGroups()
	g.Grow(held.N)
	g.Merge(held.Cols[1:], numbered(held.N))
	return &col.Batch{N: held.N, Cols: g.Results(nil)}
}

type aggregator struct{ *Aggregate }

// Reduce brings the aggregates of the keys up to date that have changed.
func (r *aggregator) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	b := gather(r.Schema, in[0])
	keys, dict := NewKeys(r.Key, r.Keys), row.NewDict(0)
	numbers := numberKeys(dict, keys, b, make([]bool, b.N))
	k, n := dict.Keys(), dict.Len()
	rows := make([]int32, n)
	ctx.State.Find(k, rows)
	g := r.Set.NewGroups()
	g.Grow(n)
	counts := col.New(arrow.PrimitiveTypes.Int64, n)
	clear(counts.Ints)
	if known, places := ops.Present(rows); len(known) > 0 {
		held := ctx.State.GetCols(known)
		g.Merge(held.Cols[1:], places)
		for i, p := range places {
			counts.Ints[p] = held.Cols[0].Ints[i]
		}
	}
	r.apply(g, b, numbers, counts.Ints)
	u := &Update{Table: ctx.State, Key: r.Key, Keys: k, Here: make([]bool, n), Show: r.results}
	for i, c := range counts.Ints {
		u.Here[i] = c > 0
	}
	u.Vals = &col.Batch{Schema: r.Val.Schema(), N: n, Cols: append([]*col.Vec{counts}, g.Partials(nil)...)}
	if r.Read() {
		u.Out, u.Emit = r.Changes, emit
	}
	return u.Apply()
}

// apply adds the rows that came, and takes those back that went.
func (r *aggregator) apply(g *agg.Groups, b *col.Batch, numbers []int32, counts []int64) {
	diff := b.Cols[len(b.Cols)-1].Ints
	var rows, groups [2][]int32
	for i, n := range numbers {
		side := 0
		if diff[i] < 0 {
			side = 1
		}
		rows[side], groups[side] = append(rows[side], int32(i)), append(groups[side], n)
		counts[n] += diff[i]
	}
	if len(rows[0]) > 0 {
		g.Add(b.Where(rows[0]), groups[0])
	}
	if len(rows[1]) > 0 {
		gone := r.Set.NewGroups()
		gone.Grow(len(counts))
		gone.Add(b.Where(rows[1]), groups[1])
		g.Retract(gone.Partials(nil), numbered(len(counts)))
	}
}
