package dstream

import (
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// InitialState gives an operator states to begin with: a row of from is the state of its key, unless the key has one already, in
// this batch before the operator's own rows; of several rows of a key the first counts. A job that starts without a checkpoint reads
// what the sources of from held at the start before the operator's own sources (P32). Types must be those of the operator's key and state.
func InitialState[K, S any](from Keyed[K, S]) RunningOption {
	return runningOption(func(o *runningOptions) { o.initial = from.node() })
}

// initial is the loading of states to begin with; nil where there are none.
type initial[K, S any] struct {
	node *rdd.Node
	r    *ops.Reduction[K, S]
}

func initialOf[K, S any](j *Job, at rdd.Site, o runningOptions, key, state *row.Codec) *initial[K, S] {
	n := o.initial
	if n == nil || key == nil || state == nil || n.Key == nil || n.Val == nil {
		return nil
	}
	if n.Key.Type() != key.Type() || n.Val.Type() != state.Type() {
		j.mistakef(at, "InitialState has keys of type %s and values of type %s; the operator's keys are %s, its states %s",
			n.Key.Type(), n.Val.Type(), reflect.TypeFor[K](), state.Type())
		return nil
	}
	return &initial[K, S]{node: n, r: ops.NewReduction[K](key, state, func(first, _ S) S { return first })}
}

// extend adds the second input to a node, and returns it.
func (i *initial[K, S]) extend(n *rdd.Node) *rdd.Node {
	if i != nil {
		n.In = append(n.In, i.node)
		n.Wide.Inputs = append(n.Wide.Inputs, i.r.Input())
		if !fault.Planted("P32-initial-late") {
			n.Wide.First = []*rdd.Node{i.node}
		}
	}
	return n
}

// load gives keys that have no state theirs, and hands the rows of the table to set, if that is not nil.
func (i *initial[K, S]) load(ctx *rdd.Context, in [][]arrow.Record, set func(ctx *rdd.Context, rows []int32)) error {
	if i == nil || len(in[1]) == 0 {
		return nil
	}
	return ops.WithScratch(func(s *ops.Scratch) error {
		r := ops.BatchReducer[K, S]{Reduction: i.r}
		k, _, vals, err := r.Combine(in[1], s)
		if err != nil {
			return err
		}
		rows := make([]int32, k.Len())
		ctx.State.Find(k, rows)
		var missing []int32
		for n, at := range rows {
			if at < 0 {
				missing = append(missing, int32(n))
			}
		}
		if len(missing) == 0 {
			return nil
		}
		rows = rows[:len(missing)]
		ctx.State.Upsert(ops.Subset(k, missing), rows)
		ctx.State.Set(rows, ops.Take(vals, missing))
		if set != nil {
			set(ctx, rows)
		}
		return nil
	})
}
