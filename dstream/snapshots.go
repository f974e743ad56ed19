package dstream

import (
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// Snapshots are all keys with their states in each batch, empty ones included, of the operator that keeps state directly before it:
// RunningCount, RunningReduce or Stateful. Keys come in order of their encodings. A batch costs as much as all keys together.
func (s Keyed[K, V]) Snapshots[S any]() Keyed[K, S] {
	at, n := rdd.Caller(), s.node()
	if n.Kind != rdd.Wide || !n.Wide.State {
		s.job.mistakef(at, "Snapshots belongs directly behind an operator that keeps state; %s keeps none", n.Op)
	} else if c := stateCodec(n); c != nil && c.Type() != reflect.TypeFor[S]() {
		s.job.mistakef(at, "Snapshots[%s]: the states of %s %q are %s", reflect.TypeFor[S](), n.Op, n.Name, c.Type())
	}
	return snapshots[K, S](s.job, at, n)
}

// All is the whole table in each batch, empty ones included, in order of the keys' encodings. A batch costs as much as all keys together; Changes
// costs what changes. The table of a window is given at its boundaries only, and in the final batch.
func (t Table[K, V]) All() Keyed[K, V] { return snapshots[K, V](t.job, rdd.Caller(), t.node) }

func snapshots[K, S any](j *Job, at rdd.Site, of *rdd.Node) Keyed[K, S] {
	val := rdd.CodecOf[S](j.b, at)
	spec := &rdd.WideSpec{
		Inputs: []rdd.Input{{Schema: ops.ValSchema(of.Key), New: func() rdd.Writer { return dropper{} }}},
		New:    func() rdd.Reducer { return snapshooter{of} },
		Tables: []*rdd.Node{of},
	}
	if of.Wide != nil && of.Wide.Every > 0 {
		spec.Every = of.Wide.Every
	} else {
		spec.OnEmpty = true
	}
	return keyed[K, S](j, j.b.Add(at, &rdd.Node{Kind: rdd.Wide, Op: "snapshots", In: []*rdd.Node{of}, Key: of.Key, Val: val, Wide: spec}))
}

// stateCodec is the codec of the states of a node as their readers see them.
func stateCodec(n *rdd.Node) *row.Codec {
	if n.Wide.View != nil {
		return n.Val
	}
	return n.Wide.StateVal
}

// seen are the values of rows of a node's table: those of rows that are hidden are left out of both.
func seen(n *rdd.Node, table *state.Table, rows []int32) (kept []int32, values any) {
	states := table.Get(rows, nil)
	if n.Wide.View == nil {
		return rows, states
	}
	values, hidden := n.Wide.View(states)
	if hidden == nil {
		return rows, values
	}
	for i, r := range rows {
		if !hidden[i] {
			kept = append(kept, r)
		}
	}
	values, _ = n.Wide.View(table.Get(kept, nil))
	return kept, values
}

// dropper sends nothing: what is read is the table.
type dropper struct{}

// Add forgets the chunk.
func (dropper) Add(*rdd.Context, rdd.Chunk) error { return nil }

// Flush makes no blocks.
func (dropper) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	return make([]arrow.Record, ctx.Layout.Reduce), nil
}

type snapshooter struct{ of *rdd.Node }

// Reduce emits the partition's table.
func (s snapshooter) Reduce(ctx *rdd.Context, _ [][]arrow.Record, emit func(rdd.Chunk) error) error {
	table := ctx.Tables[0]
	rows := table.All()
	for lo := 0; lo < len(rows); lo += rdd.ChunkRows {
		part, vals := seen(s.of, table, rows[lo:min(lo+rdd.ChunkRows, len(rows))])
		if len(part) == 0 {
			continue
		}
		out := rdd.Chunk{N: len(part), Keys: table.KeyRows(part, nil), Vals: vals}
		if err := emit(out); err != nil {
			return err
		}
	}
	return nil
}
