package ops

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// SubtractByKey gives the rows of the first input whose key is not in the second, in (upstream partition, row) order. Of the second only keys
// are moved, each once a task.
func SubtractByKey[K, V any](key, val *row.Codec) Shuffle {
	r := &subtraction[K, V]{key: key, val: val}
	return Shuffle{
		Inputs: []task.Input{RowInput[K, V](key, val), distinctInput(key, func(in task.Chunk) any { return in.Keys })},
		New:    func() task.Reducer { return r },
	}
}

type subtraction[K, V any] struct{ key, val *row.Codec }

// Reduce emits the rows whose key is not among those of the second input.
func (r *subtraction[K, V]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return WithScratch(func(s *Scratch) error {
		if err := s.Number(r.key, in[1]); err != nil {
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

func (r *subtraction[K, V]) keep(rec arrow.Record, s *Scratch, emit func(task.Chunk) error) error {
	if err := s.Read(r.key, rec); err != nil {
		return err
	}
	numbers := s.Numbers(s.Keys.Len())
	s.Dict.Find(&s.Keys, numbers)
	var idx []int32
	for i, n := range numbers {
		if n < 0 {
			idx = append(idx, int32(i))
		}
	}
	keys, vals, err := KeyedRowsOf[K, V](r.key, r.val, rec)
	if err != nil {
		return err
	}
	return EmitRows(emit, Take(keys, idx), Take(vals, idx))
}
