package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Dedup lets the first row of a key pass, and the others only if they are Within or more later than the last that passed. It keeps that one's time until the watermark
// is Within behind it, so a copy of a row never passes: rows so far behind the watermark are late.
type Dedup struct {
	Name   string
	Schema *arrow.Schema
	Time   *expr.Bound
	Shift  int64
	Keys   []*expr.Bound
	Within int64 // µs
	Emit   Emit  // its limits

	Key, State *row.Codec
}

// Prepare derives schemas. The error is about types that may not be keys.
func (d *Dedup) Prepare() (err error) {
	var fields []arrow.Field
	for _, k := range d.Keys {
		fields = append(fields, k.Field())
	}
	if d.Key, err = keyCodec(ownerFields(fields)); err != nil {
		return err
	}
	d.State, err = row.OfSchema(arrow.NewSchema([]arrow.Field{timeField("passed")}, nil))
	return err
}

// Input is the side of the shuffle that deals rows out by key.
func (d *Dedup) Input() task.Input { return RowInput(d.Schema, d.Key, d.Keys) }

// New is a reducer for one task.
func (d *Dedup) New() task.Reducer {
	return &deduper{Dedup: d, time: d.Time.Eval(), keys: evals(d.Keys)}
}

type deduper struct {
	*Dedup
	time *expr.Eval
	keys []*expr.Eval
}

// Reduce passes rows in order, and then forgets keys by the watermark of this batch (P29).
func (r *deduper) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	mark := ctx.Marks[0]
	if ctx.Final {
		mark.After = task.EndOfTime
	}
	err := ops.WithScratch(func(s *ops.Scratch) error { return r.pass(ctx, mark, in[0], s, emit) })
	if err != nil {
		return err
	}
	if gone := ctx.State.Due(mark.After); !fault.Planted("P29-dedup") {
		ctx.State.Delete(gone)
	}
	return r.Emit.limit(ctx, r.Name, ctx.State)
}

// seen are the times of the rows that passed last, by key number.
type seen struct {
	at    []int64
	has   []bool
	fresh []bool // another row passed in this batch
}

func (r *deduper) pass(ctx *task.Context, mark task.Mark, in []arrow.Record, s *ops.Scratch, emit func(task.Chunk) error) error {
	var known seen
	for _, rec := range in {
		b := col.FromRecord(rec)
		s.Keys.Reset()
		r.Key.AppendVecKeys(ownerCols(r.keys, b), nil, &s.Keys)
		idx := s.Numbers(b.N)
		before := s.Dict.Add(&s.Keys, idx)
		r.look(ctx, s, before, &known)
		kept := r.choose(ctx, mark, r.time.Vec(b), idx, &known)
		if len(kept) == 0 {
			continue
		}
		if err := emit(task.Chunk{N: len(kept), Vals: b.Where(kept)}); err != nil {
			return err
		}
	}
	r.store(ctx, s, &known)
	return nil
}

// look finds the times of keys that are new in the dictionary, those from number before on.
func (r *deduper) look(ctx *task.Context, s *ops.Scratch, before int, k *seen) {
	n := s.Dict.Len()
	fresh := make([]int32, 0, n-before)
	for i := before; i < n; i++ {
		fresh = append(fresh, int32(i))
	}
	if len(fresh) == 0 {
		return
	}
	rows := make([]int32, len(fresh))
	sub := &row.Keys{}
	sub.AppendFrom(s.Dict.Keys(), fresh)
	ctx.State.Find(sub, rows)
	k.at, k.has, k.fresh = append(k.at, make([]int64, len(fresh))...), append(k.has, make([]bool, len(fresh))...), append(k.fresh, make([]bool, len(fresh))...)
	there, places := ops.Present(rows)
	if len(there) == 0 {
		return
	}
	for i, at := range ctx.State.GetCols(there).Cols[0].Ints {
		p := before + int(places[i])
		k.at[p], k.has[p] = at, true
	}
}

// choose are the rows that pass.
func (r *deduper) choose(ctx *task.Context, mark task.Mark, times *col.Vec, idx []int32, k *seen) []int32 {
	var kept []int32
	for i, n := range idx {
		at := min(max(times.Ints[i]+r.Shift, -maxTime), maxTime)
		switch {
		case times.IsNull(i) || passed(at, r.Within, mark.Before):
			ctx.Counters.Late++
		case k.has[n] && at < k.at[n]+r.Within:
		default:
			k.at[n], k.has[n], k.fresh[n] = at, true, true
			kept = append(kept, int32(i))
		}
	}
	return kept
}

// store keeps the times of rows that passed now.
func (r *deduper) store(ctx *task.Context, s *ops.Scratch, k *seen) {
	var idx []int32
	var at, due []int64
	for n, fresh := range k.fresh {
		if fresh {
			idx, at, due = append(idx, int32(n)), append(at, k.at[n]), append(due, dueAt(k.at[n]+r.Within))
		}
	}
	if len(idx) == 0 {
		return
	}
	rows, keys := make([]int32, len(idx)), &row.Keys{}
	keys.AppendFrom(s.Dict.Keys(), idx)
	ctx.State.Upsert(keys, rows)
	ctx.State.SetDue(rows, due)
	setCols(ctx.State, r.State, rows, []*col.Vec{intVec(timeType, at)})
}
