package rdd

import (
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// EncodingOutlet is an Outlet whose lanes write rows as bytes one by one. Where Context.Encoded is set, its rows are encoded by the tasks that make them, and
// its blocks hold these bytes in place of columns (decision 0037).
type EncodingOutlet interface {
	Outlet
	// Encodes tells whether lanes take rows as bytes.
	Encodes() bool
	// RowEncoder encodes one task's rows of a key (nil: none) and a value for so many lanes. It is asked for where Encodes is true. What it is depends on nothing but the
	// Outlet and the arguments.
	RowEncoder(key, val *row.Codec, lanes int) RowEncoder
}

// RowEncoder encodes the rows of one task. One goroutine at a time. It keeps nothing of what it is given.
type RowEncoder interface {
	// Columns takes the rows of b that count, which have no keys: row i of these goes to lane[i], every row to lane 0 where lane is nil.
	Columns(b *col.Batch, lane []int32) error
	// Record is Columns for rows with or without keys: the key's columns, then the value's.
	Record(rec Record, lane []int32) error
	// Records are the lanes' blocks, nil where there are no rows. Nothing is left behind.
	Records() ([]Record, error)
}
