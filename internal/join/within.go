package join

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Within joins rows of two streams whose event times are near each other, whatever batches they come in. A row of the right side at time R matches one of the
// left at time L if L − Before <= R <= L + After.
//
// Rows wait for partners in two tables, one a side, by key and span of time. Let W be the lower of the two watermarks. In batch t rows behind the W of t−1
// are late: counted, and given as late rows if somebody reads these. All others of t are joined with those that wait and with each other. Then the W of t decides: what no row from W on can
// match goes, and if it has had no partner and the kind of join shows such rows, it goes out (P29).
type Within struct {
	Spec
	Limit
	Before, After int64 // µs
	Time          [2]Time
	Held          [2]*row.Codec // of the tables' values

	width   int64 // of spans
	packers [2]*packer
}

// Time is where rows have their event time: a column of timestamps, plus an offset in µs.
type Time struct {
	Column int
	Offset int64
}

// PlaceCodec is the codec of the keys of both tables.
func PlaceCodec() *row.Codec { return placeCodec }

// Prepare fills what follows from the bounds and schemas. Those of Spec must be prepared.
func (w *Within) Prepare() error {
	// A row meets at most three spans, and rows wait at most one span longer than they have to.
	for w.width = 1; w.width < (w.Before+w.After)/2; w.width *= 2 {
	}
	for i := range w.Sides {
		p, err := newPacker(w.Sides[i].Schema, w.Time[i].Column)
		if err != nil {
			return err
		}
		w.packers[i] = p
		w.Held[i] = heldCodec(fmt.Sprintf("%s %d, %d of %s", w.Kind, w.width, w.Time[i], row.FieldsText(w.Sides[i].Schema.Fields())))
	}
	return nil
}

// Inputs are both sides as inputs of a shuffle.
func (w *Within) Inputs() []task.Input {
	return []task.Input{w.Sides[0].Input(w.Key, w.Kind.Lonely(0)), w.Sides[1].Input(w.Key, w.Kind.Lonely(1))}
}

// New makes the reducer of one task. Its first table is the left side's, the first of the others the right side's.
func (w *Within) New() task.Reducer { return &within{Within: w} }

// reach is how far ahead of a row of a side partners may be.
func (w *Within) reach(side int) int64 {
	if side == 0 {
		return w.After
	}
	return w.Before
}

// deadline is the watermark at which nothing can match a row of a side any more that happened at t.
func (w *Within) deadline(side int, t int64) int64 { return later(later(t, w.reach(side)), 1) }

// dueAt is a watermark as a due time of a table. 0 is none there: it is looked a little earlier, and in vain.
func dueAt(watermark int64) int64 {
	if watermark == 0 {
		return -1
	}
	return watermark
}

// span is the times of partners of a row of a side that happened at t.
func (w *Within) span(side int, t int64) (from, until int64) {
	return later(t, -w.reach(1-side)), later(t, w.reach(side))
}

// later is t + d, which stays within what a time can be.
func later(t, d int64) int64 {
	switch sum := t + d; {
	case d > 0 && sum < t:
		return math.MaxInt64
	case d < 0 && sum > t:
		return math.MinInt64
	default:
		return sum
	}
}

// Mark is the watermark of an operator: the lowest of its inputs'.
func Mark(ctx *task.Context) task.Mark {
	if len(ctx.Marks) == 0 {
		return task.Mark{Before: task.NoTime, After: task.NoTime}
	}
	m := ctx.Marks[0]
	for _, o := range ctx.Marks[1:] {
		m.Before, m.After = min(m.Before, o.Before), min(m.After, o.After)
		if fault.Planted("P29-join-highest") {
			m.After = max(m.After, o.After)
		}
	}
	if fault.Planted("P29-join-late") {
		m.Before = m.After
	}
	return m
}

// Reduce joins what the batch brought with what waits, and lets go what waited long enough.
func (r *within) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	r.ctx, r.mark, r.emit, r.stream = ctx, Mark(ctx), r.results(emit), emit
	if len(in[0]) > 0 || len(in[1]) > 0 {
		if err := r.arrive(in); err != nil {
			return err
		}
	}
	for side := range r.Sides {
		if err := r.expire(side); err != nil {
			return err
		}
	}
	return r.check(ctx)
}
