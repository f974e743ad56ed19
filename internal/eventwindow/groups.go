package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// setCols stores columns as the values of rows of a table.
func setCols(t *state.Table, c *row.Codec, rows []int32, cols []*col.Vec) {
	t.SetCols(rows, col.Of(c.Schema(), len(rows), cols...))
}

// blocks deals rows of columns out to the reduce partitions of their keys.
func blocks(ctx *task.Context, b *col.Batch, hashes []uint64, parts func(*task.Layout, []uint64) [][]int32) []arrow.Record {
	out := make([]arrow.Record, ctx.Layout.Reduce)
	if b.N == 0 {
		return out
	}
	for p, idx := range parts(ctx.Layout, hashes) {
		if len(idx) > 0 {
			out[p] = array.NewRecord(b.Schema, b.Arrays(idx), int64(len(idx)))
		}
	}
	return out
}

func intVec(t arrow.DataType, vals []int64) *col.Vec {
	return &col.Vec{Type: t, Kind: col.Int, N: len(vals), Ints: vals}
}

func uintVec(t arrow.DataType, vals []uint64) *col.Vec {
	return &col.Vec{Type: t, Kind: col.Uint, N: len(vals), Uints: vals}
}

// taken are columns at idx.
func taken(cols []*col.Vec, idx []int32) []*col.Vec {
	out := make([]*col.Vec, len(cols))
	for i, v := range cols {
		out[i] = v.Take(idx)
	}
	return out
}
