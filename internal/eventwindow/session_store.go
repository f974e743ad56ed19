package eventwindow

import (
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// store writes the sessions of the keys in hand to their rows of state: slots 0, 1, … of each key.
func (r *sessions) store(ctx *task.Context, g *agg.Groups) error {
	var w sessionWrites
	old := r.old
	for lo := 0; lo < len(r.runs); { // each key of old has a session
		key, hi, n := r.runs[lo].key, lo, 0
		for hi < len(r.runs) && r.runs[hi].key == key {
			hi++
		}
		for n < len(old) && old[n].key == key {
			n++
		}
		r.place(lo, hi, old[:n], int32(len(r.old)-len(old)), &w)
		lo, old = hi, old[n:]
	}
	return w.apply(ctx, r, g)
}

// sessionWrites are changes of the state.
type sessionWrites struct {
	set, rows []int32 // sessions, and where they go; -1 is a new row
	fresh     []int32 // places in set of the new rows
	slots     []int64 // of these
	timed     []int32 // places in set whose due time is set
	gone      []int32
}

// place gives the sessions [lo, hi) of a key, whose rows of state are old, beginning at place first of all, to slots: where it can, a session stays in the first that
// it had.
func (r *sessions) place(lo, hi int, old []slot, first int32, w *sessionWrites) {
	n := 0
	for i := lo; i < hi; i++ {
		if r.runs[i].lasting {
			n++
		}
	}
	used := make([]bool, n)
	for i := lo; i < hi; i++ {
		if s := &r.runs[i]; s.lasting {
			if at := s.slot - first; s.slot >= 0 && int(at) < n {
				used[at] = true
			} else {
				s.moved = true
			}
		}
	}
	free := 0
	for i := lo; i < hi; i++ {
		s := &r.runs[i]
		if !s.lasting {
			continue
		}
		at := int(s.slot - first)
		if s.moved {
			for used[free] {
				free++
			}
			at, used[free] = free, true
		}
		if s.moved || s.rows > 0 || s.due {
			w.add(int32(i), at, old, s, r.Emit.Lateness > 0)
		}
	}
	for i := n; i < len(old); i++ {
		w.gone = append(w.gone, old[i].row)
	}
}

// add writes session i to slot at.
func (w *sessionWrites) add(i int32, at int, old []slot, s *run, lateness bool) {
	row := int32(-1)
	if at < len(old) {
		row = old[at].row
	} else {
		w.fresh, w.slots = append(w.fresh, int32(len(w.set))), append(w.slots, int64(at))
	}
	if row < 0 || s.moved || s.due || lateness {
		w.timed = append(w.timed, int32(len(w.set)))
	}
	w.set, w.rows = append(w.set, i), append(w.rows, row)
}

func (w *sessionWrites) apply(ctx *task.Context, r *sessions, g *agg.Groups) error {
	if len(w.fresh) > 0 {
		keys, made := make([]int32, len(w.fresh)), make([]int32, len(w.fresh))
		for i, at := range w.fresh {
			keys[i] = r.runs[w.set[at]].key
		}
		ctx.State.Upsert(r.placesAt(keys, w.slots), made)
		for i, at := range w.fresh {
			w.rows[at] = made[i]
		}
	}
	if len(w.set) > 0 {
		starts, ends := make([]int64, len(w.set)), make([]int64, len(w.set))
		for i, n := range w.set {
			starts[i], ends[i] = r.runs[n].start, r.runs[n].end
		}
		cols := append([]*col.Vec{intVec(timeType, starts), intVec(timeType, ends)}, g.Partials(w.set)...)
		setCols(ctx.State, r.State, w.rows, cols)
		w.schedule(ctx, r, ends)
	}
	ctx.State.Delete(w.gone)
	return nil
}

// schedule sets due times: when a session closes, or, if it has, when it is final.
func (w *sessionWrites) schedule(ctx *task.Context, r *sessions, ends []int64) {
	rows, due := make([]int32, len(w.timed)), make([]int64, len(w.timed))
	for i, at := range w.timed {
		end := ends[at]
		if passed(end, 0, r.mark.After) {
			end += r.Emit.Lateness
		}
		rows[i], due[i] = w.rows[at], dueAt(end)
	}
	ctx.State.SetDue(rows, due)
}

// early notes which keys have changed, the first came ones, and at each multiple of Every says of which keys the open sessions are shown, by number.
func (r *sessions) early(ctx *task.Context, came int) ([]bool, error) {
	if r.Emit.Every == 0 {
		return nil, nil
	}
	table := ctx.More[0]
	if came > 0 {
		table.Upsert(r.places(upTo(came), 0), make([]int32, came))
	}
	if ctx.Time%r.Emit.Every != 0 || table.Len() == 0 {
		return nil, nil
	}
	all := table.All()
	cols := table.KeyCols(all)
	idx, err := r.number(cols[1:len(cols)-1], len(all))
	if err != nil {
		return nil, err
	}
	table.Delete(all)
	show := make([]bool, r.s.Dict.Len())
	for _, k := range idx {
		show[k] = true
	}
	return show, nil
}

// close shows sessions that are due and alone, by (due time, key), and lets go of those that are final.
func (r *sessions) close(ctx *task.Context, alone loners, emit func(task.Chunk) error) error {
	var kept []int32
	var due []int64
	rows := alone.rows
	gone := make([]int32, 0, len(rows))
	for lo := 0; lo < len(rows); lo += task.ChunkRows {
		part := rows[lo:min(lo+task.ChunkRows, len(rows))]
		cols := ctx.State.GetCols(part).Cols
		show := make([]int32, 0, len(part))
		for i, end := range cols[1].Ints {
			if !r.Emit.OnChange && !passed(end, 0, r.mark.Before) && passed(end, 0, r.mark.After) {
				show = append(show, int32(i))
			}
			switch {
			case passed(end, r.Emit.Lateness, r.mark.After):
				gone = append(gone, part[i])
				continue
			case passed(end, 0, r.mark.After):
				end += r.Emit.Lateness
			}
			kept, due = append(kept, part[i]), append(due, dueAt(end))
		}
		if len(show) == 0 {
			continue
		}
		g := r.Set.NewGroups()
		g.Merge(cols[2:], upTo(len(part)))
		key, err := r.Key.KeyVecs(alone.keys, alone.at[lo:lo+len(part)])
		if err != nil {
			return err
		}
		out := append(key[1:1+len(r.names):1+len(r.names)], cols[0], cols[1])
		if len(show) < len(part) {
			out = taken(out, show)
		}
		out = append(out, g.Results(show)...)
		if err := emit(task.Chunk{N: len(show), Vals: col.Of(r.Out, len(show), out...)}); err != nil {
			return err
		}
	}
	ctx.State.SetDue(kept, due)
	ctx.State.Delete(gone)
	return nil
}
