package join

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// within is a Within at work in one task.
type within struct {
	*Within
	ctx  *task.Context
	mark task.Mark

	emit   func(task.Chunk) error // takes results
	stream func(task.Chunk) error // takes late rows

	keys  *row.Dict // of rows that arrive
	sides [2]pool
}

// pool are the rows of a side that a batch joins: stored ones that may match, then those that arrive.
type pool struct {
	b       *col.Batch
	times   []int64
	numbers []int32 // of their keys; -1: matches nothing
	stored  int     // the first so many wait in the table
	from    []home  // of the stored ones
	touched
}

// home is where a stored row is: its slot, and its flags in the data there.
type home struct {
	slot  int32
	flags int
}

func (r *within) table(side int) *state.Table {
	if side == 0 {
		return r.ctx.State
	}
	return r.ctx.More[0]
}

// arrive takes the rows of the batch.
func (r *within) arrive(in [][]arrow.Record) error {
	return ops.WithScratch(func(s *ops.Scratch) error {
		r.keys = s.Dict
		for side := range r.sides {
			if err := r.take(side, in[side]); err != nil {
				return err
			}
		}
		for side := range r.sides {
			if err := r.find(side); err != nil {
				return err
			}
		}
		p := newPairs(&r.Spec, r.sides[0].b, r.sides[1].b, r.emit)
		if err := r.match(p); err != nil {
			return err
		}
		if r.Kind == Semi {
			if err := p.alone(0, flagged(p.hit[0], true)); err != nil {
				return err
			}
		}
		for side := range r.sides {
			if err := r.keep(side, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// take reads the rows of a side that arrive and are not late, and numbers their keys.
func (r *within) take(side int, in []arrow.Record) (err error) {
	p := &r.sides[side]
	var null []bool
	if p.b, p.times, null, err = r.arrivals(r.ctx, side, r.Time[side], in, r.mark.Before, r.stream); err != nil {
		return err
	}
	p.numbers = numberKeys(r.keys, NewKeys(r.Key, r.Sides[side].Keys), p.b, null)
	return nil
}

// arrivals are the rows of a side that are not late, and their times; null tells which have none. Late rows are counted, and given to emit if somebody reads them.
func (s *Spec) arrivals(ctx *task.Context, side int, t Time, in []arrow.Record, before int64, emit func(task.Chunk) error) (b *col.Batch, times []int64, null []bool, err error) {
	b = gather(s.Sides[side].Schema, in)
	v := b.Cols[t.Column]
	kept, late := make([]int32, 0, b.N), []int32(nil)
	for i := range b.N {
		if v.IsNull(i) || v.Ints[i]+t.Offset >= before {
			kept = append(kept, int32(i))
		} else {
			late = append(late, int32(i))
		}
	}
	if len(late) > 0 {
		ctx.Counters.Late += int64(len(late))
		if err := s.lateRows(side, b, late, emit); err != nil {
			return nil, nil, nil, err
		}
		b = chosen(b, kept)
		v = b.Cols[t.Column]
	}
	times, null = make([]int64, b.N), make([]bool, b.N)
	for i := range times {
		times[i], null[i] = v.Ints[i]+t.Offset, v.IsNull(i)
	}
	return b, times, null, nil
}

// numberKeys numbers the keys of b's rows in d; those with a null in the key, or flagged, are -1.
func numberKeys(d *row.Dict, keys *Keys, b *col.Batch, flagged []bool) []int32 {
	null := keys.Read(b)
	numbers := make([]int32, b.N)
	d.Add(&keys.Keys, numbers)
	for i := range numbers {
		if flagged[i] || null != nil && null[i] {
			numbers[i] = -1
		}
	}
	return numbers
}

// bounds are the lowest and highest of times by key.
type bounds struct{ lo, hi []int64 }

// partners are the times that rows of a side may have to match those of the other that arrive, by key.
func (r *within) partners(side int) bounds {
	n := r.keys.Len()
	b := bounds{make([]int64, n), make([]int64, n)}
	for i := range n {
		b.lo[i], b.hi[i] = math.MaxInt64, math.MinInt64
	}
	o := &r.sides[1-side]
	for i, k := range o.numbers {
		if k >= 0 {
			lo, hi := r.span(1-side, o.times[i])
			b.lo[k], b.hi[k] = min(b.lo[k], lo), max(b.hi[k], hi)
		}
	}
	return b
}

// find reads the places of a side that may hold partners, or where rows that arrive will wait, and puts the stored rows that may match before those that arrive.
func (r *within) find(side int) error {
	p := &r.sides[side]
	p.touched = touched{table: r.table(side), codec: r.Held[side], slots: row.NewDict(len(p.numbers))}
	owner := r.look(side)
	waiting := row.Keys{Grouped: true}
	all := r.keys.Keys()
	waiting.Reserve(len(p.numbers), placeBytes*len(p.numbers)+len(all.Data))
	var buf []byte
	for i, k := range p.numbers {
		if k >= 0 && r.waits(side, p.times[i]) {
			s, _ := spanOf(p.times[i], r.width)
			buf = appendPlace(&waiting, buf, all.Key(int(k)), all.Hash[k], s)
		}
	}
	p.slots.Add(&waiting, make([]int32, waiting.Len()))
	p.load()
	return r.candidates(side, r.partners(side), owner)
}

// look makes slots of the places where partners of rows of the other side that arrive are waiting: by slot, the key's number. Most places are empty.
func (r *within) look(side int) (owner []int32) {
	p, o := &r.sides[side], &r.sides[1-side]
	all := r.keys.Keys()
	places := row.Keys{Grouped: true}
	places.Reserve(3*len(o.numbers), 3*(placeBytes*len(o.numbers)+len(all.Data)))
	var buf []byte
	keys := make([]int32, 0, 3*len(o.numbers)) // of places, by number
	for i, k := range o.numbers {
		if k < 0 {
			continue
		}
		lo, hi := r.span(1-side, o.times[i])
		from, _ := spanOf(lo, r.width)
		until, _ := spanOf(hi, r.width)
		for s := from; s <= until; s++ {
			buf = appendPlace(&places, buf, all.Key(int(k)), all.Hash[k], s)
			keys = append(keys, k)
		}
	}
	rows := make([]int32, places.Len())
	p.table.Find(&places, rows)
	_, found := ops.Present(rows)
	slots := make([]int32, len(found))
	p.slots.Add(ops.Subset(&places, found), slots)
	owner = make([]int32, p.slots.Len())
	for i, s := range slots {
		owner[s] = keys[found[i]]
	}
	return owner
}

// waits tells whether a row of a side that happened at t may have partners in later batches.
func (r *within) waits(side int, t int64) bool { return r.deadline(side, t) > r.mark.After }

// candidates puts the rows of slots that may match before those that arrive. owner are the numbers of the slots' keys.
func (r *within) candidates(side int, look bounds, owner []int32) error {
	p := &r.sides[side]
	var rows [][]byte
	var times, values []int64
	var numbers []int32
	slots := p.slots.Keys()
	for slot, k := range owner {
		base := baseOf(slots.Key(slot), r.width)
		for at := 0; at < len(p.data[slot]); {
			rec, end, err := next(p.data[slot], at)
			if err != nil {
				return err
			}
			at = end
			if t := base + int64(rec.since); t >= look.lo[k] && t <= look.hi[k] {
				rows, times, numbers = append(rows, rec.rest), append(times, t), append(numbers, k)
				values = append(values, t-r.Time[side].Offset)
				p.from = append(p.from, home{int32(slot), rec.flags})
			}
		}
	}
	p.stored = len(rows)
	if len(rows) == 0 {
		return nil
	}
	old, err := r.packers[side].unpack(r.Sides[side].Schema, rows, values)
	if err != nil {
		return err
	}
	p.b, p.times, p.numbers = behind(old, p.b), append(times, p.times...), append(numbers, p.numbers...)
	return nil
}

// match finds the pairs of which one row at least arrives.
func (r *within) match(p *pairs) error {
	l, right := &r.sides[0], &r.sides[1]
	n := r.keys.Len()
	all := r.index(right.numbers, n)
	arrived := all
	if right.stored > 0 {
		only := slices.Clone(right.numbers)
		for i := range right.stored {
			only[i] = -1
		}
		arrived = r.index(only, n)
	}
	for i, k := range l.numbers {
		if k < 0 {
			continue
		}
		rows := all.of(k)
		if i < l.stored {
			rows = arrived.of(k)
		}
		from, until := r.span(0, l.times[i])
		for _, j := range rows[sort.Search(len(rows), func(j int) bool { return right.times[rows[j]] >= from }):] {
			if right.times[j] > until {
				break
			}
			if err := p.add(int32(i), j); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

// index is the right side's rows by key, those of a key by time.
func (r *within) index(numbers []int32, n int) index {
	times := r.sides[1].times
	x := indexOf(numbers, n)
	for k := range n {
		rows := x.of(int32(k))
		byTime := func(a, b int32) int { return cmp.Compare(times[a], times[b]) }
		if !slices.IsSortedFunc(rows, byTime) {
			slices.SortStableFunc(rows, byTime)
		}
	}
	return x
}
