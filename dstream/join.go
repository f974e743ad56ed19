package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// JoinTable gives f(row, table's value) for each row whose key the table holds in this batch, under the same key. Other rows are left out.
func (s Keyed[K, V]) JoinTable[W, U any](t Table[K, W], f func(V, W) U) Keyed[K, U] {
	at := rdd.Caller()
	s.job.b.Need(at, "JoinTable", f == nil)
	return joinTable[K, V, W, U](s.job, at, "joinTable", s.node(), t.node, func(j *tableJoin[K, V, W, U]) { j.inner = f })
}

// LeftJoinTable gives f(row, table's value) for each row, under the same key; the value is nil where the table does not hold the key.
func (s Keyed[K, V]) LeftJoinTable[W, U any](t Table[K, W], f func(V, *W) U) Keyed[K, U] {
	at := rdd.Caller()
	s.job.b.Need(at, "LeftJoinTable", f == nil)
	return joinTable[K, V, W, U](s.job, at, "leftJoinTable", s.node(), t.node, func(j *tableJoin[K, V, W, U]) { j.left = f })
}

func joinTable[K, V, W, U any](job *Job, at rdd.Site, op string, in, table *rdd.Node, how func(*tableJoin[K, V, W, U])) Keyed[K, U] {
	j := &tableJoin[K, V, W, U]{key: in.Key, val: in.Val, out: rdd.CodecOf[U](job.b, at), table: table}
	how(j)
	return keyed[K, U](job, job.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, In: []*rdd.Node{in}, Key: j.key, Val: j.out,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{ops.RowInput[K, V](j.key, j.val)},
			New:    func() rdd.Reducer { return &tableJoiner[K, V, W, U]{tableJoin: j} },
			Tables: []*rdd.Node{table},
		},
	}))
}

// tableJoin is one of inner and left.
type tableJoin[K, V, W, U any] struct {
	key, val, out *row.Codec
	table         *rdd.Node
	inner         func(V, W) U
	left          func(V, *W) U
}

type tableJoiner[K, V, W, U any] struct {
	*tableJoin[K, V, W, U]
	ops.Locator[K]
}

// Reduce joins the blocks chunk by chunk, in order.
func (r *tableJoiner[K, V, W, U]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	return ops.WithScratch(func(s *ops.Scratch) error {
		for _, rec := range in[0] {
			for lo := int64(0); lo < rec.NumRows(); lo += rdd.ChunkRows {
				out, err := r.join(ctx, rec.NewSlice(lo, min(lo+rdd.ChunkRows, rec.NumRows())), s)
				if err != nil {
					return err
				}
				if err := emit(out); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (r *tableJoiner[K, V, W, U]) join(ctx *rdd.Context, rec arrow.Record, s *ops.Scratch) (out rdd.Chunk, err error) {
	if err := s.Read(r.key, rec); err != nil {
		return out, err
	}
	keys, vals, err := ops.KeyedRowsOf[K, V](r.key, r.val, rec)
	if err != nil {
		return out, err
	}
	rows := s.Numbers(len(keys))
	ctx.Tables[0].Find(&s.Keys, rows)
	r.hide(ctx.Tables[0], rows)
	known, places := ops.Present(rows)
	_, values := seen(r.table, ctx.Tables[0], known)
	found := values.([]W)
	r.Through(r.key, &s.Keys)
	if r.left != nil {
		return rdd.Chunk{N: len(keys), Keys: keys, Vals: ops.Normal(r.out, r.leftRows(vals, rows, found))}, nil
	}
	us := make([]U, len(places))
	for i, place := range places {
		r.Now = int(place)
		us[i] = r.inner(vals[place], found[i])
	}
	return rdd.Chunk{N: len(us), Keys: ops.Take(keys, places), Vals: ops.Normal(r.out, us)}, nil
}

// hide makes rows -1 that the table's readers are not to see.
func (j *tableJoin[K, V, W, U]) hide(table *state.Table, rows []int32) {
	if j.table.Wide.View == nil {
		return
	}
	known, places := ops.Present(rows)
	_, hidden := j.table.Wide.View(table.Get(known, nil))
	for i, h := range hidden {
		if h {
			rows[places[i]] = -1
		}
	}
}

func (r *tableJoiner[K, V, W, U]) leftRows(vals []V, rows []int32, found []W) []U {
	us := make([]U, len(vals))
	next := 0
	for i := range vals {
		r.Now = i
		var w *W
		if rows[i] >= 0 {
			w = &found[next]
			next++
		}
		us[i] = r.left(vals[i], w)
	}
	return us
}
