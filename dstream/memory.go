package dstream

import (
	"time"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/window"
	"github.com/millrace/millrace/rdd"
)

// Memory is the rows of past batches, as Remember keeps them.
type Memory[T any] struct {
	job  *Job
	node *rdd.Node
	rows *window.Memory
}

// Remember keeps the rows of batches under name, each until a batch comes whose time is d or more after its own, for Memory.Slice.
// Options: CheckpointEvery.
func (s Stream[T]) Remember[N Name](name N, d time.Duration, opts ...StateOption) Memory[T] {
	at := rdd.Caller()
	o := stateSettings(s.job, at, string(name), opts)
	if d < time.Millisecond {
		s.job.mistakef(at, "Remember(%v): at least 1ms", d)
	}
	val := s.node().Val
	m := &window.Memory{Rows: window.Rows{Span: window.Span{Length: d.Microseconds()}, Schema: ops.ValSchema(val)}}
	_, place, held := window.Store()
	return Memory[T]{s.job, s.job.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "remember", Name: string(name), In: []*rdd.Node{s.node()}, Val: val,
		Wide: &rdd.WideSpec{
			Inputs: ops.Repartition[T](val).Inputs, New: m.New, State: true, StateKey: place, StateVal: held, Reach: m.Span.Length, CheckpointEvery: o.interval(),
		},
	}), m}
}

// Slice gives in each batch, empty ones included, the rows of the batches whose time is in (from, until], as f says: in order of (batch, source partition, offset)
// within a partition. This batch is among those that can be chosen; of batches that are no longer remembered there is nothing.
// f depends on its argument alone: the time of the batch. With a fixed interval there is a batch at every tick (P28).
func (m Memory[T]) Slice[F func(batch time.Time) (from, until time.Time)](f F) Stream[T] {
	at := rdd.Caller()
	m.job.b.Need(at, "Slice", f == nil)
	val := m.node.Val
	return Stream[T]{m.job, rdd.Of[T](m.job.b, m.job.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "slice", In: []*rdd.Node{m.node}, Val: val,
		Wide: &rdd.WideSpec{
			Inputs:  []rdd.Input{{Schema: ops.ValSchema(val), New: func() rdd.Writer { return dropper{} }}},
			New:     func() rdd.Reducer { return slicer[T]{val, m.rows, f} },
			Tables:  []*rdd.Node{m.node},
			OnEmpty: true,
		},
	}))}
}

type slicer[T any] struct {
	val  *row.Codec
	rows *window.Memory
	f    func(time.Time) (from, until time.Time)
}

// Reduce emits the partition's share of what was asked for.
func (s slicer[T]) Reduce(ctx *rdd.Context, _ [][]rdd.Record, emit func(rdd.Chunk) error) error {
	from, until := s.f(time.UnixMicro(ctx.Time).UTC())
	recs, err := s.rows.Between(ctx, 0, from.UnixMicro(), until.UnixMicro())
	if err != nil {
		return err
	}
	return emitBlocks[T](s.val, recs, emit)
}
