package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// old are the partial aggregates of windows that the state has, rows known for the windows at places. Where numbers of rows are kept, they are added to rows.
func (r *reducer) old(ctx *task.Context, known, places []int32, rows []int64) []*col.Vec {
	cols := ctx.State.GetCols(known).Cols
	if r.heads == 0 {
		return cols
	}
	for i, p := range places {
		rows[p] += cols[0].Ints[i]
	}
	return cols[1:]
}

// crossed tells of which windows the number of rows, of which the last ones came now, has passed a multiple of Emit.Rows.
func (r *reducer) crossed(rows, came []int64) []bool {
	if r.Emit.Rows == 0 {
		return nil
	}
	out := make([]bool, len(rows))
	for i, n := range rows {
		out[i] = n/r.Emit.Rows > (n-came[i])/r.Emit.Rows
	}
	return out
}

// counted are partial aggregates as the state keeps them.
func (r *reducer) counted(rows []int64, parts []*col.Vec) []*col.Vec {
	if r.heads == 0 {
		return parts
	}
	return append([]*col.Vec{intVec(arrow.PrimitiveTypes.Int64, rows)}, parts...)
}

// all are, in the final batch, all keys of a global window, by key, if they are not shown on change.
func (r *reducer) all(ctx *task.Context, show []int32) []int32 {
	if !ctx.Final || r.Emit.OnChange {
		return show
	}
	return ctx.State.All()
}
