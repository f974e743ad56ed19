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
	if b, ok := c.Vals.(*col.Batch); ok {
		cols := n.Val.Columns(b, nil)
		if _, err := n.Val.Rows(cols, nil); err != nil { // the columns are those of the node
			return c, fmt.Errorf("%s %q: columns: %w", n.Op, n.Name, err)
		}
		out.Vals = col.FromArrays(n.Val.Schema(), cols)
	} else if out.Vals, err = n.Val.Rows(n.Val.Columns(c.Vals, nil), nil); err != nil {
		return c, fmt.Errorf("%s %q: round trip of values: %w", n.Op, n.Name, err)
	}
	if n.Key == nil {
		return out, nil
	}
	if out.Keys, err = n.Key.Rows(n.Key.Columns(c.Keys, nil), nil); err != nil {
		return c, fmt.Errorf("%s %q: round trip of keys: %w", n.Op, n.Name, err)
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
		return fmt.Errorf("%s %q (%s) changed the rows that it was given; copy what you change: other operators read the same rows", n.Op, n.Name, n.Site)
	}
	return nil
}

func fingerprint(n *Node, c Chunk) uint64 {
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
