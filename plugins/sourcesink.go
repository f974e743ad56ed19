package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
)

// TypedSource is a Source of Go values: from an offset on, a partition gives the same rows whenever and by whomever it is read. Read may be called for several partitions at once.
type TypedSource[T any] interface {
	// Partitions is as in Source.
	Partitions(ctx context.Context) ([]Partition, error)
	// Read gives rows of p from offset from on, about limit bytes of them, and waits for the first. Its error is io.EOF once p is complete.
	Read(ctx context.Context, p Partition, from int64, limit int) (Page[T], error)
}

// Page is rows that were read.
type Page[T any] struct {
	Rows    []T
	Offsets []int64 // ascending, one a row; nil: from the one that was asked for on, without gaps
	Next    int64   // where to read on; 0: behind the last row
	End     int64   // last known end of the partition, -1 if unknown
}

// SourceOf is an operator that reads. The columns of its rows are those of T, as in Rows.
func SourceOf[T any](name string, s TypedSource[T]) Operator {
	return Operator{Name: name, Source: func(config []byte) (Source, error) {
		codec, err := row.For[T]()
		if err := errors.Join(plain(config), err); err != nil {
			return nil, err
		}
		return typedSource[T]{s, codec}, nil
	}}
}

type typedSource[T any] struct {
	TypedSource[T]
	codec *row.Codec
}

func (s typedSource[T]) Schema() (*arrow.Schema, error) { return s.codec.Schema(), nil }

func (s typedSource[T]) Read(ctx context.Context, p Partition, from int64, limit int) (Fetched, error) {
	page, err := s.TypedSource.Read(ctx, p, from, limit)
	if err != nil {
		return Fetched{}, err
	}
	out := Fetched{Offsets: page.Offsets, Next: page.Next, End: page.End}
	if n := len(page.Rows); n > 0 {
		if out.Offsets == nil {
			out.Offsets = make([]int64, n)
			for i := range out.Offsets {
				out.Offsets[i] = from + int64(i)
			}
		}
		if len(out.Offsets) != n {
			return Fetched{}, fmt.Errorf("partition %s: %d rows with %d offsets", p.Key, n, len(out.Offsets))
		}
		if out.Next == 0 {
			out.Next = out.Offsets[n-1] + 1
		}
		if out.Rec, err = RecordOf(page.Rows); err != nil {
			return Fetched{}, err
		}
	}
	out.Next = max(out.Next, from)
	return out, nil
}

// ListSource is a TypedSource of rows that are there already: a partition a list, under its number. It is complete, for tests and small tables.
type ListSource[T any] [][]T

// Partitions are the lists.
func (l ListSource[T]) Partitions(context.Context) ([]Partition, error) {
	parts := make([]Partition, len(l))
	for i, rows := range l {
		parts[i] = Partition{Key: strconv.Itoa(i), End: int64(len(rows))}
	}
	return parts, nil
}

// Read gives rows by their numbers.
func (l ListSource[T]) Read(_ context.Context, p Partition, from int64, limit int) (Page[T], error) {
	i, err := strconv.Atoi(p.Key)
	if err != nil || i < 0 || i >= len(l) {
		return Page[T]{}, fmt.Errorf("there is no partition %q", p.Key)
	}
	if from >= int64(len(l[i])) {
		return Page[T]{}, io.EOF
	}
	n := min(int64(len(l[i]))-from, int64(max(1, limit/64)))
	return Page[T]{Rows: l[i][from : from+n], End: int64(len(l[i]))}, nil
}

// TypedSink is a Sink of Go values.
type TypedSink[T any] interface {
	// Lane is as in Sink. What it gives is published through TypedLane.
	Lane(ctx context.Context, n, lanes int, o Owner) (TypedLane[T], error)
}

// TypedLane is a Lane of Go values, with the contract of Lane.
type TypedLane[T any] interface {
	// Marker is as in Lane.
	Marker() []byte
	// Stage is as in Lane. The rows may be kept.
	Stage(ctx context.Context, b Batch, rows []T) error
	// Publish is as in Lane.
	Publish(ctx context.Context, b Batch, marker []byte) error
	// Flush is as in Lane.
	Flush(ctx context.Context) error
	Close() error
}

// SinkOf is an operator that writes rows of a Go type. Rows with columns that T does not have are refused: they would be lost.
func SinkOf[T any](name string, s TypedSink[T]) Operator {
	return Operator{Name: name, Sink: func(config []byte) (Sink, error) {
		codec, err := row.For[T]()
		if err := errors.Join(plain(config), err); err != nil {
			return nil, err
		}
		return typedSink[T]{s, codec}, nil
	}}
}

type typedSink[T any] struct {
	s     TypedSink[T]
	codec *row.Codec
}

func (s typedSink[T]) Check(rows *arrow.Schema, _ int) error {
	errs := []error{Fits[T](rows)}
	names := namesOf(s.codec.Schema())
	for _, f := range rows.Fields() {
		if !slices.Contains(names, f.Name) {
			errs = append(errs, fmt.Errorf("column %q is not written; leave it out with Select", f.Name))
		}
	}
	return errors.Join(errs...)
}

func (s typedSink[T]) Lane(ctx context.Context, n, lanes int, o Owner) (Lane, error) {
	l, err := s.s.Lane(ctx, n, lanes, o)
	if err != nil {
		return nil, err
	}
	return typedLane[T]{l}, nil
}

type typedLane[T any] struct{ TypedLane[T] }

func (l typedLane[T]) Stage(ctx context.Context, b Batch, recs []arrow.Record) error {
	rows, err := RowsOf[T](recs...)
	if err != nil {
		return err
	}
	return l.TypedLane.Stage(ctx, b, rows)
}
