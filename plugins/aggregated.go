package plugins

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
)

// Aggregated is an Aggregate: for each key it adds rows to zero before the shuffle, merges what came of them behind it, and finishes. In, P and Out are as In and Out of Rows; P travels as
// columns. add and merge may change neither what zero refers to nor rows.
//
// Results must not depend on where rows are: merge(add…(zero), add…(zero)) must be what adding all rows to one zero gives, but for the rounding of floats, whose sums are always made in the
// same order.
func Aggregated[In, P, Out any](name string, zero P, add func(P, In) P, merge func(a, b P) P, finish func(P) Out) Operator {
	return Operator{Name: name, Aggregate: func(config []byte) (Aggregate, error) {
		in, inErr := newReader[In]()
		partial, partialErr := newReader[P]()
		out, outErr := row.For[Out]()
		if err := errors.Join(plain(config), inErr, partialErr, outErr); err != nil {
			return nil, err
		}
		return &typedAggregate[In, P, Out]{in, partial, out, zero, add, merge, finish}, nil
	}}
}

type typedAggregate[In, P, Out any] struct {
	in      *reader[In]
	partial *reader[P]
	out     *row.Codec
	zero    P
	add     func(P, In) P
	merge   func(a, b P) P
	finish  func(P) Out
}

func (a *typedAggregate[In, P, Out]) Schemas(_, in *arrow.Schema) (partial, out *arrow.Schema, err error) {
	_, err = find(a.in.codec, in)
	return a.partial.codec.Schema(), a.out.Schema(), err
}

func (a *typedAggregate[In, P, Out]) Partial(ctx context.Context, _ Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	sums, err := combined(ctx, a.zero, a.in, in, of, keys, a.add)
	if err != nil {
		return nil, err
	}
	return RecordOf(sums)
}

func (a *typedAggregate[In, P, Out]) Merge(ctx context.Context, _ Batch, partials arrow.Record, of []int32, keys int) (arrow.Record, error) {
	sums, err := combined(ctx, a.zero, a.partial, partials, of, keys, a.merge)
	if err != nil {
		return nil, err
	}
	out := make([]Out, keys)
	for i, p := range sums {
		out[i] = a.finish(p)
	}
	return RecordOf(out)
}

// combined are the rows of each key, combined in order.
func combined[T, P any](ctx context.Context, zero P, r *reader[T], rec arrow.Record, of []int32, keys int, add func(P, T) P) ([]P, error) {
	sums := make([]P, keys)
	for i := range sums {
		sums[i] = zero
	}
	if rec == nil || rec.NumRows() == 0 {
		return sums, nil
	}
	err := eachPiece(ctx, r, rec, func(rows []T, first int) error {
		for i, k := range of[first : first+len(rows)] {
			sums[k] = add(sums[k], rows[i])
		}
		return nil
	})
	return sums, err
}
