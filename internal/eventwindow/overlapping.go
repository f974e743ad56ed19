package eventwindow

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// Overlapping keeps aggregates of sliding windows of batch time that overlap, if they can take rows back without a loss. At any time only one of the windows is the next
// to close, and it holds all rows that have not left: there is one row of state a key, to which batches are added as they come and from which they are taken when they leave. Beside it
// stand the batches themselves, aggregated, until they leave. A row costs twice, however many windows hold it.
type Overlapping struct {
	ops.Grouping        // its set has RowsColumn last
	Spec         Spec   //
	Name         string // of the operator
	MaxBytes     int64  // of state over all partitions; 0: no limit
}

// RowsColumn is the name of the last aggregate: the number of a key's rows in the window. A key leaves with its last row.
const RowsColumn = "_rows"

// Overlaps tells whether windows may be kept as Overlapping: set is that of their aggregates.
func Overlaps(s Spec, e Emit, set *agg.Set) bool {
	return s.Kind == Sliding && s.Batch && s.Slide < s.Size && s.Size%s.Slide == 0 && s.Offset == 0 && e == Emit{} && set.TakesBack()
}

// OverlappingOut are the columns of results: keys, window_start, window_end, aggregates but for RowsColumn.
func OverlappingOut(keys, results []arrow.Field) *arrow.Schema {
	fields := append(append([]arrow.Field{}, keys...), Bounds()...)
	return arrow.NewSchema(append(fields, results[:len(results)-1]...), nil)
}

// batchPlace is the key of what a batch brought for the keys of one key group.
type batchPlace struct {
	Group row.GroupID
	Time  int64 // of the batch, µs
}

// packedBatch is a record of keys and partial aggregates, as batch.Marshal writes it.
type packedBatch struct{ Data []byte }

var placeCodec, packedCodec = row.Must[batchPlace](), row.Must[packedBatch]()

// Batches is the second table of the operator: the batches in the window.
const Batches = "batches"

// BatchesStore are the codecs of that table.
func BatchesStore() (key, val *row.Codec) { return placeCodec, packedCodec }

// New is a reducer for one task.
func (o *Overlapping) New() task.Reducer { return overlapping{o} }

type overlapping struct{ *Overlapping }

// Reduce takes the batch, and at the end of a window lets leave what is not in it and shows it. The final batch ends the one that is open (P30).
func (r overlapping) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	err := ops.WithScratch(func(s *ops.Scratch) error {
		groups := r.Set.NewGroups()
		if err := r.Merge(in[0], s, groups); err != nil {
			return err
		}
		if s.Dict.Len() == 0 {
			return nil
		}
		if err := r.keep(ctx, s.Dict.Keys(), groups); err != nil {
			return err
		}
		r.add(ctx.State, s.Dict.Keys(), groups)
		return nil
	})
	if err != nil {
		return err
	}
	end := ceil(ctx.Time, r.Spec.Slide)
	if end == ctx.Time || ctx.Final {
		err = r.close(ctx, end, emit)
	}
	if err != nil {
		return err
	}
	return r.limit(ctx)
}

// add puts partial aggregates into the state.
func (r overlapping) add(t *state.Table, k *row.Keys, groups *agg.Groups) {
	rows := make([]int32, k.Len())
	t.Find(k, rows)
	if known, places := ops.Present(rows); len(known) > 0 {
		groups.Merge(t.GetCols(known).Cols, places)
	}
	t.Add(k, rows)
	setCols(t, r.Partial, rows, groups.Partials(nil))
}

// keep stores the batch until it leaves: at the end of the first window that does not hold it.
func (r overlapping) keep(ctx *task.Context, k *row.Keys, groups *agg.Groups) error {
	var byGroup [row.Groups][]int32
	for i, h := range k.Hash {
		g := row.Group(h)
		byGroup[g] = append(byGroup[g], int32(i))
	}
	schema := row.Pair(r.Key, r.Partial)
	var places []batchPlace
	var packed []packedBatch
	for g, idx := range byGroup {
		if len(idx) == 0 {
			continue
		}
		cols, err := r.Key.KeyColumns(k, idx)
		if err != nil {
			return err
		}
		for _, v := range groups.Partials(idx) {
			cols = append(cols, v.ToArray(nil))
		}
		data := bytes.Join(batch.Marshal(array.NewRecord(schema, cols, int64(len(idx))), nil), nil)
		places, packed = append(places, batchPlace{row.GroupID(g), ctx.Time}), append(packed, packedBatch{data})
	}
	var keys row.Keys
	placeCodec.AppendKeys(places, &keys)
	rows, due := make([]int32, len(places)), make([]int64, len(places))
	for i := range due {
		due[i] = ceil(ctx.Time+r.Spec.Size, r.Spec.Slide)
	}
	t := ctx.More[0]
	t.Upsert(&keys, rows)
	t.Set(rows, packed)
	t.SetDue(rows, due)
	return nil
}

// close ends the window up to end.
func (r overlapping) close(ctx *task.Context, end int64, emit func(task.Chunk) error) error {
	if due := ctx.More[0].Due(end); len(due) > 0 {
		for _, p := range ctx.More[0].Get(due, nil).([]packedBatch) {
			if err := r.leave(ctx.State, p.Data); err != nil {
				return fmt.Errorf("a batch that leaves the window: %w", err)
			}
		}
		ctx.More[0].Delete(due)
	}
	return r.show(ctx.State, end, emit)
}

// leave takes a batch out of the state.
func (r overlapping) leave(t *state.Table, data []byte) error {
	rec, err := batch.Unmarshal(row.Pair(r.Key, r.Partial), data)
	if err != nil {
		return err
	}
	k, n := &row.Keys{}, int(rec.NumRows())
	if err := r.Key.AppendKeyColumns(ops.KeyColumns(r.Key, rec), k); err != nil {
		return err
	}
	rows, groups := make([]int32, n), r.Set.NewGroups()
	t.Find(k, rows)
	for _, at := range rows {
		if at < 0 {
			return fmt.Errorf("a key of it is not in the state")
		}
	}
	groups.Merge(t.GetCols(rows).Cols, upTo(n))
	groups.Retract(col.FromArrays(r.Set.Partial(), ops.ValColumns(r.Key, rec, 0)).Cols, upTo(n))
	left := groups.Partials(nil)
	var gone, there, idx []int32
	for i, count := range left[len(left)-1].Ints[:n] {
		if count == 0 {
			gone = append(gone, rows[i])
			continue
		}
		there, idx = append(there, rows[i]), append(idx, int32(i))
	}
	if len(there) > 0 {
		setCols(t, r.Partial, there, taken(left, idx))
	}
	t.Delete(gone)
	return nil
}

// show gives all keys, with the window up to end, in order of their encodings.
func (r overlapping) show(t *state.Table, end int64, emit func(task.Chunk) error) error {
	rows := t.All()
	for lo := 0; lo < len(rows); lo += task.ChunkRows {
		part := rows[lo:min(lo+task.ChunkRows, len(rows))]
		starts, ends := make([]int64, len(part)), make([]int64, len(part))
		for i := range part {
			starts[i], ends[i] = end-r.Spec.Size, end
		}
		var cols []*col.Vec
		if len(r.Keys) > 0 {
			cols = t.KeyCols(part)
		}
		groups := r.Set.NewGroups()
		groups.Merge(t.GetCols(part).Cols, upTo(len(part)))
		results := groups.Results(nil)
		cols = append(append(cols, intVec(timeType, starts), intVec(timeType, ends)), results[:len(results)-1]...)
		if err := emit(task.Chunk{N: len(part), Vals: col.Of(r.Out, len(part), cols...)}); err != nil {
			return err
		}
	}
	return nil
}

// limit holds both tables to the operator's limit.
func (r overlapping) limit(ctx *task.Context) error {
	n := int64(ctx.Layout.Reduce)
	if used := ctx.State.Bytes() + ctx.More[0].Bytes(); r.MaxBytes > 0 && used > r.MaxBytes/n {
		return &ErrState{Name: r.Name, Bytes: used, Rows: int64(ctx.State.Len() + ctx.More[0].Len()), Limit: r.MaxBytes, Partitions: ctx.Layout.Reduce}
	}
	return nil
}
