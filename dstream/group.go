package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// GroupByKey gathers the values of each key in this batch in one row: keys in order of first appearance, values in order of (source
// partition, offset). G follows from the call. All values are moved; where one value a key is wanted in the end, ReduceByKey and
// AggregateByKey move less.
func (s Keyed[K, V]) GroupByKey[G []V]() Keyed[K, G] {
	at := caller()
	g := &grouper[K, V]{key: s.node.Key, val: s.node.Val}
	g.emit = func(values *groups[K, V], emit func(rdd.Chunk) error) error {
		out := make([]G, len(values.keys))
		for i := range out {
			out[i] = values.values(i)
		}
		return emitRows(emit, values.keys, out)
	}
	return Keyed[K, G]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "groupByKey", In: []*rdd.Node{s.node}, Key: g.key, Val: codec[G](s.job, at),
		Wide: &rdd.WideSpec{Inputs: []rdd.Input{rowInput[K, V](g.key, g.val)}, New: func() rdd.Reducer { return g }},
	})}
}

type grouper[K, V any] struct {
	key, val *row.Codec
	emit     func(*groups[K, V], func(rdd.Chunk) error) error
}

// Reduce emits one row a key.
func (r *grouper[K, V]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return withScratch(func(s *scratch) error {
		g, err := group[K, V](r.key, r.val, in[0], s)
		if err != nil {
			return err
		}
		return r.emit(g, emit)
	})
}
