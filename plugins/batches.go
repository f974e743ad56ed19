package plugins

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"
)

// Batches is a Map of whole record batches, for those who compute with columns. declare says what the schema of process's results is for a schema of the input, or why such rows cannot be
// taken; it is called while the job is built and gives the same everywhere. process gives the rows that a record batch becomes; nil is none. How rows are
// cut into record batches means nothing, and must decide nothing. The record batch that process is given is valid until it returns.
//
// All columns are read and computed; who keeps columns implements Map.
func Batches(name string, declare func(in *arrow.Schema) (*arrow.Schema, error), process func(ctx context.Context, b Batch, in arrow.Record) (arrow.Record, error)) Operator {
	return Operator{Name: name, Map: func(config []byte) (Map, error) {
		if err := plain(config); err != nil {
			return nil, err
		}
		return batches{declare, process}, nil
	}}
}

type batches struct {
	declare func(*arrow.Schema) (*arrow.Schema, error)
	process func(context.Context, Batch, arrow.Record) (arrow.Record, error)
}

func (m batches) Declare(in *arrow.Schema) (Declaration, error) {
	out, err := m.declare(in)
	return Declaration{Output: out}, err
}

func (m batches) Process(ctx context.Context, b Batch, in arrow.Record) (Result, error) {
	out, err := m.process(ctx, b, in)
	if err != nil || out == nil {
		return Result{}, err
	}
	return Result{N: int(out.NumRows()), Rec: out}, nil
}
