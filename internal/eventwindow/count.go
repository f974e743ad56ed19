package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// counter keeps windows of so many rows of a key: a row of state for each key whose window is not full, with the number of its rows.
type counter struct {
	*Aggregation
	keys []*expr.Eval
	s    *ops.Scratch

	group  []int32 // by key number: the group of the window that is open, -1 for none
	filled []int64 // rows of that window
	full   []int32 // groups whose window is full, in order
	owners []int32 // by group: the key's number
	groups *agg.Groups
}

// Reduce gives the windows that become full, in the order in which they do; in the final batch those that are not full too, by key.
func (r *counter) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	err := ops.WithScratch(func(s *ops.Scratch) error {
		r.s, r.groups = s, r.Set.NewGroups()
		for _, rec := range in[0] {
			if err := r.take(ctx, rec); err != nil {
				return err
			}
		}
		if err := r.emit(r.full, emit); err != nil {
			return err
		}
		return r.store(ctx)
	})
	if err != nil {
		return err
	}
	if ctx.Final {
		if err := r.rest(ctx, emit); err != nil {
			return err
		}
	}
	return r.Emit.limit(ctx, r.Name, ctx.State)
}

// take adds the rows of a block.
func (r *counter) take(ctx *task.Context, rec arrow.Record) error {
	b := col.FromRecord(rec)
	r.s.Keys.Reset()
	r.owner.AppendVecKeys(ownerCols(r.keys, b), nil, &r.s.Keys)
	idx := r.s.Numbers(b.N)
	r.look(ctx, r.s.Dict.Add(&r.s.Keys, idx))
	for i, k := range idx {
		if r.group[k] < 0 {
			r.group[k], r.filled[k] = int32(len(r.owners)), 0
			r.owners = append(r.owners, k)
		}
		g := r.group[k]
		if r.filled[k]++; r.filled[k] == r.Spec.Size {
			r.full, r.group[k] = append(r.full, g), -1
		}
		idx[i] = g
	}
	r.groups.Grow(len(r.owners))
	r.groups.Add(b, idx)
	return nil
}

// look finds the open windows of keys that are new in the dictionary, those from number before on.
func (r *counter) look(ctx *task.Context, before int) {
	n := r.s.Dict.Len()
	fresh := make([]int32, 0, n-before)
	for i := before; i < n; i++ {
		fresh, r.group, r.filled = append(fresh, int32(i)), append(r.group, -1), append(r.filled, 0)
	}
	if len(fresh) == 0 {
		return
	}
	rows, sub := make([]int32, len(fresh)), &row.Keys{}
	sub.AppendFrom(r.s.Dict.Keys(), fresh)
	ctx.State.Find(sub, rows)
	there, places := ops.Present(rows)
	if len(there) == 0 {
		return
	}
	cols := ctx.State.GetCols(there).Cols
	groups := make([]int32, len(there))
	for i, p := range places {
		k := fresh[p]
		groups[i] = int32(len(r.owners))
		r.group[k], r.filled[k] = groups[i], cols[0].Ints[i]
		r.owners = append(r.owners, k)
	}
	r.groups.Grow(len(r.owners))
	r.groups.Merge(cols[1:], groups)
}

// store keeps the windows that are not full.
func (r *counter) store(ctx *task.Context) error {
	n := r.s.Dict.Len()
	if n == 0 {
		return nil
	}
	var open, none, groups []int32
	var filled []int64
	for k := range int32(n) {
		if g := r.group[k]; g >= 0 {
			open, groups, filled = append(open, k), append(groups, g), append(filled, r.filled[k])
		} else {
			none = append(none, k)
		}
	}
	if len(open) > 0 {
		k, rows := &row.Keys{}, make([]int32, len(open))
		k.AppendFrom(r.s.Dict.Keys(), open)
		ctx.State.Upsert(k, rows)
		cols := append([]*col.Vec{intVec(arrow.PrimitiveTypes.Int64, filled)}, r.groups.Partials(groups)...)
		setCols(ctx.State, r.State, rows, cols)
	}
	if len(none) > 0 {
		k, rows := &row.Keys{}, make([]int32, len(none))
		k.AppendFrom(r.s.Dict.Keys(), none)
		ctx.State.Find(k, rows)
		there, _ := ops.Present(rows)
		ctx.State.Delete(there)
	}
	return nil
}

// emit sends windows of the batch on.
func (r *counter) emit(groups []int32, emit func(task.Chunk) error) error {
	for lo := 0; lo < len(groups); lo += task.ChunkRows {
		part := groups[lo:min(lo+task.ChunkRows, len(groups))]
		keys := make([]int32, len(part))
		for i, g := range part {
			keys[i] = r.owners[g]
		}
		heads, err := r.owner.KeyVecs(r.s.Dict.Keys(), keys)
		if err != nil {
			return err
		}
		cols := append(heads[:len(r.names)], r.groups.Results(part)...)
		if err := emit(task.Chunk{N: len(part), Vals: col.Of(r.Out, len(part), cols...)}); err != nil {
			return err
		}
	}
	return nil
}

// rest sends the windows of the state on.
func (r *counter) rest(ctx *task.Context, emit func(task.Chunk) error) error {
	all := ctx.State.All()
	for lo := 0; lo < len(all); lo += task.ChunkRows {
		part := all[lo:min(lo+task.ChunkRows, len(all))]
		g := r.Set.NewGroups()
		g.Merge(ctx.State.GetCols(part).Cols[1:], upTo(len(part)))
		cols := append(ctx.State.KeyCols(part)[:len(r.names)], g.Results(nil)...)
		if err := emit(task.Chunk{N: len(part), Vals: col.Of(r.Out, len(part), cols...)}); err != nil {
			return err
		}
	}
	return nil
}
