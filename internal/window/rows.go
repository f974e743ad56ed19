package window

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// minRows is how many rows without keys make a pane of their own: they are dealt out to the partition's key groups, so that they move with these
// when the layout changes.
const minRows = 512

// Rows keeps the rows of the batches in a window, as they came in blocks. Its panes are in the node's first table.
type Rows struct {
	Span   Span
	Key    *row.Codec    // nil for streams without keys: rows with keys are kept with their key's group
	Schema *arrow.Schema // of the blocks
}

// New makes a reducer that emits, at each boundary, what read makes of the window's blocks: batch by batch, those of a batch by key group, and the rows of a
// key in the order in which they came.
func (w *Rows) New(read func(in []arrow.Record, emit func(task.Chunk) error) error) task.Reducer {
	return &rowReducer{w, read}
}

type rowReducer struct {
	w    *Rows
	read func([]arrow.Record, func(task.Chunk) error) error
}

// Reduce keeps the batch's rows, and emits the window at a boundary.
func (r *rowReducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	p, end, span := panes{ctx.State}, r.w.Span.end(ctx), r.w.Span
	if !span.missed(ctx.Time) {
		if err := r.w.keep(ctx, p, in[0], span.leaves(ctx.Time)); err != nil {
			return err
		}
	}
	if end == 0 {
		return nil
	}
	p.remove(p.due(end))
	list := p.all(func(place) bool { return true })
	if ctx.Final && end != ctx.Time && !waiting(list, end-span.Slide) {
		return nil // the last boundary has shown everything
	}
	recs, err := r.w.records(list)
	if err != nil {
		return err
	}
	return r.read(recs, emit)
}

// waiting tells whether there are rows behind the last boundary.
func waiting(list []pane, last int64) bool { return len(list) > 0 && list[len(list)-1].Time > last }

// keep keeps the blocks of a batch until a time.
func (w *Rows) keep(ctx *task.Context, p panes, in []arrow.Record, until int64) error {
	rec := batch.Concat(in)
	if rec == nil || rec.NumRows() == 0 {
		return nil
	}
	var parts []int32
	if w.Key == nil {
		parts = dealt(ctx, int(rec.NumRows()))
	} else {
		var k row.Keys
		if err := w.Key.AppendKeyColumns(ops.KeyColumns(w.Key, rec), &k); err != nil {
			return err
		}
		parts = make([]int32, k.Len())
		for i, h := range k.Hash {
			parts[i] = int32(row.Group(h))
		}
	}
	blobs := &[row.Groups][]byte{}
	for g, some := range batch.Split(rec, parts, row.Groups) {
		if some == nil {
			continue
		}
		for _, b := range batch.Marshal(some, nil) {
			blobs[g] = append(blobs[g], b...)
		}
	}
	p.put(ctx.Time, until, true, blobs)
	return nil
}

// dealt are the key groups of rows without keys: runs of them, one behind the other.
func dealt(ctx *task.Context, rows int) []int32 {
	from, until := ctx.Layout.GroupsOf(ctx.Partition)
	run := max((rows+until-from-1)/(until-from), minRows)
	groups := make([]int32, rows)
	for i := range groups {
		groups[i] = int32(from + i/run)
	}
	return groups
}

// records reads panes.
func (w *Rows) records(list []pane) ([]arrow.Record, error) {
	recs := make([]arrow.Record, 0, len(list))
	for i := range list {
		rec, err := batch.Unmarshal(w.Schema, list[i].Data)
		if err != nil {
			return nil, fmt.Errorf("rows of the batch at %d µs: %w", list[i].Time, err)
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// Between are the blocks of batches whose time is in (from, until], of a table that such a reducer keeps.
func (w *Rows) Between(ctx *task.Context, table int, from, until int64) ([]arrow.Record, error) {
	return w.records(panes{ctx.Tables[table]}.all(func(p place) bool { return p.Time > from && p.Time <= until }))
}
