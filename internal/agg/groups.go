package agg

import (
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// Groups holds a set's aggregates for numbered groups. One goroutine at a time.
type Groups struct {
	set  *Set
	n    int
	aggs []running

	every     []int32 // 0, 1, 2, …
	rows, idx []int32 // those of a chunk that count, for one aggregate
}

// running is one aggregate with memory.
type running struct {
	*bound
	state
	evals []*expr.Eval
	where *expr.Eval
	vecs  []*col.Vec
	kept  []int32 // by Where
}

// NewGroups is a set's memory, without groups.
func (s *Set) NewGroups() *Groups {
	g := &Groups{set: s, aggs: make([]running, len(s.aggs))}
	for i := range s.aggs {
		b := &s.aggs[i]
		r := running{bound: b, state: b.new(), vecs: make([]*col.Vec, len(b.args))}
		for _, a := range b.args {
			r.evals = append(r.evals, a.Eval())
		}
		if b.where != nil {
			r.where = b.where.Eval()
		}
		g.aggs[i] = r
	}
	return g
}

// Len is the number of groups: those up to the highest number that was met.
func (g *Groups) Len() int { return g.n }

// Grow makes groups until there are n. New ones are empty: of no rows.
func (g *Groups) Grow(n int) {
	if n <= g.n {
		return
	}
	g.n = n
	for i := range g.aggs {
		g.aggs[i].grow(n)
	}
}

// reach grows to hold groups idx.
func (g *Groups) reach(idx []int32) {
	last := int32(-1)
	for _, n := range idx {
		last = max(last, n)
	}
	g.Grow(int(last) + 1)
}

// Add takes the rows of b that count: the i-th of them to group idx[i].
func (g *Groups) Add(b *col.Batch, idx []int32) {
	assert.True(len(idx) == b.Len(), "%d groups for %d rows", len(idx), b.Len())
	g.reach(idx)
	rows := b.Sel
	if rows == nil {
		for n := int32(len(g.every)); int(n) < b.N; n++ {
			g.every = append(g.every, n)
		}
		rows = g.every[:b.N]
	}
	for i := range g.aggs {
		r := &g.aggs[i]
		for j, e := range r.evals {
			r.vecs[j] = e.Vec(b)
		}
		counted, groups := g.counted(r, b, rows, idx)
		r.add(r.vecs, counted, groups)
		clear(r.vecs)
	}
}

// counted are the rows that count for an aggregate, and their groups: those of its Where without those where its argument is null.
func (g *Groups) counted(r *running, b *col.Batch, rows, idx []int32) ([]int32, []int32) {
	var null []bool
	if r.counts >= 0 {
		null = r.vecs[r.counts].Null
	}
	if r.where == nil && null == nil {
		return rows, idx
	}
	g.rows, g.idx = g.rows[:0], g.idx[:0]
	if r.where != nil {
		r.kept = r.where.Where(b, r.kept[:0])
		at := 0
		for _, row := range r.kept {
			for rows[at] != row {
				at++
			}
			g.rows, g.idx = append(g.rows, row), append(g.idx, idx[at])
		}
		rows, idx = g.rows, g.idx
	}
	if null == nil {
		return rows, idx
	}
	n := 0
	g.rows, g.idx = sized(g.rows, len(rows)), sized(g.idx, len(rows))
	for i, row := range rows { // in place, where Where has filled the memory
		if !null[row] {
			g.rows[n], g.idx[n] = row, idx[i]
			n++
		}
	}
	return g.rows[:n], g.idx[:n]
}

// sized is s with n elements, those that it has among them.
func sized[T any](s []T, n int) []T {
	if n > cap(s) {
		return append(make([]T, 0, n+n/4), s...)[:n]
	}
	return s[:n]
}

// Merge takes partial states, columns of Set.Partial: the i-th of each to group idx[i]. For aggregates of row order, those of earlier rows come first.
func (g *Groups) Merge(partial []*col.Vec, idx []int32) {
	g.reach(idx)
	for i := range g.aggs {
		r := &g.aggs[i]
		r.merge(partial[r.at:r.at+len(r.partial)], idx)
	}
}

// Retract takes partial states that were merged, or are part of what was, back. The set must pass CheckRetract.
func (g *Groups) Retract(partial []*col.Vec, idx []int32) {
	g.reach(idx)
	for i := range g.aggs {
		r := &g.aggs[i]
		back, ok := r.state.(retracter)
		assert.True(ok && r.retracts, "%s cannot take rows back", r.agg)
		back.retract(partial[r.at:r.at+len(r.partial)], idx)
	}
}

// all are groups idx, or all where that is nil.
func (g *Groups) all(idx []int32) []int32 {
	if idx != nil {
		return idx
	}
	for n := int32(len(g.every)); int(n) < g.n; n++ {
		g.every = append(g.every, n)
	}
	return g.every[:g.n]
}

// Partials are the partial states of groups idx (nil: all), columns of Set.Partial. They share no memory with g, but text may be that of what was added.
func (g *Groups) Partials(idx []int32) []*col.Vec {
	idx = g.all(idx)
	out := make([]*col.Vec, 0, g.set.partial.NumFields())
	for i := range g.aggs {
		out = append(out, g.aggs[i].partials(idx)...)
	}
	return out
}

// Results are the aggregates of groups idx (nil: all), columns of Set.Result. They share no memory with g, but text may be that of what was added.
func (g *Groups) Results(idx []int32) []*col.Vec {
	idx = g.all(idx)
	out := make([]*col.Vec, len(g.aggs))
	for i := range g.aggs {
		out[i] = g.aggs[i].results(idx)
	}
	return out
}

// Reset forgets all groups and keeps memory.
func (g *Groups) Reset() {
	g.n = 0
	for i := range g.aggs {
		g.aggs[i].reset()
	}
}
