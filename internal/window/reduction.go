package window

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Reduction is how the values of a key in a window become one.
type Reduction[K, V any] struct {
	*ops.Reduction[K, V]
	Span      Span
	State     *row.Codec            // of Held[V]
	Inverse   func(agg, left V) V   // takes leaving values out of a key's; nil: what is left is combined anew
	KeepEmpty bool                  // keys stay when no row of the window is theirs any more
	KeepIf    func(key K, v V) bool // keys for which it gives false are not in the result; nil: all are
	Same      func(a, b V) bool     // tells whether a result has not changed; false where nobody can tell
	Whole     func(vals []V) []V    // gives everything that each window holds, without keys, in place of changes. Where: the group that empty windows belong to
	Where     row.GroupID           //
	Quiet     func() bool           // nobody reads the changes
}

// Held is the state of a key. A key that KeepIf hides has its number of panes negative.
type Held[V any] struct {
	Panes int64 // in the window that hold the key
	Value V
}

// View is what readers of the table see of []Held[V]: the values, and which of them are hidden (nil: none).
func View[V any](rows any) (vals any, hidden []bool) {
	list := rows.([]Held[V])
	out := make([]V, len(list))
	for i := range list {
		out[i] = list[i].Value
		if list[i].Panes < 0 {
			if hidden == nil {
				hidden = make([]bool, len(list))
			}
			hidden[i] = true
		}
	}
	return out, hidden
}

// New makes the reducer of one task.
func (r *Reduction[K, V]) New() task.Reducer {
	return &reducer[K, V]{BatchReducer: ops.BatchReducer[K, V]{Reduction: r.Reduction}, w: r}
}

type reducer[K, V any] struct {
	ops.BatchReducer[K, V]
	w    *Reduction[K, V]
	keys []K // of the batch
}

// set is what enters or leaves together: each key once.
type set[V any] struct {
	k      *row.Keys
	vals   []V
	time   int64 // of the last batch in it
	leaves int64
}

// Reduce combines the batch, and at a boundary what the window has gained and lost.
func (r *reducer[K, V]) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	return ops.WithScratch(func(s *ops.Scratch) error {
		k, keys, sums, err := r.Combine(in[0], s)
		if err != nil {
			return err
		}
		r.keys = keys
		now := set[V]{k, sums, ctx.Time, r.w.Span.leaves(ctx.Time)}
		end := r.w.Span.end(ctx)
		if end == 0 {
			r.wait(ctx, now)
			return nil
		}
		return r.turn(ctx, now, end, emit)
	})
}

// wait keeps a batch that lies between boundaries.
func (r *reducer[K, V]) wait(ctx *task.Context, now set[V]) {
	if now.k.Len() > 0 && !r.w.Span.missed(now.time) {
		panes{ctx.More[0]}.put(now.time, r.w.Span.enters(now.time), false, pack(r.Key, r.Val, now.k, now.vals))
	}
}

// turn closes the window that ends at a boundary: panes enter and leave, and what changed goes out.
func (r *reducer[K, V]) turn(ctx *task.Context, now set[V], end int64, emit func(task.Chunk) error) error {
	p := panes{ctx.More[0]}
	due := p.due(end)
	p.remove(due)
	var waited, left []pane
	for _, d := range due {
		switch {
		case d.Entered:
			left = append(left, d)
		case r.w.Span.leaves(d.Time) > end:
			waited = append(waited, d)
		}
	}
	if ctx.Final && end != ctx.Time && now.k.Len() == 0 && len(waited) == 0 {
		return nil // the last boundary has shown everything, and no other follows
	}
	entering, err := r.entering(waited, now)
	if err != nil {
		return err
	}
	leaving, err := r.leaving(left)
	if err != nil {
		return err
	}
	for _, s := range entering {
		p.put(s.time, s.leaves, true, pack(r.Key, r.Val, s.k, s.vals))
	}
	t := newTurn(r, ctx, entering, leaving)
	t.quiet = r.w.Whole != nil || r.w.Quiet()
	if len(waited) == 0 && len(entering) == 1 {
		t.keys = r.keys
	}
	if err := t.run(); err != nil {
		return err
	}
	keys, vals := t.store()
	if r.w.Whole != nil {
		return r.emitWhole(ctx, emit)
	}
	return ops.EmitRows(emit, keys, vals)
}

// leaving are panes that leave, time by time.
func (r *reducer[K, V]) leaving(left []pane) ([]set[V], error) {
	var sets []set[V]
	for _, run := range byTime(left) {
		s := set[V]{k: &row.Keys{}, time: run[0].Time}
		if err := r.unpack(&s, run); err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// unpack reads panes of one time into a set.
func (r *reducer[K, V]) unpack(s *set[V], run []pane) error {
	count, size := 0, 0
	for _, d := range run {
		n, rest, err := header(d.Data)
		if err != nil {
			return err
		}
		count, size = count+n, size+len(rest)
	}
	s.k.Reserve(count, size)
	vals := r.Val.Make(count)
	for _, d := range run {
		var err error
		if vals, err = unpack(r.Key, r.Val, d.Data, s.k, vals); err != nil {
			return err
		}
	}
	s.vals, _ = vals.([]V)
	return nil
}

// entering are the batches since the last boundary: those that leave together become one, combined in order of time.
func (r *reducer[K, V]) entering(waited []pane, now set[V]) ([]set[V], error) {
	sets, err := r.leaving(waited)
	if err != nil {
		return nil, err
	}
	for i := range sets {
		sets[i].leaves = r.w.Span.leaves(sets[i].time)
	}
	if now.k.Len() > 0 && !r.w.Span.missed(now.time) {
		sets = append(sets, now)
	}
	var merged []set[V]
	for from := 0; from < len(sets); {
		until := from + 1
		for until < len(sets) && sets[until].leaves == sets[from].leaves {
			until++
		}
		merged = append(merged, r.merge(sets[from:until]))
		from = until
	}
	return merged, nil
}

// merge combines sets, ascending by time, into one: keys in order of first appearance.
func (r *reducer[K, V]) merge(sets []set[V]) set[V] {
	last := sets[len(sets)-1]
	if len(sets) == 1 {
		return last
	}
	dict := row.NewDict(last.k.Len())
	var sums []V
	var idx []int32
	for _, s := range sets {
		idx = ops.Sized(idx, s.k.Len())
		dict.Add(s.k, idx)
		r.Through(r.Key, s.k)
		sums = r.Fold(sums, idx, s.vals, &r.Now)
	}
	return set[V]{dict.Keys(), sums, last.time, last.leaves}
}

// emitWhole gives all that the window holds, without keys.
func (r *reducer[K, V]) emitWhole(ctx *task.Context, emit func(task.Chunk) error) error {
	from, until := ctx.Layout.GroupsOf(ctx.Partition)
	if g := int(r.w.Where); g < from || g >= until {
		return nil
	}
	vals, _ := View[V](ctx.State.Get(ctx.State.All(), nil))
	return ops.EmitValues(emit, r.w.Whole(vals.([]V)))
}
