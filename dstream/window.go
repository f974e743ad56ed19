package dstream

import (
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/window"
	"github.com/millrace/millrace/rdd"
)

// span checks the length of a window.
func (j *Job) span(at rdd.Site, w, slide time.Duration) window.Span {
	s, err := window.NewSpan(w, slide)
	if err != nil {
		j.mistakef(at, "%v", err)
	}
	return s
}

// Window gives, at each multiple of slide, all rows of the batches whose time is in (T − w, T], T being the time of this batch: batch by batch, within a
// partition in (source partition, offset) order. Windows at the start hold what there is. The rows are kept under name; a window costs as much as it holds.
// Between the multiples it gives nothing. The final batch closes the window that is open (--finish). Options: CheckpointEvery.
func (s Stream[T]) Window[N Name](name N, w, slide time.Duration, opts ...StateOption) Stream[T] {
	at := rdd.Caller()
	val := s.node().Val
	rows := &window.Rows{Span: s.job.span(at, w, slide), Schema: ops.ValSchema(val)}
	read := func(in []arrow.Record, emit func(rdd.Chunk) error) error { return emitBlocks[T](val, in, emit) }
	return Stream[T]{s.job, rdd.Of[T](s.job.b, s.job.rowWindow(at, "window", string(name), opts, s.node(), val, rows, ops.Repartition[T](val).Inputs, read))}
}

// emitBlocks emits rows without keys.
func emitBlocks[T any](val *row.Codec, in []arrow.Record, emit func(rdd.Chunk) error) error {
	for _, rec := range in {
		vals, err := ops.RowsOf[T](val, rec.Columns())
		if err == nil {
			err = ops.EmitValues(emit, vals)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Window is Stream.Window for rows with keys. The rows of a key come batch by batch, and within a batch in (source partition, offset) order. Options: CheckpointEvery.
func (s Keyed[K, V]) Window[N Name](name N, w, slide time.Duration, opts ...StateOption) Keyed[K, V] {
	at := rdd.Caller()
	key, val := s.node().Key, s.node().Val
	rows := &window.Rows{Span: s.job.span(at, w, slide), Key: key, Schema: ops.PairSchema(key, val)}
	read := func(in []arrow.Record, emit func(rdd.Chunk) error) error {
		for _, rec := range in {
			keys, vals, err := ops.KeyedRowsOf[K, V](key, val, rec)
			if err == nil {
				err = ops.EmitRows(emit, keys, vals)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return keyed[K, V](s.job, s.job.rowWindow(at, "window", string(name), opts, s.node(), val, rows, []rdd.Input{ops.RowInput[K, V](key, val)}, read))
}

// GroupByKeyAndWindow gathers, at each multiple of slide, the values of each key in the batches whose time is in (T − w, T] in one row: keys in order of first
// appearance, batch by batch and within a batch by key group; values batch by batch and in (source partition, offset) order. G follows from the call. A window costs as much as it holds; where one
// value a key is wanted in the end, ReduceByKeyAndWindow costs what changes. Options: CheckpointEvery.
func (s Keyed[K, V]) GroupByKeyAndWindow[G []V](name string, w, slide time.Duration, opts ...StateOption) Keyed[K, G] {
	at := rdd.Caller()
	key, val, out := s.node().Key, s.node().Val, rdd.CodecOf[G](s.job.b, at)
	rows := &window.Rows{Span: s.job.span(at, w, slide), Key: key, Schema: ops.PairSchema(key, val)}
	read := func(in []arrow.Record, emit func(rdd.Chunk) error) error {
		return ops.WithScratch(func(sc *ops.Scratch) error {
			g, err := ops.Group[K, V](key, val, in, sc)
			if err != nil {
				return err
			}
			groups := make([]G, len(g.Keys))
			for i := range groups {
				groups[i] = g.Values(i)
			}
			return ops.EmitRows(emit, g.Keys, groups)
		})
	}
	return keyed[K, G](s.job, s.job.rowWindow(at, "groupByKeyAndWindow", name, opts, s.node(), out, rows, []rdd.Input{ops.RowInput[K, V](key, val)}, read))
}

// rowWindow adds an operator that keeps rows.
func (j *Job) rowWindow(at rdd.Site, op, name string, opts []StateOption, in *rdd.Node, val *row.Codec, rows *window.Rows, inputs []rdd.Input,
	read func([]arrow.Record, func(rdd.Chunk) error) error) *rdd.Node {
	_, place, held := window.Store()
	return j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, Name: name, In: []*rdd.Node{in}, Key: rows.Key, Val: val,
		Wide: &rdd.WideSpec{
			Inputs: inputs, New: func() rdd.Reducer { return rows.New(read) },
			State: true, StateKey: place, StateVal: held, Every: rows.Span.Slide, Reach: rows.Span.Length,
			CheckpointEvery: stateSettings(j, at, name, opts).interval(),
		},
	})
}

// CountByWindow gives, at each multiple of slide, how many rows the batches have whose time is in (T − w, T]: one row, 0 for an empty window.
// Options: CheckpointEvery.
func (s Stream[T]) CountByWindow[N Name](name N, w, slide time.Duration, opts ...StateOption) Stream[int64] {
	at := rdd.Caller()
	val := rdd.CodecOf[int64](s.job.b, at)
	r := single(s.job.span(at, w, slide), val, func(a, b int64) int64 { return a + b })
	r.Inverse = func(a, b int64) int64 { return a - b }
	r.Whole = func(counts []int64) []int64 {
		if len(counts) == 0 {
			return []int64{0}
		}
		return counts
	}
	input := window.SingleInput(val, func(sum []int64, c rdd.Chunk) []int64 {
		if len(sum) == 0 {
			sum = []int64{0}
		}
		sum[0] += int64(c.N)
		return sum
	})
	return Stream[int64]{s.job, rdd.Of[int64](s.job.b, addWindow(s.job, at, "countByWindow", string(name), s.node(), r, input, stateSettings(s.job, at, string(name), opts), ""))}
}

// ReduceByWindow combines, at each multiple of slide, all rows of the batches whose time is in (T − w, T] into one by f, which must be associative: in order of
// (batch, source partition, offset), first within each task, then across tasks. An empty window gives nothing. Options: Inverse, CheckpointEvery.
func (s Stream[T]) ReduceByWindow[F func(a, b T) T](name string, f F, w, slide time.Duration, opts ...WindowOption) Stream[T] {
	at := rdd.Caller()
	s.job.b.Need(at, "ReduceByWindow", f == nil)
	val := s.node().Val
	r := single(s.job.span(at, w, slide), val, f)
	o := windowSettings(s.job, at, name, opts)
	if o.keepEmpty || o.keepIf != nil {
		s.job.mistakef(at, "KeepEmpty and KeepIf belong to ReduceByKeyAndWindow; filter what ReduceByWindow gives")
	}
	r.Inverse = inverse(s.job, at, o, val, f)
	r.Whole = func(vals []T) []T { return vals }
	input := window.SingleInput(val, func(sum []T, c rdd.Chunk) []T {
		for _, v := range c.Vals.([]T) {
			if len(sum) == 0 {
				sum = []T{v}
			} else {
				sum[0] = r.F(sum[0], v)
			}
		}
		return sum
	})
	return Stream[T]{s.job, rdd.Of[T](s.job.b, addWindow(s.job, at, "reduceByWindow", name, s.node(), r, input, o.stateOptions, o.facts()))}
}

// single is the reduction of streams without keys.
func single[V any](span window.Span, val *row.Codec, f func(a, b V) V) *window.Reduction[bool, V] {
	key, where := window.SingleKey()
	return &window.Reduction[bool, V]{Reduction: ops.NewReduction[bool](key, val, f), Span: span, Where: where}
}

// CountByValueAndWindow counts equal rows of the batches whose time is in (T − w, T], at each multiple of slide. Rows are compared as keys
// are (P25). See ReduceByKeyAndWindow for what the table has. Options: CheckpointEvery.
func (s Stream[T]) CountByValueAndWindow[N Name](name N, w, slide time.Duration, opts ...StateOption) Table[T, int64] {
	at := rdd.Caller()
	key, val := rdd.KeyCodecOf[T](s.job.b, at), rdd.CodecOf[int64](s.job.b, at)
	in := s.job.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "keyBySelf", In: []*rdd.Node{s.node()}, Key: key, Val: s.node().Val, Kernel: ops.KeyBySelf})
	r := &window.Reduction[T, int64]{
		Reduction: ops.NewReduction[T](key, val, func(a, b int64) int64 { return a + b }),
		Span:      s.job.span(at, w, slide), Inverse: func(a, b int64) int64 { return a - b },
	}
	return Table[T, int64]{s.job, addWindow(s.job, at, "countByValueAndWindow", string(name), in, r, ops.NewCounting[T](key, val).Input(), stateSettings(s.job, at, string(name), opts), "")}
}

// ReduceByKeyAndWindow combines, at each multiple of slide, the values that each key has in the batches whose time is in (T − w, T] into one by f, which must be
// associative: in order of (batch, source partition, offset), first within each task, then across tasks. The result is a table under name: Changes are the keys
// whose value is another one than at the boundary before: first those with rows that entered, batch by batch, then those that only lost rows, in an order that
// does not depend on anything but layout and rows. All is the whole window, and JoinTable reads it as it was at the last boundary.
//
// A key leaves when no row of the window is its any more; see KeepEmpty. Windows at the start hold what there is. The final batch closes the window that is
// open (--finish). Options: Inverse, KeepEmpty, KeepIf, CheckpointEvery.
func (s Keyed[K, V]) ReduceByKeyAndWindow[F func(a, b V) V](name string, f F, w, slide time.Duration, opts ...WindowOption) Table[K, V] {
	at := rdd.Caller()
	s.job.b.Need(at, "ReduceByKeyAndWindow", f == nil)
	key, val, o := s.node().Key, s.node().Val, windowSettings(s.job, at, name, opts)
	r := &window.Reduction[K, V]{
		Reduction: ops.NewReduction[K](key, val, f), Span: s.job.span(at, w, slide),
		Inverse: inverse(s.job, at, o, val, f), KeepEmpty: o.keepEmpty, KeepIf: keepIf[K, V](s.job, at, o),
	}
	if o.keepEmpty && o.inverse == nil {
		s.job.mistakef(at, "KeepEmpty needs Inverse: without it, a key that has no rows has no value")
	}
	return Table[K, V]{s.job, addWindow(s.job, at, "reduceByKeyAndWindow", name, s.node(), r, r.Input(), o.stateOptions, o.facts())}
}

// addWindow adds an operator that keeps a value for each key.
func addWindow[K, V any](j *Job, at rdd.Site, op, name string, in *rdd.Node, r *window.Reduction[K, V], input rdd.Input, o stateOptions, facts string) *rdd.Node {
	r.State, _ = row.For[window.Held[V]]() // a mistake in V is told by V's own codec
	r.Same = sameness[V](r.Val)
	panes, place, held := window.Store()
	var out *rdd.Node
	r.Quiet = func() bool { return len(out.Out) == 0 }
	key := r.Key
	if r.Whole != nil {
		key = nil
	}
	out = j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, Name: name, In: []*rdd.Node{in}, Key: key, Val: r.Val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{input}, New: r.New, Facts: facts, CheckpointEvery: o.interval(),
			State: true, StateKey: r.Key, StateVal: r.State, View: window.View[V],
			Derive: r.Derive(),
			More:   []rdd.Store{{Name: panes, Key: place, Val: held}}, Every: r.Span.Slide, Reach: r.Span.Length,
		},
	})
	return out
}
