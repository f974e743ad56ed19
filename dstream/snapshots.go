package dstream

import (
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// Snapshots are all keys with their states in each batch, empty ones included, of the operator that keeps state directly before it:
// RunningCount, RunningReduce or Stateful. Keys come in order of their encodings. A batch costs as much as all keys together.
func (s Keyed[K, V]) Snapshots[S any]() Keyed[K, S] {
	at, n := rdd.Caller(), s.node()
	if n.Kind != rdd.Wide || !n.Wide.State {
		s.job.mistakef(at, "Snapshots belongs directly behind an operator that keeps state; %s keeps none", n.Op)
	} else if c := n.Wide.StateVal; c != nil && c.Type() != reflect.TypeFor[S]() {
		s.job.mistakef(at, "Snapshots[%s]: the states of %s %q are %s", reflect.TypeFor[S](), n.Op, n.Name, c.Type())
	}
	return snapshots[K, S](s.job, at, n)
}

// All is the whole table in each batch, empty ones included, in order of the keys' encodings. A batch costs as much as all keys together; Changes
// costs what changes.
func (t Table[K, V]) All() Keyed[K, V] { return snapshots[K, V](t.job, rdd.Caller(), t.node) }

func snapshots[K, S any](j *Job, at rdd.Site, of *rdd.Node) Keyed[K, S] {
	val := rdd.CodecOf[S](j.b, at)
	return keyed[K, S](j, j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "snapshots", In: []*rdd.Node{of}, Key: of.Key, Val: val,
		Wide: &rdd.WideSpec{
			Inputs:  []rdd.Input{{Schema: ops.ValSchema(of.Key), New: func() rdd.Writer { return dropper{} }}},
			New:     func() rdd.Reducer { return snapshooter{} },
			Tables:  []*rdd.Node{of},
			OnEmpty: true,
		},
	}))
}

// dropper sends nothing: what is read is the table.
type dropper struct{}

// Add forgets the chunk.
func (dropper) Add(*rdd.Context, rdd.Chunk) error { return nil }

// Flush makes no blocks.
func (dropper) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	return make([]arrow.Record, ctx.Layout.Reduce), nil
}

type snapshooter struct{}

// Reduce emits the partition's table.
func (snapshooter) Reduce(ctx *rdd.Context, _ [][]arrow.Record, emit func(rdd.Chunk) error) error {
	table := ctx.Tables[0]
	rows := table.All()
	for lo := 0; lo < len(rows); lo += rdd.ChunkRows {
		part := rows[lo:min(lo+rdd.ChunkRows, len(rows))]
		out := rdd.Chunk{N: len(part), Keys: table.KeyRows(part, nil), Vals: table.Get(part, nil)}
		if err := emit(out); err != nil {
			return err
		}
	}
	return nil
}
