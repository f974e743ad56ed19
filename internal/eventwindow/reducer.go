package eventwindow

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/task"
)

// reducer keeps windows that are aligned to the clock: a row of state for each key and window, due when there is something to be done about it: when it closes,
// and, if closed windows still take rows, when it is final. A window is closed if the watermark of the batch before has reached its end: nothing needs to be kept for that.
type reducer struct {
	*Aggregation
	windows *Assigner
	mark    task.Mark
}

// touched are the windows that a batch has rows of: rows of the state, each once, in order of first appearance, and their ends.
type touched struct {
	rows    []int32
	ends    []int64
	crossed []bool // the number of rows has passed a multiple of Emit.Rows; nil: no
}

// Reduce judges the rows by the watermark of the batch before, takes what is not late, and then closes what the watermark of this batch has passed (P29).
func (r *reducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	gone, err := r.turn(ctx, in, r.take, func(show []int32) error { return r.emit(ctx, show, r.emitting(emit)) })
	if err != nil {
		return err
	}
	if r.Both != nil {
		if err := r.lateRows(in[1], emit, r.late); err != nil {
			return err
		}
	}
	return r.finish(ctx, gone)
}

// turn is what all windows on the clock do in a batch: take adds its rows to the state, and show emits windows. gone are those that are final.
func (r *reducer) turn(
	ctx *task.Context, in [][]arrow.Record, take func(*task.Context, []arrow.Record, *ops.Scratch) (touched, error), show func([]int32) error,
) (gone []int32, err error) {
	r.mark = r.Aggregation.mark(ctx)
	var t touched
	err = ops.WithScratch(func(s *ops.Scratch) (err error) {
		t, err = take(ctx, in[0], s)
		return err
	})
	if err != nil {
		return nil, err
	}
	shown, gone := r.judge(ctx, t)
	if r.Emit.Every > 0 {
		shown = append(shown, r.early(ctx, t)...)
	}
	return gone, show(shown)
}

// finish lets go of what is final, and sees to the limit.
func (r *reducer) finish(ctx *task.Context, gone []int32) error {
	ctx.State.Delete(gone)
	return r.Emit.limit(ctx, r.Name, ctx.State)
}

// sent is what tasks have sent of windows that are not late, by block: their numbers in the batch and partial aggregates.
type sent struct {
	nums  [][]int32
	parts [][]*col.Vec
	ends  []int64 // by number
	rows  []int64
}

// take adds what tasks have sent to the state.
func (r *reducer) take(ctx *task.Context, in []arrow.Record, s *ops.Scratch) (touched, error) {
	var b sent
	for _, rec := range in {
		if err := r.read(ctx, rec, s, &b); err != nil {
			return touched{}, err
		}
	}
	n := s.Dict.Len()
	if n == 0 {
		return touched{}, nil
	}
	g := r.Set.NewGroups()
	g.Grow(n)
	rows := make([]int32, n)
	ctx.State.Find(s.Dict.Keys(), rows)
	known, places := ops.Present(rows)
	t, came := touched{rows: rows, ends: b.ends}, slices.Clone(b.rows)
	if len(known) > 0 {
		g.Merge(r.old(ctx, known, places, b.rows), places)
	}
	for i := range b.parts {
		g.Merge(b.parts[i], b.nums[i])
	}
	t.crossed = r.crossed(b.rows, came)
	ctx.State.Add(s.Dict.Keys(), rows)
	if r.Spec.Kind != Global {
		r.schedule(ctx, rows, places, b.ends)
	}
	setCols(ctx.State, r.State, rows, r.counted(b.rows, g.Partials(nil)))
	return t, nil
}

// read reads a block. Rows whose window is final by the watermark of the batch before are late, and counted.
func (r *reducer) read(ctx *task.Context, rec arrow.Record, s *ops.Scratch, out *sent) error {
	b, at := col.FromRecord(rec), len(r.names)
	starts, counts := b.Cols[at].Ints, b.Cols[at+1].Ints
	by := r.mark.Before
	if fault.Planted("P29-late") {
		by = r.mark.After
	}
	kept, ends := make([]int32, 0, b.N), make([]int64, 0, b.N)
	for i := range b.N {
		end := r.windows.End(starts[i])
		if passed(end, r.Emit.Lateness, by) {
			ctx.Counters.Late += counts[i]
			continue
		}
		kept, ends = append(kept, int32(i)), append(ends, end)
	}
	if len(kept) == 0 {
		return nil
	}
	s.Keys.Reset()
	r.Key.AppendVecKeys(b.Cols[:at+1], kept, &s.Keys)
	idx := make([]int32, len(kept))
	s.Dict.Add(&s.Keys, idx)
	for i, n := range idx {
		if int(n) == len(out.ends) {
			out.ends, out.rows = append(out.ends, ends[i]), append(out.rows, 0)
		}
		out.rows[n] += counts[kept[i]]
	}
	out.nums, out.parts = append(out.nums, idx), append(out.parts, taken(b.Cols[at+2:], kept))
	return nil
}

// upTo are the numbers below n.
func upTo(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// passed tells whether the watermark at has reached end + more.
func passed(end, more, at int64) bool {
	return at == task.EndOfTime || at != task.NoTime && end <= at-more
}

// schedule sets the due times of windows that are new, those that are not in known, which is ascending. Windows that begin between their end and the moment at which they
// are final wait for that.
func (r *reducer) schedule(ctx *task.Context, rows, known []int32, ends []int64) {
	var fresh []int32
	var due []int64
	for i, row := range rows {
		if len(known) > 0 && int(known[0]) == i {
			known = known[1:]
			continue
		}
		at := ends[i]
		if passed(at, 0, r.mark.Before) {
			at += r.Emit.Lateness
		}
		fresh, due = append(fresh, row), append(due, dueAt(at))
	}
	ctx.State.SetDue(fresh, due)
}

// dueAt is a time as a due time: those that lie before 1970 are all due at once, which does no harm, since who is due is judged again.
func dueAt(t int64) int64 { return max(t, 1) }

// judge closes the windows whose end the watermark has reached and lets go of those that are final. show are those whose results go out: those that changed behind their
// end, in order of first appearance, then those that close now, by (end, key).
func (r *reducer) judge(ctx *task.Context, t touched) (show, gone []int32) {
	for i, row := range t.rows {
		if r.Emit.OnChange || passed(t.ends[i], 0, r.mark.Before) || t.crossed != nil && t.crossed[i] {
			show = append(show, row)
		}
	}
	if r.Spec.Kind == Global {
		return r.all(ctx, show), nil
	}
	due := ctx.State.Due(r.mark.After)
	if len(due) == 0 {
		return show, nil
	}
	var kept []int32
	var later []int64
	keys := ctx.State.KeyBytes(due) // they end in the window's beginning
	for i := range due {
		key := keys.Key(i)
		end := r.windows.End(int64(binary.LittleEndian.Uint64(key[len(key)-8:])))
		if !r.Emit.OnChange && !passed(end, 0, r.mark.Before) && passed(end, 0, r.mark.After) {
			show = append(show, due[i])
		}
		switch {
		case passed(end, r.Emit.Lateness, r.mark.After) && !fault.Planted("P29-final"):
			gone = append(gone, due[i])
		case passed(end, 0, r.mark.After):
			kept, later = append(kept, due[i]), append(later, dueAt(end+r.Emit.Lateness))
		default:
			kept, later = append(kept, due[i]), append(later, dueAt(end))
		}
	}
	if len(kept) > 0 {
		ctx.State.SetDue(kept, later)
	}
	return show, gone
}

// emit sends the results of windows on.
func (r *reducer) emit(ctx *task.Context, rows []int32, emit func(task.Chunk) error) error {
	for lo := 0; lo < len(rows); lo += task.ChunkRows {
		part := rows[lo:min(lo+task.ChunkRows, len(rows))]
		cols := ctx.State.KeyCols(part)
		if starts := cols[len(r.names)].Ints; r.Spec.Timed() {
			ends := make([]int64, len(part))
			for i, s := range starts {
				ends[i] = r.windows.End(s)
			}
			cols = append(cols, intVec(timeType, ends))
		} else {
			cols = cols[:len(r.names)]
		}
		g := r.Set.NewGroups()
		g.Merge(ctx.State.GetCols(part).Cols[r.heads:], upTo(len(part)))
		cols = append(cols, g.Results(nil)...)
		if err := emit(task.Chunk{N: len(part), Vals: col.Of(r.Out, len(part), cols...)}); err != nil {
			return err
		}
	}
	return nil
}
