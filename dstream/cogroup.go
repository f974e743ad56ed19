package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// CoGroup gives f(values in s, values in o) for each key that this batch has in s or in o, under that key. Keys come in order of first
// appearance in s, then those that are in o only; values in order of (source partition, offset). The slices are f's own.
func (s Keyed[K, V]) CoGroup[W, U any](o Keyed[K, W], f func([]V, []W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "CoGroup", f == nil)
	return coGroup[K](s.job, at, "coGroup", s.node, o.node, func(vs []V, ws []W, out func(U)) { out(f(vs, ws)) })
}

// coGroup is the node under CoGroup and the joins of this batch: each is called once a key.
func coGroup[K, V, W, U any](j *Job, at site, op string, left, right *rdd.Node, each func(vs []V, ws []W, out func(U))) Keyed[K, U] {
	c := &coGrouping[K, V, W, U]{key: left.Key, left: left.Val, right: right.Val, out: codec[U](j, at), each: each}
	return Keyed[K, U]{j, j.add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, In: []*rdd.Node{left, right}, Key: c.key, Val: c.out,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{rowInput[K, V](c.key, c.left), rowInput[K, W](c.key, c.right)},
			New:    func() rdd.Reducer { return &coGrouper[K, V, W, U]{coGrouping: c} },
		},
	})}
}

type coGrouping[K, V, W, U any] struct {
	key, left, right, out *row.Codec
	each                  func([]V, []W, func(U))
}

type coGrouper[K, V, W, U any] struct {
	*coGrouping[K, V, W, U]
	locator[K]
	emit func(rdd.Chunk) error
	keys []K // of the rows that go out next
	rows []U
	err  error
}

// Reduce calls the function key by key.
func (r *coGrouper[K, V, W, U]) Reduce(_ *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 && len(in[1]) == 0 {
		return nil
	}
	r.emit = emit
	return withScratch(func(s *scratch) error {
		var vs groups[K, V]
		if err := vs.gather(r.key, r.left, in[0], s); err != nil {
			return err
		}
		var ws groups[K, W]
		if err := ws.gather(r.key, r.right, in[1], s); err != nil {
			return err
		}
		return r.run(s.dict.Keys(), &vs, &ws)
	})
}

func (r *coGrouper[K, V, W, U]) run(k *row.Keys, vs *groups[K, V], ws *groups[K, W]) error {
	keys, err := keyRows[K](r.key, k, nil)
	if err != nil {
		return err
	}
	r.at(r.key, k)
	out := func(u U) {
		r.keys, r.rows = append(r.keys, keys[r.now]), append(r.rows, u)
		if len(r.rows) == rdd.ChunkRows {
			r.send()
		}
	}
	for i := range keys {
		r.now = i
		r.each(vs.values(i), ws.values(i), out)
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
		r.err = r.emit(rdd.Chunk{N: len(r.rows), Keys: r.keys, Vals: normal(r.out, r.rows)})
	}
	r.keys, r.rows = nil, nil
}
