package dstream

import (
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Timed is a Keyed stream that can be joined by event time, see TimedBy. It is a value.
type Timed[K, V any] struct {
	s  Keyed[K, V]
	at func(V) time.Time
}

// TimedBy says when what a value tells of happened, for a join by event time. It is what EventTime was told, which the stream needs before, at its source: that moves the watermark, this says to the join
// which time a row has, whatever became of the row on its way. Rows for which it is the zero time match nothing.
func (s Keyed[K, V]) TimedBy[F func(V) time.Time](at F) Timed[K, V] {
	s.job.b.Need(rdd.Caller(), "TimedBy", at == nil)
	return Timed[K, V]{s, at}
}

// JoinWithin gives f(v, w) under the key for each row of t and row of o that have the same key and happened near each other, whatever batches they come in: Frame.JoinWithin with Go values, to
// which rows are brought as columns and back. MaxJoinState is the only option.
func (t Timed[K, V]) JoinWithin[W, U any](name string, o Timed[K, W], bound Bound, f func(V, W) U, opts ...JoinOption) Keyed[K, U] {
	at := rdd.Caller()
	t.s.job.b.Need(at, "JoinWithin", f == nil)
	joined, ok := within(at, name, t, o, bound, InnerJoin, opts)
	return met(t, o, joined, ok, always(f))
}

// LeftJoinWithin is JoinWithin that also gives f(v, nil) for each row of t without a partner, in the batch in which the watermark makes sure that none can come.
func (t Timed[K, V]) LeftJoinWithin[W, U any](name string, o Timed[K, W], bound Bound, f func(V, *W) U, opts ...JoinOption) Keyed[K, U] {
	at := rdd.Caller()
	t.s.job.b.Need(at, "LeftJoinWithin", f == nil)
	joined, ok := within(at, name, t, o, bound, LeftJoin, opts)
	return met(t, o, joined, ok, f)
}

// JoinAsOf gives f(v, w) under the key for each row of t and the row of versions that was valid when it happened: Frame.JoinAsOf with Go values, to which rows are brought as columns and
// back. Rows before the first version are left out. MaxJoinState is the only option.
func (t Timed[K, V]) JoinAsOf[W, U any](name string, versions Timed[K, W], f func(V, W) U, opts ...JoinOption) Keyed[K, U] {
	at := rdd.Caller()
	t.s.job.b.Need(at, "JoinAsOf", f == nil)
	joined, ok := asOf(at, name, t, versions, InnerJoin, opts)
	return met(t, versions, joined, ok, always(f))
}

// LeftJoinAsOf is JoinAsOf that also gives f(v, nil) for each row of t before the first version.
func (t Timed[K, V]) LeftJoinAsOf[W, U any](name string, versions Timed[K, W], f func(V, *W) U, opts ...JoinOption) Keyed[K, U] {
	at := rdd.Caller()
	t.s.job.b.Need(at, "LeftJoinAsOf", f == nil)
	joined, ok := asOf(at, name, t, versions, LeftJoin, opts)
	return met(t, versions, joined, ok, f)
}

// always is f for pairs alone.
func always[V, W, U any](f func(V, W) U) func(V, *W) U { return func(v V, w *W) U { return f(v, *w) } }

// within is the join of two streams as columns; ok is false after a mistake.
func within[K, V, W any](at rdd.Site, name string, t Timed[K, V], o Timed[K, W], bound Bound, kind JoinKind, opts []JoinOption) (f Frame, ok bool) {
	on, l, r, ok := sidesOf(at, "joinWithin", t, o, opts)
	if !ok {
		return f, false
	}
	return l.JoinWithin(name, r, bound, slices.Concat(opts, []JoinOption{On(on...), kind})...), true
}

// asOf is the as-of join of two streams as columns; ok is false after a mistake.
func asOf[K, V, W any](at rdd.Site, name string, t Timed[K, V], o Timed[K, W], kind JoinKind, opts []JoinOption) (f Frame, ok bool) {
	on, l, r, ok := sidesOf(at, "joinAsOf", t, o, opts)
	if !ok {
		return f, false
	}
	return l.JoinAsOf(name, r, slices.Concat(opts, []JoinOption{On(on...), kind})...), true
}

// sidesOf are both streams as columns, and the names of those of the key.
func sidesOf[K, V, W any](at rdd.Site, op string, t Timed[K, V], o Timed[K, W], opts []JoinOption) (on []string, l, r Frame, ok bool) {
	if s := rdd.JoinSettingsOf(opts); len(s.On)+len(s.If) > 0 || s.Suffix != "" || s.Kind != 0 {
		t.s.job.mistakef(at, "%s: of values, the only option is MaxJoinState; kinds are methods, and other conditions belong into functions", op)
		return nil, l, r, false
	}
	if t.s.node().Key == nil || t.s.node().Val == nil || o.s.node().Val == nil || t.at == nil || o.at == nil {
		return nil, l, r, false // a mistake was reported
	}
	for i := range t.s.node().Key.Schema().NumFields() {
		on = append(on, keyColumn(i))
	}
	return on, columns(at, t, "left"), columns(at, o, "right"), true
}

func keyColumn(i int) string { return fmt.Sprintf("key %d", i) }

// columns are t's rows as columns: of the key, the time, and the value.
func columns[K, V any](at rdd.Site, t Timed[K, V], side string) Frame {
	j, in := t.s.job, t.s.node()
	var fields []arrow.Field
	for i, f := range in.Key.Schema().Fields() {
		f.Name = keyColumn(i)
		fields = append(fields, f)
	}
	fields = append(fields, arrow.Field{Name: side + " time", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true})
	for i, f := range in.Val.Schema().Fields() {
		f.Name = fmt.Sprintf("%s %d", side, i)
		fields = append(fields, f)
	}
	val := rdd.FrameCodec(j.b, at, arrow.NewSchema(fields, nil))
	n := j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "columns", In: []*rdd.Node{in}, Val: val, Kernel: func() rdd.Kernel {
		return ops.KernelFunc(func(_ *rdd.Context, c rdd.Chunk) (rdd.Chunk, error) {
			vals := c.Vals.([]V)
			times := col.New(fields[in.Key.Schema().NumFields()].Type, c.N)
			for i, v := range vals {
				when := t.at(v)
				if times.Ints[i] = when.UnixMicro(); when.IsZero() {
					times.SetNull(i)
				}
			}
			b := &col.Batch{Schema: val.Schema(), N: c.N, Cols: in.Key.Batch(c.Keys, nil, nil).Cols}
			b.Cols = append(append(b.Cols, times), in.Val.Batch(vals, nil, nil).Cols...)
			return rdd.Chunk{N: c.N, Vals: b}, nil
		})
	}})
	return Frame{j, rdd.FrameOf(j.b, n).Timed(side+" time", 0)}
}

// met are the rows of a join of columns as keys, and what f makes of the values, the right one nil where there is none.
func met[K, V, W, U any](t Timed[K, V], o Timed[K, W], joined Frame, ok bool, f func(V, *W) U) Keyed[K, U] {
	j, key, left, right := t.s.job, t.s.node().Key, t.s.node().Val, o.s.node().Val
	at := rdd.Caller()
	out := rdd.CodecOf[U](j.b, at)
	n := &rdd.Node{Kind: rdd.Narrow, Op: "values", In: []*rdd.Node{t.s.node()}, Key: key, Val: out, Kernel: ops.Pass}
	if !ok {
		return keyed[K, U](j, j.b.Add(at, n))
	}
	n.In[0] = joined.node()
	n.Kernel = func() rdd.Kernel {
		return ops.KernelFunc(func(_ *rdd.Context, c rdd.Chunk) (rdd.Chunk, error) {
			b := c.Vals.(*col.Batch).Dense()
			rest := b.Cols[key.Schema().NumFields():]
			lefts := left.FromBatch(part(left, b.N, rest[1:])).([]V)
			rest = rest[1+left.Schema().NumFields():]
			var here []int32 // rows with a partner, whose time is never null
			for i := range b.N {
				if !rest[0].IsNull(i) {
					here = append(here, int32(i))
				}
			}
			rights := right.FromBatch(part(right, b.N, rest[1:]).Where(here).Dense()).([]W)
			us, next := make([]U, b.N), 0
			for i, v := range lefts {
				var w *W
				if next < len(here) && int(here[next]) == i {
					w = &rights[next]
					next++
				}
				us[i] = f(v, w)
			}
			return rdd.Chunk{N: b.N, Keys: key.FromBatch(part(key, b.N, b.Cols)), Vals: ops.Normal(out, us)}, nil
		})
	}
	return keyed[K, U](j, j.b.Add(at, n))
}

// part is the first of some columns as a codec's.
func part(c *row.Codec, n int, cols []*col.Vec) *col.Batch {
	return &col.Batch{Schema: c.Schema(), N: n, Cols: cols[:c.Schema().NumFields()]}
}
