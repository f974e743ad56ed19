package eventwindow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Order is an expression by which rows are put in order: nulls last.
type Order struct {
	By   *expr.Bound
	Desc bool
}

// Top keeps the first N rows of each key and window in an order; of equal rows those that came first. The rows of a window are one value of the state, in the form of a
// block.
type Top struct {
	Aggregation
	By []Order
	N  int

	adds int // columns that results have besides those of rows
}

// Prepare derives schemas: results are rows with their windows, unless they have columns of these names, and their rank.
func (t *Top) Prepare() (err error) {
	for _, k := range t.Keys {
		t.names = append(t.names, k.Field())
	}
	fields := slices.Clone(t.Rows.Fields())
	if len(t.Rows.FieldIndices("window_start"))+len(t.Rows.FieldIndices("window_end")) == 0 {
		fields = append(fields, timeField("window_start"), timeField("window_end"))
	}
	fields = append(fields, arrow.Field{Name: "rank", Type: arrow.PrimitiveTypes.Int64})
	t.adds = len(fields) - t.Rows.NumFields()
	t.Out = arrow.NewSchema(fields, nil)
	if _, err = row.OfSchema(t.Out); err != nil {
		return err
	}
	who := ownerFields(t.names)
	if t.owner, err = keyCodec(who); err != nil {
		return err
	}
	place := append([]arrow.Field{{Name: "_part", Type: arrow.PrimitiveTypes.Uint8}}, who...)
	if t.Key, err = row.OfGroupedSchema(arrow.NewSchema(append(place, timeField("window_start")), nil)); err != nil {
		return err
	}
	t.startAt = len(place)
	t.State, err = row.OfSchema(arrow.NewSchema([]arrow.Field{{Name: "rows", Type: arrow.BinaryTypes.Binary}}, nil))
	return err
}

// AddsWindow tells whether results have columns for windows that rows have not.
func (t *Top) AddsWindow() bool { return t.adds > 1 }

// Input is the side of the shuffle that deals rows out by key.
func (t *Top) Input() task.Input { return RowInput(t.Rows, t.owner, t.Keys) }

// New is a reducer for one task.
func (t *Top) New() task.Reducer {
	r := &topReducer{reducer: reducer{Aggregation: &t.Aggregation, windows: t.Spec.Assigner()}, top: t, keys: evals(t.Keys)}
	if t.Time != nil {
		r.time = t.Time.Eval()
	}
	for _, o := range t.By {
		r.by = append(r.by, o.By.Eval())
	}
	return r
}

// String is the order, for the plan's text.
func (t *Top) String() string {
	var by []string
	for _, o := range t.By {
		text := o.By.Expr().String()
		if o.Desc {
			text += " desc"
		}
		by = append(by, text)
	}
	return fmt.Sprintf("first %d by %s", t.N, strings.Join(by, ", "))
}

type topReducer struct {
	reducer
	top  *Top
	time *expr.Eval
	keys []*expr.Eval
	by   []*expr.Eval
}

// Reduce is that of reducer, for rows.
func (r *topReducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	gone, err := r.turn(ctx, in, r.take, func(show []int32) error { return r.show(ctx, show, emit) })
	if err != nil {
		return err
	}
	return r.finish(ctx, gone)
}

// candidates are rows of a batch by window, in order.
type candidates struct {
	rows [][]int32
	ends []int64
}

func (r *topReducer) take(ctx *task.Context, in []arrow.Record, s *ops.Scratch) (touched, error) {
	rec := batch.Concat(in)
	if rec == nil || rec.NumRows() == 0 {
		return touched{}, nil
	}
	c, err := r.choose(ctx, col.FromRecord(rec), s)
	if err != nil || len(c.ends) == 0 {
		return touched{}, err
	}
	rows := make([]int32, len(c.ends))
	ctx.State.Find(s.Dict.Keys(), rows)
	known, places := ops.Present(rows)
	all := rec
	if len(known) > 0 {
		if all, err = r.withOld(ctx, rec, known, places, &c); err != nil {
			return touched{}, err
		}
	}
	r.first(col.FromRecord(all), c.rows)
	ctx.State.Add(s.Dict.Keys(), rows)
	r.schedule(ctx, rows, places, c.ends)
	blobs := col.New(arrow.BinaryTypes.Binary, len(rows))
	for i, idx := range c.rows {
		var b []byte
		for _, part := range batch.Marshal(batch.Take(all, idx), nil) {
			b = append(b, part...)
		}
		blobs.Texts[i] = string(b)
	}
	setCols(ctx.State, r.State, rows, []*col.Vec{blobs})
	return touched{rows: rows, ends: c.ends}, nil
}

// choose puts rows that are not late into their windows.
func (r *topReducer) choose(ctx *task.Context, b *col.Batch, s *ops.Scratch) (c candidates, err error) {
	var times []int64
	if r.time == nil {
		times = make([]int64, b.N)
		for i := range times {
			times[i] = r.Spec.Time(ctx)
		}
	} else {
		b, times = timed(ctx, b, r.time.Vec(b), r.Shift)
	}
	panes := make([]int64, len(times))
	r.windows.Panes(times, panes)
	var from []int32 // of the rows that count
	var starts, list []int64
	for i, p := range panes {
		list = r.windows.Windows(p, list[:0])
		taken := 0
		for _, w := range list {
			if !passed(r.windows.End(w), r.Emit.Lateness, r.mark.Before) {
				from, starts, taken = append(from, int32(i)), append(starts, w), taken+1
			}
		}
		if taken == 0 && len(list) > 0 {
			ctx.Counters.Late++
		}
	}
	if len(from) == 0 {
		return c, nil
	}
	idx, err := r.number(b, from, starts, s)
	if err != nil {
		return c, err
	}
	for i, n := range idx {
		if int(n) == len(c.rows) {
			c.rows, c.ends = append(c.rows, nil), append(c.ends, r.windows.End(starts[i]))
		}
		row := from[i]
		if b.Sel != nil {
			row = b.Sel[row]
		}
		c.rows[n] = append(c.rows[n], row)
	}
	return c, nil
}

// number numbers the windows of rows.
func (r *topReducer) number(b *col.Batch, from []int32, starts []int64, s *ops.Scratch) ([]int32, error) {
	owners, k := taken(ownerCols(r.keys, b), from), &row.Keys{}
	r.owner.AppendVecKeys(owners, nil, k)
	groups := make([]uint64, len(from))
	for i, h := range k.Hash {
		groups[i] = uint64(row.Group(h))
	}
	s.Keys.Reset()
	cols := append(append([]*col.Vec{uintVec(arrow.PrimitiveTypes.Uint8, groups)}, owners...), intVec(timeType, starts))
	r.Key.AppendVecKeys(cols, nil, &s.Keys)
	idx := make([]int32, len(from))
	s.Dict.Add(&s.Keys, idx)
	return idx, nil
}

// withOld puts the rows that windows have in the state before what came.
func (r *topReducer) withOld(ctx *task.Context, rec arrow.Record, known, places []int32, c *candidates) (arrow.Record, error) {
	recs, at := []arrow.Record{rec}, int32(rec.NumRows())
	olds, err := r.unpack(ctx, known)
	if err != nil {
		return nil, err
	}
	for i, old := range olds {
		n := int32(old.NumRows())
		idx := make([]int32, 0, int(n)+len(c.rows[places[i]]))
		for j := range n {
			idx = append(idx, at+j)
		}
		c.rows[places[i]] = append(idx, c.rows[places[i]]...)
		recs, at = append(recs, old), at+n
	}
	return batch.Concat(recs), nil
}

// unpack are the rows of windows in the state.
func (r *topReducer) unpack(ctx *task.Context, rows []int32) ([]arrow.Record, error) {
	out := make([]arrow.Record, len(rows))
	for i, b := range ctx.State.GetCols(rows).Cols[0].Texts {
		rec, err := batch.Unmarshal(r.Rows, append(batch.Alloc(len(b))[:0], b...))
		if err != nil {
			return nil, fmt.Errorf("rows of a window: %w", err)
		}
		out[i] = rec
	}
	return out, nil
}

// first puts the rows of each window in order and leaves the first N.
func (r *topReducer) first(b *col.Batch, windows [][]int32) {
	by := make([]*col.Vec, len(r.by))
	for i, e := range r.by {
		by[i] = e.Vec(b)
	}
	for w, idx := range windows {
		slices.SortStableFunc(idx, func(x, y int32) int {
			for i, v := range by {
				if c := compare(v, int(x), int(y), r.top.By[i].Desc); c != 0 {
					return c
				}
			}
			return 0
		})
		windows[w] = idx[:min(len(idx), r.top.N)]
	}
}

// compare orders values i and j of v: nulls last.
func compare(v *col.Vec, i, j int, desc bool) int {
	if a, b := v.IsNull(i), v.IsNull(j); a || b {
		switch {
		case a && b:
			return 0
		case a:
			return 1
		}
		return -1
	}
	var c int
	switch v.Kind {
	case col.Bool:
		switch {
		case v.Bools[i] == v.Bools[j]:
		case v.Bools[j]:
			c = -1
		default:
			c = 1
		}
	case col.Int:
		c = cmp.Compare(v.Ints[i], v.Ints[j])
	case col.Uint:
		c = cmp.Compare(v.Uints[i], v.Uints[j])
	case col.Float:
		c = cmp.Compare(v.Floats[i], v.Floats[j])
	case col.Text:
		c = cmp.Compare(v.Texts[i], v.Texts[j])
	case col.Decimal:
		c = v.Decimals[i].Cmp(v.Decimals[j])
	}
	if desc {
		return -c
	}
	return c
}

// show sends the rows of windows on, by window.
func (r *topReducer) show(ctx *task.Context, rows []int32, emit func(task.Chunk) error) error {
	for lo := 0; lo < len(rows); lo += task.ChunkRows {
		part := rows[lo:min(lo+task.ChunkRows, len(rows))]
		recs, err := r.unpack(ctx, part)
		if err != nil {
			return err
		}
		var starts, ends, ranks []int64
		for i, start := range ctx.State.KeyCols(part)[r.startAt].Ints {
			for n := range recs[i].NumRows() {
				starts, ends, ranks = append(starts, start), append(ends, r.windows.End(start)), append(ranks, n+1)
			}
		}
		b := col.FromRecord(batch.Concat(recs))
		cols := slices.Clone(b.Cols)
		if r.top.AddsWindow() {
			cols = append(cols, intVec(timeType, starts), intVec(timeType, ends))
		}
		cols = append(cols, intVec(arrow.PrimitiveTypes.Int64, ranks))
		if err := emit(task.Chunk{N: b.N, Vals: col.Of(r.Out, b.N, cols...)}); err != nil {
			return err
		}
	}
	return nil
}
