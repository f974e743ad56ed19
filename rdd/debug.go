package rdd

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// throughColumns sends n's rows through columns and back, as a shuffle would (P24): code that relies on anything that columns do not
// carry is found by tests with Context.Debug, not by the first second executor.
func throughColumns(n *Node, c Chunk) (Chunk, error) {
	var err error
	out := Chunk{N: c.N}
	if out.Vals, err = rowsThroughColumns(n.Val, c.Vals); err != nil {
		return c, fmt.Errorf("%s %q: round trip of values: %w", n.Op, n.Name, err)
	}
	if n.Key == nil {
		return out, nil
	}
	if out.Keys, err = rowsThroughColumns(n.Key, c.Keys); err != nil {
		return c, fmt.Errorf("%s %q: round trip of keys: %w", n.Op, n.Name, err)
	}
	return out, nil
}

func rowsThroughColumns(c *row.Codec, rows any) (any, error) {
	if b, ok := rows.(*col.Batch); ok {
		return batchThroughColumns(c, b)
	}
	return c.Rows(c.Columns(rows, nil), nil)
}

// batchThroughColumns is b through Arrow's arrays, without columns that nobody reads.
func batchThroughColumns(codec *row.Codec, b *col.Batch) (*col.Batch, error) {
	read := b.Read()
	out := &col.Batch{Schema: b.Schema, N: b.Len(), Cols: make([]*col.Vec, len(b.Cols))}
	if len(read.Cols) == 0 {
		return out, nil
	}
	if read != b {
		var err error
		if codec, err = row.OfSchema(read.Schema); err != nil {
			return nil, err
		}
	}
	cols := read.Arrays(nil)
	if _, err := codec.Rows(cols, nil); err != nil { // the columns are the codec's
		return nil, err
	}
	next := 0
	for i, c := range b.Cols {
		if c != nil {
			out.Cols[i] = col.FromArray(cols[next])
			next++
		}
	}
	return out, nil
}

// unchanged runs f and, with Context.Debug, reports if it changed the rows of from that it was given.
func unchanged(ctx *Context, n, from *Node, in Chunk, f func() error) error {
	if !ctx.Debug {
		return f()
	}
	before := fingerprint(from, in)
	if err := f(); err != nil {
		return err
	}
	if after := fingerprint(from, in); after != before {
		return fmt.Errorf("%s changed the rows that it was given; copy what you change: other operators read the same rows", n.label())
	}
	return nil
}

func fingerprint(n *Node, c Chunk) uint64 {
	if b, ok := c.Vals.(*col.Batch); ok && n.Key == nil {
		return batch.Sum(b.Read().Record())
	}
	schema := row.Pair(n.Key, n.Val)
	var cols []arrow.Array
	if n.Key != nil && c.Keys != nil {
		cols = append(cols, n.Key.Columns(c.Keys, nil)...)
	} else if n.Key != nil {
		schema = row.Pair(nil, n.Val)
	}
	cols = append(cols, n.Val.Columns(c.Vals, nil)...)
	return batch.Sum(array.NewRecord(schema, cols, int64(c.N)))
}
