package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// sessionWriter aggregates a task's rows before they are sent: two rows of a key whose times lie between the same two multiples of the gap are less than the gap
// apart, so whatever else comes they are in one session.
type sessionWriter struct {
	*Aggregation
	rowReader
	s           *ops.Scratch
	groups      *agg.Groups
	first, last []int64 // times of each part
	counts      []int64
	heads       []*col.Vec
	fresh       []int32 // memory
}

// Add aggregates a chunk's rows.
func (w *sessionWriter) Add(ctx *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s, w.groups = ops.NewScratch(), w.Set.NewGroups()
	}
	b, times, keys := w.read(ctx, in)
	if len(times) == 0 {
		return nil
	}
	cols := make([]*col.Vec, 0, len(keys)+2)
	for _, k := range keys {
		cols = append(cols, k.Take(b.Sel))
	}
	heads := w.who(cols, len(times))
	parts := make([]int64, len(times))
	for i, t := range times {
		times[i] = min(max(t, -maxTime), maxTime)
		parts[i] = floor(times[i], w.Spec.Size)
	}
	w.s.Keys.Reset()
	w.Aggregation.panes.AppendVecKeys(append(heads[:len(heads):len(heads)], intVec(timeType, parts)), nil, &w.s.Keys)
	idx := w.s.Numbers(len(times))
	w.remember(heads, times, idx, w.s.Dict.Add(&w.s.Keys, idx))
	w.groups.Grow(len(w.counts))
	w.groups.Add(b, idx)
	return nil
}

// remember notes the times of parts, and the keys of those that are new.
func (w *sessionWriter) remember(keys []*col.Vec, times []int64, idx []int32, known int) {
	w.fresh = w.fresh[:0]
	for i, g := range idx {
		if int(g) == known+len(w.fresh) {
			w.fresh = append(w.fresh, int32(i))
			w.first, w.last, w.counts = append(w.first, times[i]), append(w.last, times[i]), append(w.counts, 0)
		}
		w.first[g], w.last[g] = min(w.first[g], times[i]), max(w.last[g], times[i])
		w.counts[g]++
	}
	w.heads = appendCols(w.heads, keys, w.fresh)
}

// Flush makes the blocks, dealt out by the keys alone: all sessions of a key are in one place.
func (w *sessionWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil || len(w.counts) == 0 {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	for i, t := range w.last {
		w.last[i] = t + w.Spec.Size
	}
	k := &row.Keys{}
	w.owner.AppendVecKeys(w.heads, nil, k)
	n := len(w.counts)
	cols := append(append([]*col.Vec{}, w.heads...), intVec(timeType, w.first), intVec(timeType, w.last), intVec(arrow.PrimitiveTypes.Int64, w.counts))
	out := blocks(ctx, col.Of(w.Block, n, append(cols, w.groups.Partials(upTo(n))...)...), k.Hash, ops.Parts)
	w.s.Free()
	*w = sessionWriter{Aggregation: w.Aggregation, rowReader: w.rowReader}
	return out, nil
}

// who are the columns of a key: a constant where windows have none.
func (a *Aggregation) who(keys []*col.Vec, n int) []*col.Vec {
	if len(a.names) > 0 {
		return keys
	}
	return []*col.Vec{col.New(arrow.FixedWidthTypes.Boolean, n)}
}
