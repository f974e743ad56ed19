package ops

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Distinct gives each different row once, in order of first appearance. Rows are compared by their encodings as keys.
func Distinct[T any](val *row.Codec) Shuffle {
	return Shuffle{
		Inputs: []task.Input{distinctInput(val, func(in task.Chunk) any { return in.Vals })},
		New:    func() task.Reducer { return distinctReducer[T]{val} },
	}
}

// distinctInput sends the different keys of a task, once each; rows chooses what counts as the key.
func distinctInput(c *row.Codec, rows func(task.Chunk) any) task.Input {
	return task.Input{Schema: ValSchema(c), New: func() task.Writer { return &distinctWriter{key: c, rows: rows} }}
}

type distinctWriter struct {
	key  *row.Codec
	rows func(task.Chunk) any
	s    *Scratch
}

// Add notes the chunk's keys.
func (w *distinctWriter) Add(_ *task.Context, in task.Chunk) error {
	if w.s == nil {
		w.s = NewScratch()
	}
	w.s.Add(w.key, w.rows(in), in.N)
	return nil
}

// Flush makes the blocks.
func (w *distinctWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	out, err := Blocks(ctx, w.key.Schema(), w.key, w.s.Dict, func([]int32) []arrow.Array { return nil })
	w.s.Free()
	w.s = nil
	return out, err
}

type distinctReducer[T any] struct{ key *row.Codec }

// Reduce emits the different keys of all tasks.
func (r distinctReducer[T]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return WithScratch(func(s *Scratch) error {
		if err := s.Number(r.key, in[0]); err != nil {
			return err
		}
		rows, err := KeyRows[T](r.key, s.Dict.Keys(), nil)
		if err != nil {
			return err
		}
		return EmitValues(emit, rows)
	})
}

// Number adds the keys of blocks to the dictionary.
func (s *Scratch) Number(key *row.Codec, in []arrow.Record) error {
	for _, rec := range in {
		if err := s.NumberBlock(key, rec, s.Numbers(int(rec.NumRows()))); err != nil {
			return err
		}
	}
	return nil
}
