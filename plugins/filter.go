package plugins

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
)

// Filter is a Map of the rows for which f is true, with all their columns: those that are not In's are neither decoded nor sent to a process, and only numbers of
// rows come back. In is as in Rows.
func Filter[In any](name string, f func(In) bool) Operator {
	return filtering(name, func(rows []In, first int32, from []int32) (int, error) {
		n := 0
		for i, r := range rows {
			from[n] = first + int32(i)
			if f(r) {
				n++
			}
		}
		return n, nil
	})
}

// TryFilter is Filter for functions that may fail, as TryRows is of Rows.
func TryFilter[In any](name string, f func(In) (bool, error)) Operator {
	return filtering(name, func(rows []In, first int32, from []int32) (int, error) {
		n := 0
		for i, r := range rows {
			ok, err := f(r)
			if err != nil {
				return 0, failed(r, err)
			}
			from[n] = first + int32(i)
			if ok {
				n++
			}
		}
		return n, nil
	})
}

// filtering is an operator of a function that writes which rows of a piece stay and says how many.
func filtering[In any](name string, f func(rows []In, first int32, from []int32) (int, error)) Operator {
	return Operator{Name: name, Map: func(config []byte) (Map, error) {
		in, err := newReader[In]()
		if err := errors.Join(plain(config), err); err != nil {
			return nil, err
		}
		return &typedFilter[In]{in, f}, nil
	}}
}

type typedFilter[In any] struct {
	in *reader[In]
	f  func([]In, int32, []int32) (int, error)
}

func (m *typedFilter[In]) Declare(in *arrow.Schema) (Declaration, error) {
	at, err := find(m.in.codec, in)
	if err != nil {
		return Declaration{}, err
	}
	d := Declaration{Output: in, Reads: ascending(at), Keeps: make([]int, in.NumFields())}
	for i := range d.Keeps {
		d.Keeps[i] = i
	}
	return d, nil
}

func (m *typedFilter[In]) Process(ctx context.Context, _ Batch, in arrow.Record) (Result, error) {
	from, n := make([]int32, in.NumRows()), 0
	err := eachPiece(ctx, m.in, in, func(rows []In, first int) error {
		more, err := m.f(rows, int32(first), from[n:])
		n += more
		return err
	})
	switch {
	case err != nil:
		return Result{}, err
	case n == len(from): // all of them: nothing needs to be said
		return Result{N: n}, nil
	}
	return Result{N: n, From: from[:n]}, nil
}
