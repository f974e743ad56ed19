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

// Input is the side of the shuffle that aggregates a task's rows by pane before anything is sent.
func (a *Aggregation) Input() task.Input {
	if a.Spec.Kind == Count {
		return RowInput(a.Rows, a.owner, a.Keys)
	}
	return task.Input{Schema: a.Block, New: func() task.Writer {
		if a.Spec.Kind == Session {
			return &sessionWriter{Aggregation: a, rowReader: newRowReader(a)}
		}
		return &writer{Aggregation: a, rowReader: newRowReader(a)}
	}}
}

// New is a reducer for one task.
func (a *Aggregation) New() task.Reducer {
	switch a.Spec.Kind {
	case Session:
		return &sessions{Aggregation: a}
	case Count:
		return &counter{Aggregation: a, keys: evals(a.Keys)}
	}
	return &reducer{Aggregation: a, windows: a.Spec.Assigner()}
}

// rowReader computes times and keys of rows.
type rowReader struct {
	time  *expr.Eval // nil by batch time
	shift int64
	keys  []*expr.Eval
	batch Spec
}

func newRowReader(a *Aggregation) rowReader {
	r := rowReader{shift: a.Shift, batch: a.Spec}
	if a.Time != nil {
		r.time = a.Time.Eval()
	}
	for _, k := range a.Keys {
		r.keys = append(r.keys, k.Eval())
	}
	return r
}

// read is the rows of in that have a time, as rows that count of b, those times, and the keys at b's physical rows.
func (r *rowReader) read(ctx *task.Context, in task.Chunk) (b *col.Batch, times []int64, keys []*col.Vec) {
	b = in.Vals.(*col.Batch)
	if r.time == nil {
		times = make([]int64, b.Len())
		for i := range times {
			times[i] = r.batch.Time(ctx)
		}
	} else {
		b, times = timed(ctx, b, r.time.Vec(b), r.shift)
	}
	keys = make([]*col.Vec, len(r.keys))
	for i, k := range r.keys {
		keys[i] = k.Vec(b)
	}
	return b, times, keys
}

// timed leaves out rows without a time: no window is theirs, and they count as late.
func timed(ctx *task.Context, b *col.Batch, v *col.Vec, shift int64) (*col.Batch, []int64) {
	if v.Null != nil {
		idx := make([]int32, 0, b.Len())
		rows(b, func(i int32) {
			if !v.Null[i] {
				idx = append(idx, i)
			}
		})
		ctx.Counters.Late += int64(b.Len() - len(idx))
		b = b.Where(idx)
	}
	times := make([]int64, 0, b.Len())
	rows(b, func(i int32) { times = append(times, v.Ints[i]+shift) })
	return b, times
}

// rows calls f with the physical numbers of the rows of b that count.
func rows(b *col.Batch, f func(i int32)) {
	if b.Sel != nil {
		for _, i := range b.Sel {
			f(i)
		}
		return
	}
	for i := range int32(b.N) {
		f(i)
	}
}

// writer aggregates a task's rows by key and pane.
type writer struct {
	*Aggregation
	rowReader
	windows *Assigner
	s       *ops.Scratch
	groups  *agg.Groups
	counts  []int64    // rows of each pane
	panes   []int64    // beginnings
	heads   []*col.Vec // of the panes: keys
	first   []int32    // memory
}

// Add aggregates a chunk's rows.
func (w *writer) Add(ctx *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s, w.groups, w.windows = ops.NewScratch(), w.Set.NewGroups(), w.Spec.Assigner()
	}
	b, times, keys := w.read(ctx, in)
	if len(times) == 0 {
		return nil
	}
	starts := make([]int64, len(times))
	w.windows.Panes(times, starts)
	cols := make([]*col.Vec, 0, len(keys)+1)
	for _, k := range keys {
		cols = append(cols, k.Take(b.Sel))
	}
	cols = append(cols, intVec(timeType, starts))
	w.s.Keys.Reset()
	w.Key.AppendVecKeys(cols, nil, &w.s.Keys)
	idx := w.s.Numbers(len(times))
	before := w.s.Dict.Add(&w.s.Keys, idx)
	w.remember(cols[:len(keys)], starts, idx, before)
	for _, g := range idx {
		w.counts[g]++
	}
	w.groups.Grow(len(w.counts))
	w.groups.Add(b, idx)
	return nil
}

// remember keeps the keys of panes that are new.
func (w *writer) remember(keys []*col.Vec, starts []int64, idx []int32, known int) {
	w.first = w.first[:0]
	for i, g := range idx {
		if int(g) == known+len(w.first) {
			w.first = append(w.first, int32(i))
			w.panes, w.counts = append(w.panes, starts[i]), append(w.counts, 0)
		}
	}
	w.heads = appendCols(w.heads, keys, w.first)
}

// appendCols is dst with rows idx of cols behind it.
func appendCols(dst, cols []*col.Vec, idx []int32) []*col.Vec {
	if dst == nil {
		return taken(cols, idx)
	}
	for i, c := range cols {
		dst[i] = dst[i].Joined(c.Take(idx))
	}
	return dst
}

// Flush makes the blocks: one row a key and window.
func (w *writer) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil || w.s.Dict.Len() == 0 {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	parts, counts, starts, heads, keys := w.groups.Partials(upTo(len(w.panes))), w.counts, w.panes, w.heads, w.s.Dict.Keys()
	if w.windows.overlap() {
		var err error
		if parts, counts, starts, heads, keys, err = w.spread(parts); err != nil {
			return nil, err
		}
	}
	cols := append(append([]*col.Vec{}, heads...), intVec(timeType, starts), intVec(arrow.PrimitiveTypes.Int64, counts))
	out := blocks(ctx, col.Of(w.Block, len(starts), append(cols, parts...)...), keys.Hash, ops.Parts)
	w.s.Free()
	*w = writer{Aggregation: w.Aggregation, rowReader: w.rowReader}
	return out, nil
}

// spread puts panes together to windows. A row counts once, in the last of its windows: it is late when that one is.
func (w *writer) spread(parts []*col.Vec) ([]*col.Vec, []int64, []int64, []*col.Vec, *row.Keys, error) {
	from := make([]int32, 0, len(w.panes)) // not nil: that would take all
	var starts, counts []int64
	for p, start := range w.panes {
		lo := len(starts)
		starts = w.windows.Windows(start, starts)
		for range len(starts) - lo {
			from, counts = append(from, int32(p)), append(counts, 0)
		}
		if len(starts) > lo {
			counts[len(counts)-1] = w.counts[p]
		}
	}
	heads := taken(w.heads, from)
	k := &row.Keys{}
	w.Key.AppendVecKeys(append(heads[:len(heads):len(heads)], intVec(timeType, starts)), nil, k)
	idx, dict := make([]int32, len(starts)), row.NewDict(len(starts))
	dict.Add(k, idx)
	first := make([]int32, 0, dict.Len())
	sums := make([]int64, dict.Len())
	for i, g := range idx {
		if int(g) == len(first) {
			first = append(first, int32(i))
		}
		sums[g] += counts[i]
	}
	g := w.Set.NewGroups()
	g.Grow(dict.Len())
	g.Merge(taken(parts, from), idx)
	begin := make([]int64, dict.Len())
	for i := range begin {
		begin[i] = starts[first[i]]
	}
	return g.Partials(upTo(len(begin))), sums, begin, taken(heads, first), dict.Keys(), nil
}
