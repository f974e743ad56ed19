package join

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Latest keeps the last row of each key. Rows with a null in the key do not count.
type Latest struct {
	Side                // what comes in
	Key, Val *row.Codec // of the state: the key's columns, the others
	Columns  []int      // of Val, in Side.Schema
	Exists   *expr.Bound
	Out      *arrow.Schema // of changes: key, value, Diff
	Read     func() bool   // somebody reads the changes
}

// Diff is the column that tells what became of a row of a table: it is there from now on (1), or no more (-1). An update is the old row, then the new one.
const Diff = "_diff"

// DiffField is the column Diff.
var DiffField = arrow.Field{Name: Diff, Type: arrow.PrimitiveTypes.Int8}

// Input sends the last row of each key in a task.
func (l *Latest) Input() task.Input {
	return task.Input{Schema: l.Schema, New: func() task.Writer { return &latestWriter{l: l, keys: NewKeys(l.Key, l.Keys), dict: row.NewDict(0)} }}
}

type latestWriter struct {
	l      *Latest
	keys   *Keys
	dict   *row.Dict
	chunks []*col.Batch
	last   []lastRow // by key: its last row
}

// lastRow is where the last row of a key is.
type lastRow struct{ chunk, row int32 }

// Add keeps the chunk, and which rows are the last of their keys.
func (w *latestWriter) Add(_ *task.Context, in task.Chunk) error {
	b := in.Vals.(*col.Batch).Dense()
	null := w.keys.Read(b)
	numbers := make([]int32, b.N)
	w.dict.Add(&w.keys.Keys, numbers)
	for len(w.last) < w.dict.Len() {
		w.last = append(w.last, lastRow{-1, -1})
	}
	for i, n := range numbers {
		if null == nil || !null[i] {
			w.last[n] = lastRow{int32(len(w.chunks)), int32(i)}
		}
	}
	w.chunks = append(w.chunks, b)
	return nil
}

// Flush makes the blocks: rows in order of the keys' first appearance within a chunk, chunk by chunk.
func (w *latestWriter) Flush(ctx *task.Context) ([]arrow.Record, error) {
	parts := make([][]arrow.Record, ctx.Layout.Reduce)
	rows, hashes := make([][]int32, len(w.chunks)), make([][]uint64, len(w.chunks))
	all := w.dict.Keys()
	for n, at := range w.last {
		if at.chunk >= 0 {
			rows[at.chunk], hashes[at.chunk] = append(rows[at.chunk], at.row), append(hashes[at.chunk], all.Hash[n])
		}
	}
	for c, b := range w.chunks {
		for p, idx := range ops.Parts(ctx.Layout, hashes[c]) {
			if len(idx) > 0 {
				parts[p] = append(parts[p], array.NewRecord(w.l.Schema, b.Arrays(col32(rows[c], idx)), int64(len(idx))))
			}
		}
	}
	w.chunks, w.last, w.dict = nil, nil, row.NewDict(0)
	return ops.Joined(ctx, parts), nil
}

// New makes the reducer of one task.
func (l *Latest) New() task.Reducer { return &latestReducer{l} }

type latestReducer struct{ *Latest }

// Reduce applies the batch's last row of each key to the table, and emits what became of its rows.
func (r *latestReducer) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 {
		return nil
	}
	b := gather(r.Schema, in[0])
	keys := NewKeys(r.Key, r.Keys)
	keys.Read(b)
	dict, numbers := row.NewDict(b.N), make([]int32, b.N)
	dict.Add(&keys.Keys, numbers)
	last := make([]int32, dict.Len())
	for i, n := range numbers {
		last[n] = int32(i)
	}
	here := make([]bool, b.N)
	if r.Exists == nil {
		for i := range here {
			here[i] = true
		}
	} else {
		for _, i := range r.Exists.Eval().Where(b, nil) {
			here[i] = true
		}
	}
	vals := &col.Batch{Schema: r.Val.Schema(), N: b.N}
	for _, c := range r.Columns {
		vals.Cols = append(vals.Cols, b.Cols[c])
	}
	u := &Update{Table: ctx.State, Key: r.Key, Keys: dict.Keys(), Vals: vals.Where(last).Dense()}
	for _, i := range last {
		u.Here = append(u.Here, here[i])
	}
	if r.Read() {
		u.Out, u.Emit = r.Out, emit
	}
	return u.Apply()
}
