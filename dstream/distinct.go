package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Distinct gives each different row of a batch once, in order of first appearance. Rows are compared as keys are: their type must be one
// that may be a key (P25).
func (s Stream[T]) Distinct() Stream[T] {
	at := caller()
	c := keyCodec[T](s.job, at)
	return Stream[T]{s.job, s.job.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "distinct", In: []*rdd.Node{s.node}, Val: c,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{distinctInput(c, func(in rdd.Chunk) any { return in.Vals })},
			New:    func() rdd.Reducer { return distinctReducer[T]{c} },
		},
	})}
}

// distinctInput sends the different keys of a task, once each; rows chooses what counts as the key.
func distinctInput(c *row.Codec, rows func(rdd.Chunk) any) rdd.Input {
	return rdd.Input{Schema: valSchema(c), New: func() rdd.Writer { return &distinctWriter{key: c, rows: rows} }}
}

type distinctWriter struct {
	key  *row.Codec
	rows func(rdd.Chunk) any
	s    *scratch
}

// Add notes the chunk's keys.
func (w *distinctWriter) Add(_ *rdd.Context, in rdd.Chunk) error {
	if w.s == nil {
		w.s = newScratch()
	}
	w.s.add(w.key, w.rows(in))
	return nil
}

// Flush makes the blocks.
func (w *distinctWriter) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := blocks(ctx, w.key.Schema(), w.key, w.s.dict, func([]int32) []arrow.Array { return nil })
	w.s.free()
	w.s = nil
	return out, err
}

type distinctReducer[T any] struct{ key *row.Codec }

// Reduce emits the different keys of all tasks.
func (r distinctReducer[T]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return withScratch(func(s *scratch) error {
		if err := s.number(r.key, in[0]); err != nil {
			return err
		}
		rows, err := keyRows[T](r.key, s.dict.Keys(), nil)
		if err != nil {
			return err
		}
		return emitValues(emit, rows)
	})
}

// number adds the keys of blocks to the dictionary.
func (s *scratch) number(key *row.Codec, in []arrow.Record) error {
	for _, rec := range in {
		if err := s.read(key, rec); err != nil {
			return err
		}
		s.dict.Add(&s.keys, s.numbers(s.keys.Len()))
	}
	return nil
}
