package ops

import (
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Grouping is aggregates of a Frame's rows by key: what is sent, kept and given.
type Grouping struct {
	Keys    []*expr.Bound // none: all rows are one group
	Key     *row.Codec    // of the encoded keys; without Keys of one constant column, which is not given
	Set     *agg.Set
	Partial *row.Codec    // of partial states
	Out     *arrow.Schema // of results: the keys' columns, the aggregates'

	groups sync.Pool // *agg.Groups, empty: pointer-free but for text, which Reset forgets (P26)
}

// all is the schema of the key that every row has when there are no keys.
var all = arrow.NewSchema([]arrow.Field{{Name: "all", Type: arrow.FixedWidthTypes.Boolean}}, nil)

// AllKey is the codec of the key of a grouping without keys.
func AllKey() *row.Codec {
	c, err := row.OfSchema(all)
	if err != nil {
		panic(err)
	}
	return c
}

func (g *Grouping) take() *agg.Groups {
	if old, ok := g.groups.Get().(*agg.Groups); ok {
		return old
	}
	return g.Set.NewGroups()
}

// free takes groups back. Like a Scratch, what has grown large is let go.
func (g *Grouping) free(groups *agg.Groups) {
	if groups.Len() <= 1<<13 {
		groups.Reset()
		g.groups.Put(groups)
	}
}

// Input is the side of the shuffle that aggregates the rows of a task before anything is sent.
func (g *Grouping) Input() task.Input {
	schema := row.Pair(g.Key, g.Partial)
	return task.Input{Schema: schema, Copies: !g.keepsTexts(), New: func() task.Writer { return &groupWriter{Grouping: g, schema: schema, keys: NewVecs(g.Keys)} }}
}

// keepsTexts tells whether aggregates, or functions of the user's, may keep texts of the rows that are added.
func (g *Grouping) keepsTexts() bool {
	for _, e := range g.Set.Exprs() {
		if kind, ok := col.KindOf(e.Field().Type); !ok || kind == col.Text || kind == col.Nested {
			return true
		}
	}
	return slices.ContainsFunc(g.Exprs(), (*expr.Bound).CallsUsers)
}

// Vecs computes expressions as columns as long as their batch.
type Vecs struct {
	evals []*expr.Eval
	out   []*col.Vec
}

// NewVecs computes list, in one task.
func NewVecs(list []*expr.Bound) *Vecs {
	v := &Vecs{out: make([]*col.Vec, len(list))}
	for _, b := range list {
		v.evals = append(v.evals, b.Eval())
	}
	return v
}

// Of are the columns for a batch. The slice is valid until Of is called again.
func (v *Vecs) Of(b *col.Batch) []*col.Vec { return v.by((*expr.Eval).Vec, b) }

// lent is Of, but the columns too are valid only until it is called again.
func (v *Vecs) lent(b *col.Batch) []*col.Vec { return v.by((*expr.Eval).Lend, b) }

func (v *Vecs) by(eval func(*expr.Eval, *col.Batch) *col.Vec, b *col.Batch) []*col.Vec {
	for i, e := range v.evals {
		c := eval(e, b)
		if c.N != b.N { // of a constant, longer
			short := *c
			short.N = b.N
			c = &short
		}
		v.out[i] = c
	}
	return v.out
}

// AddVecs numbers the keys of a batch's rows that count; s.Keys has them.
func (s *Scratch) AddVecs(key *row.Codec, keys []*col.Vec, b *col.Batch) []int32 {
	s.Keys.Reset()
	key.AppendVecKeys(keys, b.Sel, &s.Keys)
	idx := s.Numbers(s.Keys.Len())
	s.Dict.Add(&s.Keys, idx)
	return idx
}

// addAll numbers n rows that are all of one group.
func (s *Scratch) addAll(key *row.Codec, n int) []int32 {
	if s.Dict.Len() == 0 {
		s.Keys.Reset()
		key.AppendVecKeys([]*col.Vec{col.New(arrow.FixedWidthTypes.Boolean, 1)}, nil, &s.Keys)
		s.Dict.Add(&s.Keys, s.Numbers(1))
	}
	idx := s.Numbers(n)
	clear(idx)
	return idx
}

// groupWriter aggregates the rows of a task before anything is sent.
type groupWriter struct {
	*Grouping
	schema *arrow.Schema
	keys   *Vecs
	groups *agg.Groups
	s      *Scratch
}

// Add aggregates the chunk's rows.
func (w *groupWriter) Add(_ *task.Context, in task.Chunk) error {
	b := in.Vals.(*col.Batch)
	if b.Len() == 0 {
		return nil
	}
	if w.s == nil {
		w.s, w.groups = NewScratch(), w.take()
	}
	if len(w.Keys) == 0 {
		w.groups.Add(b, w.s.addAll(w.Key, b.Len()))
		return nil
	}
	if keys := w.keys.lent(b); w.Key.BareText() {
		idx := w.s.Numbers(b.Len())
		w.s.Dict.AddTexts(keys[0], b.Sel, idx)
		w.groups.Add(b, idx)
	} else {
		w.groups.Add(b, w.s.AddVecs(w.Key, keys, b))
	}
	return nil
}

// Flush makes the blocks.
func (w *groupWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := Blocks(ctx, w.schema, w.Key, w.s.Dict, func(idx []int32) []arrow.Array { return arrays(w.groups.Partials(idx)) })
	w.s.Free()
	w.free(w.groups)
	w.groups, w.s = nil, nil
	return out, err
}

func arrays(vecs []*col.Vec) []arrow.Array {
	out := make([]arrow.Array, len(vecs))
	for i, v := range vecs {
		out[i] = v.ToArray(nil)
	}
	return out
}

// GroupBy aggregates the rows of each key: one row a key, in order of first appearance. Without keys it is one row in each batch, empty ones included.
func (g *Grouping) GroupBy() Shuffle {
	return Shuffle{Inputs: []task.Input{g.Input()}, New: func() task.Reducer { return groupReducer{g} }}
}

type groupReducer struct{ *Grouping }

// Reduce emits one row a key.
func (r groupReducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 && len(r.Keys) > 0 {
		return nil
	}
	return WithScratch(func(s *Scratch) error {
		groups := r.take()
		if err := r.Merge(in[0], s, groups); err != nil {
			return err
		}
		if len(r.Keys) == 0 && s.Dict.Len() == 0 {
			s.addAll(r.Key, 0)
			if ctx.Layout.PartitionOf(s.Dict.Keys().Hash[0]) != ctx.Partition && !fault.Planted("P27-no-keys") {
				return nil
			}
			groups.Grow(1)
		}
		if err := r.Emit(emit, s.Dict.Keys(), groups); err != nil {
			return err
		}
		r.free(groups)
		return nil
	})
}

// Numbered are blocks of partial states whose keys are numbered: numbers[i] are those of block i.
type Numbered struct {
	blocks  []arrow.Record
	numbers [][]int32
}

// Number numbers the keys of blocks in s, in their order.
func (g *Grouping) Number(in []arrow.Record, s *Scratch) (Numbered, error) {
	schema, rows := row.Pair(g.Key, g.Partial), 0
	for _, rec := range in {
		if err := batch.CheckRecord(rec, schema); err != nil {
			return Numbered{}, fmt.Errorf("a block of aggregates: %w", err)
		}
		rows += int(rec.NumRows())
	}
	out, all := Numbered{in, make([][]int32, len(in))}, make([]int32, rows)
	for i, rec := range in {
		n := int(rec.NumRows())
		out.numbers[i], all = all[:n:n], all[n:]
		if err := s.NumberBlock(g.Key, rec, out.numbers[i]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// MergeBlocks merges the partial states of blocks, in their order, under their keys' numbers.
func (g *Grouping) MergeBlocks(b Numbered, groups *agg.Groups) {
	for i, rec := range b.blocks {
		groups.Merge(col.FromArrays(g.Set.Partial(), ValColumns(g.Key, rec, 0)).Cols, b.numbers[i])
	}
}

// Merge merges the partial states of blocks, in their order, under the numbers that their keys have or get in s.
func (g *Grouping) Merge(in []arrow.Record, s *Scratch, groups *agg.Groups) error {
	b, err := g.Number(in, s)
	if err == nil {
		groups.Grow(s.Dict.Len())
		g.MergeBlocks(b, groups)
	}
	return err
}

// Emit gives keys and the results of the groups with their numbers, in chunks.
func (g *Grouping) Emit(emit func(task.Chunk) error, keys *row.Keys, groups *agg.Groups) error {
	idx := make([]int32, 0, min(keys.Len(), task.ChunkRows))
	for lo := 0; lo < keys.Len(); lo += task.ChunkRows {
		idx = idx[:0]
		for i := lo; i < min(lo+task.ChunkRows, keys.Len()); i++ {
			idx = append(idx, int32(i))
		}
		var cols []*col.Vec
		if len(g.Keys) > 0 {
			var err error
			if cols, err = g.Key.KeyVecs(keys, idx); err != nil {
				return err
			}
		}
		if err := g.EmitCols(emit, len(idx), cols, groups.Results(idx)); err != nil {
			return err
		}
	}
	return nil
}

// EmitCols gives n rows of key columns, none for a grouping without keys, and results.
func (g *Grouping) EmitCols(emit func(task.Chunk) error, n int, keys, results []*col.Vec) error {
	if len(g.Keys) == 0 {
		keys = nil
	}
	return emit(task.Chunk{N: n, Vals: col.Of(g.Out, n, append(keys[:len(keys):len(keys)], results...)...)})
}

// Exprs are all expressions that are computed: keys and aggregates.
func (g *Grouping) Exprs() []*expr.Bound {
	return append(g.Keys[:len(g.Keys):len(g.Keys)], g.Set.Exprs()...)
}

// Risky are expressions over the columns of schema that fail for the rows which a grouping does not accept.
func (g *Grouping) Risky(schema *arrow.Schema) []*expr.Bound {
	return append(g.Keys[:len(g.Keys):len(g.Keys)], g.Set.Risky(schema)...)
}
