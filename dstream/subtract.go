package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// SubtractByKey gives the rows of s whose key this batch has not in o, in (upstream partition, row) order. Of o only keys are moved, each once a task.
func (s Keyed[K, V]) SubtractByKey[W any](o Keyed[K, W]) Keyed[K, V] {
	at := caller()
	r := &subtraction[K, V]{key: s.node.Key, val: s.node.Val}
	return Keyed[K, V]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "subtractByKey", In: []*rdd.Node{s.node, o.node}, Key: r.key, Val: r.val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{rowInput[K, V](r.key, r.val), distinctInput(r.key, func(in rdd.Chunk) any { return in.Keys })},
			New:    func() rdd.Reducer { return r },
		},
	})}
}

type subtraction[K, V any] struct{ key, val *row.Codec }

// Reduce emits the rows whose key is not among those of the second input.
func (r *subtraction[K, V]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return withScratch(func(s *scratch) error {
		if err := s.number(r.key, in[1]); err != nil {
			return err
		}
		for _, rec := range in[0] {
			if err := r.keep(rec, s, emit); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *subtraction[K, V]) keep(rec arrow.Record, s *scratch, emit func(rdd.Chunk) error) error {
	if err := s.read(r.key, rec); err != nil {
		return err
	}
	numbers := s.numbers(s.keys.Len())
	s.dict.Find(&s.keys, numbers)
	var idx []int32
	for i, n := range numbers {
		if n < 0 {
			idx = append(idx, int32(i))
		}
	}
	keys, err := rowsOf[K](r.key, keyColumns(r.key, rec))
	if err != nil {
		return err
	}
	vals, err := rowsOf[V](r.val, valColumns(r.key, rec, 0))
	if err != nil {
		return err
	}
	return emitRows(emit, take(keys, idx), take(vals, idx))
}
