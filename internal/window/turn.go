package window

import (
	"slices"
	"sync"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// turn is the change of the keys' values at one boundary. Keys are numbered from 0: those that enter first, batch by batch (those of a batch in order of
// first appearance, or by key group where it has waited), then those that only leave, in order of the panes.
type turn[K, V any] struct {
	r     *reducer[K, V]
	ctx   *task.Context
	sets  []set[V]  // those that leave, then those that enter
	nums  [][]int32 // of each set's keys
	left  int       // how many sets leave
	rows  []int32   // of the state, by number
	keys  []K       // by number, of the first few: where they are known already
	quiet bool      // nobody wants to know what changed
	fresh []bool    // the key had no row
	was   []Held[V]
	now   []Held[V]
	lost  []bool // values that left and could not be taken out
	at    *[]int32
}

func newTurn[K, V any](r *reducer[K, V], ctx *task.Context, entering, leaving []set[V]) *turn[K, V] {
	t := &turn[K, V]{r: r, ctx: ctx, sets: append(leaving, entering...), left: len(leaving)}
	t.number()
	t.was = ctx.State.Get(t.rows, nil).([]Held[V])
	t.now = append(make([]Held[V], 0, len(t.was)), t.was...)
	for i := range t.now {
		t.now[i].Panes = max(t.was[i].Panes, -t.was[i].Panes)
	}
	return t
}

// places are memory to find a key's number by the row of its state: -1 where it has none. The last to hold them puts that back everywhere.
var places = sync.Pool{New: func() any { return &[]int32{} }}

// number finds the rows of all keys, makes those that are missing, and numbers them.
func (t *turn[K, V]) number() {
	t.nums, t.at = make([][]int32, len(t.sets)), places.Get().(*[]int32)
	for i := t.left; i < len(t.sets); i++ {
		rows := make([]int32, t.sets[i].k.Len())
		before := len(t.rows)
		missing := t.find(t.sets[i].k, rows)
		t.nums[i] = t.numbers(rows)
		for _, m := range missing {
			if n := t.nums[i][m]; int(n) >= before {
				t.fresh[n] = true
			}
		}
	}
	for i := range t.left {
		rows := make([]int32, t.sets[i].k.Len())
		t.ctx.State.Find(t.sets[i].k, rows)
		t.nums[i] = t.numbers(rows)
	}
}

// free gives the memory back. After a panic nobody does.
func (t *turn[K, V]) free() {
	for _, r := range t.rows {
		(*t.at)[r] = -1
	}
	places.Put(t.at)
	t.at = nil
}

// find is the rows of keys that enter; those that had none are the result.
func (t *turn[K, V]) find(k *row.Keys, rows []int32) (missing []int32) {
	t.ctx.State.Find(k, rows)
	for i, r := range rows {
		if r < 0 {
			missing = append(missing, int32(i))
		}
	}
	if len(missing) > 0 {
		made := make([]int32, len(missing))
		t.ctx.State.Upsert(ops.Subset(k, missing), made)
		for i, m := range missing {
			rows[m] = made[i]
		}
	}
	return missing
}

// numbers replaces rows by the numbers of their keys; new ones get the next.
func (t *turn[K, V]) numbers(rows []int32) []int32 {
	place := *t.at
	for i, r := range rows {
		assert.True(r >= 0, "a key leaves a window that does not hold it")
		for int(r) >= len(place) {
			place = append(place, -1)
		}
		if place[r] < 0 {
			place[r] = int32(len(t.rows))
			t.rows, t.fresh = append(t.rows, r), append(t.fresh, false)
		}
		rows[i] = place[r]
	}
	*t.at = place
	return rows
}

// run computes the new values.
func (t *turn[K, V]) run() error {
	if t.r.w.Inverse == nil {
		t.lost = make([]bool, len(t.rows))
	}
	anew := false
	for i := range t.left {
		anew = t.leave(t.sets[i], t.nums[i]) || anew
	}
	if anew {
		if err := t.combineAnew(); err != nil {
			return err
		}
	}
	for i := t.left; i < len(t.sets); i++ {
		t.enter(t.sets[i], t.nums[i])
	}
	t.free()
	return nil
}

// leave takes a set out; it tells whether some keys have to be combined anew.
func (t *turn[K, V]) leave(s set[V], nums []int32) (anew bool) {
	w := t.r.w
	t.r.Through(t.r.Key, s.k)
	for i, n := range nums {
		h := &t.now[n]
		h.Panes--
		switch {
		case h.Panes == 0 && !w.KeepEmpty: // what it is worth no longer matters
		case w.Inverse == nil:
			t.lost[n], anew = true, true
		default:
			t.r.Now = i
			h.Value = w.Inverse(h.Value, s.vals[i])
		}
	}
	return anew
}

// enter adds a set.
func (t *turn[K, V]) enter(s set[V], nums []int32) {
	t.r.Through(t.r.Key, s.k)
	for i, n := range nums {
		h := &t.now[n]
		if h.Panes == 0 && (t.fresh[n] || !t.r.w.KeepEmpty) {
			h.Value = s.vals[i]
		} else {
			t.r.Now = i
			h.Value = t.r.F(h.Value, s.vals[i])
		}
		h.Panes++
	}
}

// combineAnew combines the values of keys that lost some and have others left, from the panes that were in the window before and still are, in order of time.
func (t *turn[K, V]) combineAnew() error {
	wanted := make([]bool, len(t.rows))
	var groups [row.Groups]bool
	for i := range t.left {
		for j, n := range t.nums[i] {
			if t.lost[n] && t.now[n].Panes > 0 {
				wanted[n], groups[row.Group(t.sets[i].k.Hash[j])] = true, true
			}
		}
	}
	if !slices.Contains(wanted, true) {
		return nil
	}
	begun := make([]bool, len(t.rows))
	for _, run := range byTime(t.inside(&groups)) {
		s := set[V]{k: &row.Keys{}}
		if err := t.r.unpack(&s, run); err != nil {
			return err
		}
		rows := make([]int32, s.k.Len())
		t.ctx.State.Find(s.k, rows)
		t.r.Through(t.r.Key, s.k)
		for i, r := range rows {
			n := t.place(r)
			switch {
			case n < 0 || !wanted[n]:
			case !begun[n]:
				begun[n], t.now[n].Value = true, s.vals[i]
			default:
				t.r.Now = i
				t.now[n].Value = t.r.F(t.now[n].Value, s.vals[i])
			}
		}
	}
	return nil
}

// place is the number of the key with that row, -1 if it neither enters nor leaves.
func (t *turn[K, V]) place(r int32) int32 {
	if int(r) >= len(*t.at) {
		return -1
	}
	return (*t.at)[r]
}

// inside are the panes of some groups that neither enter nor leave now.
func (t *turn[K, V]) inside(groups *[row.Groups]bool) []pane {
	return panes{t.ctx.More[0]}.all(func(p place) bool {
		entering := false
		for _, s := range t.sets[t.left:] {
			entering = entering || s.time == p.Time
		}
		return groups[p.Group] && !entering
	})
}

// store writes what the keys have now, removes those that are no longer in the window, and gathers those whose result is another one than before.
func (t *turn[K, V]) store() (keys []K, vals []V) {
	w, out := t.r.w, newOutput(t)
	var all []K
	if w.KeepIf != nil {
		all = t.ctx.State.KeyRows(t.rows, nil).([]K)
	}
	var gone []int32
	kept := 0
	for n := range t.now {
		h, row := t.now[n], t.rows[n]
		shown := true
		if all != nil && (h.Panes > 0 || w.KeepEmpty) {
			t.r.Only = &all[n]
			shown = w.KeepIf(all[n], h.Value)
		}
		if h.Panes == 0 && !(w.KeepEmpty && shown) {
			gone = append(gone, row)
			continue
		}
		if was := &t.was[n]; !shown {
			h.Panes = -h.Panes
		} else if t.fresh[n] || was.Panes < 0 || !w.Same(was.Value, h.Value) {
			out.add(n, row, h.Value)
		}
		t.rows[kept], t.now[kept] = row, h
		kept++
	}
	t.r.Only = nil
	if kept > 0 {
		t.ctx.State.Set(t.rows[:kept], t.now[:kept])
	}
	if len(gone) > 0 {
		t.ctx.State.Delete(gone)
	}
	return out.finish(), out.vals
}

// output are the keys that go out: those that are known, and rows of the state for the others.
type output[K, V any] struct {
	t    *turn[K, V]
	keys []K
	rows []int32
	vals []V
}

func newOutput[K, V any](t *turn[K, V]) *output[K, V] {
	o := &output[K, V]{t: t}
	if !t.quiet {
		o.keys, o.vals = make([]K, 0, len(t.now)), make([]V, 0, len(t.now))
	}
	return o
}

func (o *output[K, V]) add(n int, row int32, v V) {
	switch {
	case o.t.quiet:
		return
	case n < len(o.t.keys):
		o.keys = append(o.keys, o.t.keys[n])
	default:
		o.rows = append(o.rows, row)
	}
	o.vals = append(o.vals, v)
}

func (o *output[K, V]) finish() []K {
	if len(o.rows) == 0 {
		return o.keys
	}
	return o.t.ctx.State.KeyRows(o.rows, o.keys).([]K)
}
