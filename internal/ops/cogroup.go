package ops

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// CoGroup calls each(values of the first input, values of the second, out) for each key of either: keys in order of first appearance in
// the first input, then those that are in the second only; values in order of (block, row). What goes to out goes out under the key.
func CoGroup[K, V, W, U any](key, left, right, out *row.Codec, each func(vs []V, ws []W, out func(U))) Shuffle {
	c := &coGrouping[K, V, W, U]{key: key, left: left, right: right, out: out, each: each}
	return Shuffle{
		Inputs: []task.Input{RowInput[K, V](key, left), RowInput[K, W](key, right)},
		New:    func() task.Reducer { return &coGrouper[K, V, W, U]{coGrouping: c} },
	}
}

type coGrouping[K, V, W, U any] struct {
	key, left, right, out *row.Codec
	each                  func([]V, []W, func(U))
}

type coGrouper[K, V, W, U any] struct {
	*coGrouping[K, V, W, U]
	Locator[K]
	emit func(task.Chunk) error
	keys []K // of the rows that go out next
	rows []U
	err  error
}

// Reduce calls the function key by key.
func (r *coGrouper[K, V, W, U]) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 && len(in[1]) == 0 {
		return nil
	}
	r.emit = emit
	return WithScratch(func(s *Scratch) error {
		var vs Groups[K, V]
		if err := vs.Gather(r.key, r.left, in[0], s); err != nil {
			return err
		}
		var ws Groups[K, W]
		if err := ws.Gather(r.key, r.right, in[1], s); err != nil {
			return err
		}
		return r.run(s.Dict.Keys(), &vs, &ws)
	})
}

func (r *coGrouper[K, V, W, U]) run(k *row.Keys, vs *Groups[K, V], ws *Groups[K, W]) error {
	keys, err := KeyRows[K](r.key, k, nil)
	if err != nil {
		return err
	}
	r.Through(r.key, k)
	out := func(u U) {
		r.keys, r.rows = append(r.keys, keys[r.Now]), append(r.rows, u)
		if len(r.rows) == task.ChunkRows {
			r.send()
		}
	}
	for i := range keys {
		r.Now = i
		r.each(vs.Values(i), ws.Values(i), out)
		if r.err != nil {
			return r.err
		}
	}
	r.send()
	return r.err
}

// send lets the rows go that have come together; a join of two frequent keys never holds all of its rows.
func (r *coGrouper[K, V, W, U]) send() {
	if r.err == nil && len(r.rows) > 0 {
		r.err = r.emit(task.Chunk{N: len(r.rows), Keys: r.keys, Vals: Normal(r.out, r.rows)})
	}
	r.keys, r.rows = nil, nil
}
