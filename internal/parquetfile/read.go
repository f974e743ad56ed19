package parquetfile

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"github.com/millrace/millrace/internal/guess"
)

// Read is the rows of a Parquet file under the given schema: its columns are found by name, others are left out. A value that loses nothing is converted: integers of any width that hold it,
// timestamps of any unit (nanoseconds are cut to microseconds) and dates. The errors are a file that is none, a column that is not there or is a list or struct,
// a column of a type that does not fit, a value that does not fit, and a null where there may be none, each with the column, the type in the file and the row.
func Read(data []byte, want *arrow.Schema) (rec arrow.Record, err error) {
	defer func() {
		if cause := recover(); cause != nil { // the reader panics on some damaged files
			rec, err = nil, fmt.Errorf("damaged: %v", cause)
		}
	}()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cols := make([]arrow.Array, want.NumFields())
	for i, f := range want.Fields() {
		if cols[i], err = column(r, f); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	return array.NewRecord(want, cols, r.NumRows()), nil
}

// column reads one column.
func column(r *file.Reader, f arrow.Field) (arrow.Array, error) {
	at, err := find(r.MetaData().Schema, f.Name)
	if err != nil {
		return nil, err
	}
	desc := r.MetaData().Schema.Column(at)
	v, err := read(r, at, desc)
	if err != nil {
		return nil, err
	}
	if !f.Nullable {
		for i, n := range v.null {
			if n {
				return nil, fmt.Errorf("row %d is null, and rows must have a value there; take a pointer for the field", i+1)
			}
		}
	}
	b := array.NewBuilder(memory.DefaultAllocator, f.Type)
	defer b.Release()
	if err := v.into(b); err != nil {
		return nil, err
	}
	return b.NewArray(), nil
}

// find is the number of a column by its name.
func find(s *schema.Schema, name string) (int, error) {
	root := s.Root()
	var names []string
	for i := range root.NumFields() {
		n := root.Field(i)
		names = append(names, n.Name())
		if n.Name() != name {
			continue
		}
		at := s.ColumnIndexByNode(n)
		if at < 0 || s.Column(at).MaxRepetitionLevel() > 0 {
			return 0, fmt.Errorf("it is a list, a map or a struct in the file; only plain columns are read")
		}
		return at, nil
	}
	if near := guess.Name(name, names); near != "" {
		return 0, fmt.Errorf("it is not in the file; did you mean %q?", near)
	}
	return 0, fmt.Errorf("it is not in the file, whose columns are %s", strings.Join(names, ", "))
}
