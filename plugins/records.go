package plugins

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/row"
)

// SchemaOf is the columns of a Go type, as Rows sees it. The error names the fields that cannot be columns.
func SchemaOf[T any]() (*arrow.Schema, error) {
	codec, err := row.For[T]()
	if err != nil {
		return nil, err
	}
	return codec.Schema(), nil
}

// RecordOf is rows as a record batch of SchemaOf[T]. It shares no memory with them.
func RecordOf[T any](rows []T) (arrow.Record, error) {
	codec, err := row.For[T]()
	if err != nil {
		return nil, err
	}
	return array.NewRecord(codec.Schema(), codec.Columns(rows, nil), int64(len(rows))), nil
}

// RowsOf is record batches as rows of a Go type, whose columns are found as those of Rows are; others are left out. The rows may be kept.
func RowsOf[T any](recs ...arrow.Record) ([]T, error) {
	r, err := newReader[T]()
	if err != nil {
		return nil, err
	}
	var rows []T
	for _, rec := range recs {
		if rec == nil {
			continue
		}
		more, err := r.all(rec)
		if err != nil {
			return nil, err
		}
		if rows == nil {
			rows = more
			continue
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// Fits says why rows of a schema cannot be read as values of T; nil: they can. Sinks check with it what they are given.
func Fits[T any](rows *arrow.Schema) error {
	codec, err := row.For[T]()
	if err != nil {
		return err
	}
	_, err = find(codec, rows)
	return errors.Join(err)
}
