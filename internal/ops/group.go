package ops

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// GroupByKey gathers the values of each key in one row: keys in order of first appearance, values in order of (block, row).
func GroupByKey[K, V any, G []V](key, val *row.Codec) Shuffle {
	g := &grouper[K, V, G]{key: key, val: val}
	return Shuffle{Inputs: []task.Input{RowInput[K, V](key, val)}, New: func() task.Reducer { return g }}
}

type grouper[K, V any, G []V] struct{ key, val *row.Codec }

// Reduce emits one row a key.
func (r *grouper[K, V, G]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return WithScratch(func(s *Scratch) error {
		g, err := Group[K, V](r.key, r.val, in[0], s)
		if err != nil {
			return err
		}
		out := make([]G, len(g.Keys))
		for i := range out {
			out[i] = g.Values(i)
		}
		return EmitRows(emit, g.Keys, out)
	})
}

// Groups are rows gathered by key.
type Groups[K, V any] struct {
	Encoded *row.Keys // of Keys; valid until the scratch is used again
	Keys    []K
	vals    []V
	ends    []int32 // the values of key i are vals[ends[i-1]:ends[i]]
}

// Values are the values of key i, none for a key that came later than the groups. The user may keep them.
func (g *Groups[K, V]) Values(i int) []V {
	if i >= len(g.ends) {
		return nil
	}
	lo := int32(0)
	if i > 0 {
		lo = g.ends[i-1]
	}
	return g.vals[lo:g.ends[i]:g.ends[i]]
}

// Group gathers blocks by key: keys in order of first appearance, values in order of (block, row). It uses s up.
func Group[K, V any](key, val *row.Codec, in []arrow.Record, s *Scratch) (*Groups[K, V], error) {
	g := &Groups[K, V]{}
	if err := g.Gather(key, val, in, s); err != nil {
		return nil, err
	}
	g.Encoded = s.Dict.Keys()
	var err error
	g.Keys, err = KeyRows[K](key, g.Encoded, nil)
	return g, err
}

// Gather fills the values only; keys that s knows already keep their numbers.
func (g *Groups[K, V]) Gather(key, val *row.Codec, in []arrow.Record, s *Scratch) error {
	var numbers []int32 // of each row's key
	var all []V
	for _, rec := range in {
		if err := s.Read(key, rec); err != nil {
			return err
		}
		idx := s.Numbers(s.Keys.Len())
		s.Dict.Add(&s.Keys, idx)
		numbers = append(numbers, idx...)
		vals, err := RowsOf[V](val, ValColumns(key, rec, 0))
		if err != nil {
			return err
		}
		if all == nil {
			all = vals
			continue
		}
		all = append(all, vals...)
	}
	g.vals, g.ends = make([]V, len(all)), make([]int32, s.Dict.Len())
	for _, n := range numbers {
		g.ends[n]++
	}
	sum := int32(0)
	for i, n := range g.ends {
		g.ends[i] = sum // for now: where the key's next value goes
		sum += n
	}
	for i, n := range numbers {
		g.vals[g.ends[n]] = all[i]
		g.ends[n]++
	}
	return nil
}
