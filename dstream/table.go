package dstream

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// Table is the latest value of each key, kept as state from a stream of changes. In batch t it holds the changes of all
// batches up to and including t. Streams read it with JoinTable and LeftJoinTable.
//
// A job that starts without a checkpoint loads its tables first: the streams that read them wait until what the tables'
// sources held at the start has been read (P32).
type Table[K, V any] struct {
	job  *Job
	node *rdd.Node
}

// Latest keeps the last value of each key as a table, in state under name. Changes count in order of (source partition, offset). Keys are
// never removed: use the function Latest for changelogs, and LatestBy for other streams with removals. Options: CheckpointEvery.
func (s Keyed[K, V]) Latest[N Name](name N, opts ...StateOption) Table[K, V] {
	return latest(s.job, rdd.Caller(), string(name), opts, s.node(), s.node().Key, s.node().Val, func(in rdd.Chunk) ([]K, []V, []bool) {
		return in.Keys.([]K), in.Vals.([]V), nil
	})
}

// LatestBy keeps a table from rows that are changes, in state under name: change gives a row's key, its value and whether the key
// exists from now on; false removes it. Options: CheckpointEvery.
func (s Stream[T]) LatestBy[K comparable, V any](name string, change func(T) (key K, value V, exists bool), opts ...StateOption) Table[K, V] {
	at := rdd.Caller()
	s.job.b.Need(at, "LatestBy", change == nil)
	key, val := rdd.KeyCodecOf[K](s.job.b, at), rdd.CodecOf[V](s.job.b, at)
	return latest(s.job, at, name, opts, s.node(), key, val, func(in rdd.Chunk) ([]K, []V, []bool) {
		rows := in.Vals.([]T)
		keys, vals, gone := make([]K, len(rows)), make([]V, len(rows)), make([]bool, len(rows))
		for i := range rows {
			var exists bool
			keys[i], vals[i], exists = change(rows[i])
			gone[i] = !exists
		}
		return ops.Normal(key, keys), ops.Normal(val, vals), gone
	})
}

// Latest keeps a changelog as a table, in state under name: the last value of each key; deletions remove it. To choose another key than
// the record's, use LatestBy. Options: CheckpointEvery.
func Latest[V any](name string, changes Stream[source.Change[V]], opts ...StateOption) Table[string, V] {
	at, j := rdd.Caller(), changes.job
	key, val := rdd.KeyCodecOf[string](j.b, at), rdd.CodecOf[V](j.b, at)
	return latest(j, at, name, opts, changes.node(), key, val, func(in rdd.Chunk) ([]string, []V, []bool) {
		rows := in.Vals.([]source.Change[V])
		keys, vals, gone := make([]string, len(rows)), make([]V, len(rows)), make([]bool, len(rows))
		for i := range rows {
			keys[i], vals[i], gone[i] = rows[i].Key, rows[i].Value, rows[i].Deleted
		}
		return keys, vals, gone
	})
}

func latest[K, V any](j *Job, at rdd.Site, name string, opts []StateOption, in *rdd.Node, key, val *row.Codec, read func(rdd.Chunk) ([]K, []V, []bool)) Table[K, V] {
	o := stateSettings(j, at, name, opts)
	l := &latestBy[K, V]{key: key, val: val, read: read}
	if key != nil && val != nil {
		l.schema = changeSchema(key, val)
	}
	l.node = j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "latest", Name: name, In: []*rdd.Node{in}, Key: key, Val: val,
		Wide: &rdd.WideSpec{
			Inputs: []rdd.Input{{Schema: l.schema, New: func() rdd.Writer { return &latestWriter[K, V]{latestBy: l} }}},
			New:    func() rdd.Reducer { return &latestReducer[K, V]{l} },
			State:  true, StateKey: key, StateVal: val, CheckpointEvery: o.interval(), Bootstrap: true,
		},
	})
	return Table[K, V]{j, l.node}
}

// changeSchema is the form of changes in blocks: the key's columns, "_deleted", the value's columns.
func changeSchema(key, val *row.Codec) *arrow.Schema {
	pair := row.Pair(key, val).Fields()
	n := key.Schema().NumFields()
	fields := append([]arrow.Field{}, pair[:n]...)
	fields = append(fields, arrow.Field{Name: "_deleted", Type: arrow.FixedWidthTypes.Boolean})
	return arrow.NewSchema(append(fields, pair[n:]...), nil)
}

type latestBy[K, V any] struct {
	key, val *row.Codec
	schema   *arrow.Schema
	read     func(rdd.Chunk) (keys []K, vals []V, gone []bool) // gone is nil where nothing is removed
	node     *rdd.Node
}

// latestWriter sends the last change of each key in a task.
type latestWriter[K, V any] struct {
	*latestBy[K, V]
	last lastChanges[V]
	s    *ops.Scratch
}

// lastChanges are the last changes by the keys' numbers.
type lastChanges[V any] struct {
	vals []V
	gone []bool
}

func (l *lastChanges[V]) put(idx []int32, vals []V, gone func(i int) bool) {
	for i, n := range idx {
		if int(n) == len(l.vals) {
			l.vals, l.gone = append(l.vals, vals[i]), append(l.gone, gone(i))
		} else {
			l.vals[n], l.gone[n] = vals[i], gone(i)
		}
	}
}

// Add keeps the chunk's last change of each key.
func (w *latestWriter[K, V]) Add(_ *rdd.Context, in rdd.Chunk) error {
	if w.s == nil {
		w.s = ops.NewScratch()
	}
	keys, vals, gone := w.read(in)
	idx, _ := w.s.Add(w.key, keys, in.N)
	w.last.put(idx, vals, func(i int) bool { return gone != nil && gone[i] })
	return nil
}

// Flush makes the blocks.
func (w *latestWriter[K, V]) Flush(ctx *rdd.Context) ([]arrow.Record, error) {
	if w.s == nil {
		return make([]arrow.Record, ctx.Layout.Reduce), nil
	}
	flags := boolCodec()
	out, err := ops.Blocks(ctx, w.schema, w.key, w.s.Dict, func(idx []int32) []arrow.Array {
		return append(flags.Columns(w.last.gone, idx), w.val.Columns(w.last.vals, idx)...)
	})
	w.s.Free()
	w.last, w.s = lastChanges[V]{}, nil
	return out, err
}

func boolCodec() *row.Codec {
	c, err := row.For[bool]()
	if err != nil {
		panic(err)
	}
	return c
}

type latestReducer[K, V any] struct{ *latestBy[K, V] }

// Reduce applies the batch's changes to the table and emits those that are not removals, in order of the keys' first appearance.
func (r *latestReducer[K, V]) Reduce(ctx *rdd.Context, in [][]arrow.Record, emit func(rdd.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	return ops.WithScratch(func(s *ops.Scratch) error {
		if len(r.node.Out) == 0 && !r.removes(in[0]) {
			return r.load(ctx, in[0], s)
		}
		return r.apply(ctx, in[0], s, emit)
	})
}

// removes tells whether a key may be removed.
func (r *latestReducer[K, V]) removes(in []arrow.Record) bool {
	for _, rec := range in {
		gone, ok := ops.ValColumns(r.key, rec, 0)[0].(*array.Boolean)
		if !ok || slices.ContainsFunc(gone.Data().Buffers()[1].Bytes(), func(b byte) bool { return b != 0 }) {
			return true
		}
	}
	return false
}

// load is apply where nothing is removed and nobody reads the changes: columns go into the table as they are, block by block. A key is in a block once, and the last block counts.
func (r *latestReducer[K, V]) load(ctx *rdd.Context, in []arrow.Record, s *ops.Scratch) error {
	for _, rec := range in {
		if err := s.Read(r.key, rec); err != nil {
			return err
		}
		rows := s.Numbers(s.Keys.Len())
		ctx.State.Upsert(&s.Keys, rows)
		ctx.State.SetCols(rows, col.FromArrays(r.val.Schema(), ops.ValColumns(r.key, rec, 1)))
	}
	return nil
}

func (r *latestReducer[K, V]) apply(ctx *rdd.Context, in []arrow.Record, s *ops.Scratch, emit func(rdd.Chunk) error) error {
	k, last, err := r.merge(in, s)
	if err != nil {
		return err
	}
	r.remove(ctx, k, last.gone)
	k, vals := r.remaining(k, last)
	rows := make([]int32, k.Len())
	ctx.State.Upsert(k, rows)
	ctx.State.Set(rows, vals)
	if len(r.node.Out) == 0 {
		return nil
	}
	keys, err := ops.KeyRows[K](r.key, k, nil)
	if err != nil {
		return err
	}
	return ops.EmitRows(emit, keys, vals)
}

// merge is the last change of each key of the blocks. The keys are valid until s is used again.
func (r *latestReducer[K, V]) merge(in []arrow.Record, s *ops.Scratch) (k *row.Keys, last lastChanges[V], err error) {
	for _, rec := range in {
		if err := s.Read(r.key, rec); err != nil {
			return nil, last, err
		}
		gone, ok := ops.ValColumns(r.key, rec, 0)[0].(*array.Boolean)
		if !ok {
			return nil, last, fmt.Errorf("the removals of a table are not bool")
		}
		vals, err := ops.RowsOf[V](r.val, ops.ValColumns(r.key, rec, 1))
		if err != nil {
			return nil, last, err
		}
		idx := s.Numbers(s.Keys.Len())
		s.Dict.Add(&s.Keys, idx)
		last.put(idx, vals, gone.Value)
	}
	return s.Dict.Keys(), last, nil
}

func (r *latestReducer[K, V]) remove(ctx *rdd.Context, k *row.Keys, gone []bool) {
	var idx []int32
	for i, g := range gone {
		if g {
			idx = append(idx, int32(i))
		}
	}
	if len(idx) == 0 {
		return
	}
	k = ops.Subset(k, idx)
	rows := make([]int32, k.Len())
	ctx.State.Find(k, rows)
	if known, _ := ops.Present(rows); len(known) > 0 {
		ctx.State.Delete(known)
	}
}

// remaining are the changes that are not removals.
func (r *latestReducer[K, V]) remaining(k *row.Keys, last lastChanges[V]) (*row.Keys, []V) {
	var idx []int32
	for i, g := range last.gone {
		if !g {
			idx = append(idx, int32(i))
		}
	}
	return ops.Subset(k, idx), ops.Take(last.vals, idx)
}

// Changes are the keys that got a value in this batch, with that value, each key once. Removals are not among them.
func (t Table[K, V]) Changes() Keyed[K, V] { return keyed[K, V](t.job, t.node) }
