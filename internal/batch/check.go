package batch

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// Check verifies that a column which may come from outside is of field f and that its buffers hold what its length and offsets say, so that
// reading any of its rows stays within them. A null in a field that is not nullable is an error.
func Check(data arrow.ArrayData, f arrow.Field) error {
	if dt := data.DataType(); dt != f.Type && !arrow.TypeEqual(dt, f.Type) {
		return fmt.Errorf("column %s: type %s, want %s", f.Name, dt, f.Type)
	}
	if data.Len() < 0 || data.Offset() < 0 || data.Offset()+data.Len() < 0 {
		return fmt.Errorf("column %s: %d rows at offset %d", f.Name, data.Len(), data.Offset())
	}
	if err := check(viewOf(data), f); err != nil {
		return fmt.Errorf("column %s: %w", f.Name, err)
	}
	return nil
}

// CheckRecord is Check for all columns of a record that must have the fields of schema, whatever their names.
func CheckRecord(rec arrow.Record, schema *arrow.Schema) error {
	if int(rec.NumCols()) != schema.NumFields() {
		return fmt.Errorf("%d columns, want %d", rec.NumCols(), schema.NumFields())
	}
	for i, c := range rec.Columns() {
		if c.Len() != int(rec.NumRows()) {
			return fmt.Errorf("column %s: %d rows of %d", schema.Field(i).Name, c.Len(), rec.NumRows())
		}
		if err := Check(c.Data(), schema.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// check is Check for a view whose type is known to be right.
func check(v view, f arrow.Field) error {
	s, width := shapeOf(f.Type)
	want := [...]int{none: -1, bits: 2, fixed: 2, text: 3, list: 2, nested: 1}[s]
	if len(v.data.Buffers()) != want {
		return fmt.Errorf("%d buffers, want %d", len(v.data.Buffers()), want)
	}
	if v.n == 0 {
		return checkKids(v, f, s)
	}
	end := v.off + v.n
	if b := v.buf(0); len(b) > 0 && len(b) < (end+7)/8 {
		return fmt.Errorf("null bitmap of %d bytes for %d rows", len(b), end)
	}
	if !f.Nullable && v.nulls() > 0 {
		return fmt.Errorf("%d nulls where none may be", v.nulls())
	}
	switch s {
	case bits:
		if len(v.buf(1)) < (end+7)/8 {
			return fmt.Errorf("%d bytes of bits for %d rows", len(v.buf(1)), end)
		}
	case fixed:
		if len(v.buf(1))/width < end {
			return fmt.Errorf("%d bytes of values for %d rows of %d bytes", len(v.buf(1)), end, width)
		}
	case text:
		return checkOffsets(v, len(v.buf(2)))
	}
	return checkKids(v, f, s)
}

// checkKids checks the children of a nested column.
func checkKids(v view, f arrow.Field, s shape) error {
	fields := fieldsOf(f.Type)
	if len(v.data.Children()) != len(fields) {
		return fmt.Errorf("%d children, want %d", len(v.data.Children()), len(fields))
	}
	for i, k := range v.data.Children() {
		if k.Len() < 0 || k.Offset() < 0 || k.Offset()+k.Len() < 0 {
			return fmt.Errorf("%s: %d rows at offset %d", fields[i].Name, k.Len(), k.Offset())
		}
		var sub view
		if s == nested {
			if k.Len() < v.off+v.n {
				return fmt.Errorf("%s: %d rows, want %d", fields[i].Name, k.Len(), v.off+v.n)
			}
			sub = v.field(i)
		} else {
			if err := checkOffsets(v, k.Len()); err != nil {
				return err
			}
			sub = viewOf(k)
		}
		if err := check(sub, fields[i]); err != nil {
			return fmt.Errorf("%s: %w", fields[i].Name, err)
		}
	}
	return nil
}

// checkOffsets verifies that a view's offsets never fall and stay within [0, limit].
func checkOffsets(v view, limit int) error {
	if v.n == 0 {
		return nil
	}
	if len(v.buf(1))/4 < v.off+v.n+1 {
		return fmt.Errorf("%d bytes of offsets for %d rows", len(v.buf(1)), v.off+v.n)
	}
	offs := v.offsets()
	last := offs[0]
	fell := last < 0
	for _, o := range offs {
		fell = fell || o < last
		last = o
	}
	if fell || int(last) > limit {
		return fmt.Errorf("offsets fall, or pass the end at %d", limit)
	}
	return nil
}
