package parquetfile

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// values are a column's in one of a few forms, whatever the file has, with the zero value where it is null.
type values struct {
	form
	null   []bool
	bools  []bool
	ints   []int64 // of times: µs since 1970
	floats []float64
	texts  []string
}

// form is what a column's values are.
type form struct {
	kind     kind
	text     string // the type, for errors
	unsigned bool   // ints are uint64
	double   bool   // floats have 64 bits
	scale    int32  // of decimals, whose values are big-endian texts, or ints
	unit     schema.TimeUnitType
}

type kind uint8

const (
	unknown kind = iota
	boolean
	integer
	float
	text // texts and bytes
	instant
	dec
)

// formOf is the form of a column of the file.
func formOf(d *schema.Column) form {
	physical := d.PhysicalType()
	f := form{text: strings.ToLower(physical.String())}
	switch t := d.LogicalType().(type) {
	case *schema.IntLogicalType:
		f.kind, f.unsigned = integer, !t.IsSigned()
		f.text = fmt.Sprintf("int%d", t.BitWidth())
		if f.unsigned {
			f.text = "u" + f.text
		}
		return f
	case *schema.TimestampLogicalType:
		f.kind, f.unit = instant, t.TimeUnit()
		f.text = "timestamp of " + [...]string{"milliseconds", "microseconds", "nanoseconds", "an unknown unit"}[f.unit]
		return f
	case *schema.DecimalLogicalType:
		f.kind, f.scale, f.text = dec, t.Scale(), fmt.Sprintf("decimal(%d, %d)", t.Precision(), t.Scale())
		return f
	case schema.DateLogicalType:
		f.kind, f.text = instant, "date"
		return f
	case schema.StringLogicalType, schema.EnumLogicalType, schema.JSONLogicalType:
		f.kind, f.text = text, "text"
		return f
	case nil, schema.NoLogicalType, schema.UnknownLogicalType, schema.NullLogicalType:
	default:
		f.text = strings.ToLower(t.String())
		return f
	}
	switch physical {
	case parquet.Types.Boolean:
		f.kind = boolean
	case parquet.Types.Int32, parquet.Types.Int64:
		f.kind = integer
	case parquet.Types.Int96:
		f.kind, f.text = instant, "int96 timestamp"
	case parquet.Types.Float, parquet.Types.Double:
		f.kind, f.double = float, physical == parquet.Types.Double
	case parquet.Types.ByteArray, parquet.Types.FixedLenByteArray:
		f.kind = text
	}
	return f
}

// read reads a column of all row groups.
func read(r *file.Reader, at int, d *schema.Column) (*values, error) {
	v := &values{form: formOf(d)}
	if v.kind == unknown {
		return nil, fmt.Errorf("it is %s in the file, which is not read", v.text)
	}
	var err error
	switch d.PhysicalType() {
	case parquet.Types.Boolean:
		v.bools, v.null, err = plain(r, at, func(b bool) bool { return b })
	case parquet.Types.Int32:
		v.ints, v.null, err = plain(r, at, func(n int32) int64 {
			if v.unsigned {
				return int64(uint32(n))
			}
			return int64(n)
		})
	case parquet.Types.Int64:
		v.ints, v.null, err = plain(r, at, func(n int64) int64 { return n })
	case parquet.Types.Int96:
		v.ints, v.null, err = plain(r, at, func(n parquet.Int96) int64 { return n.ToTime().UnixMicro() })
	case parquet.Types.Float:
		v.floats, v.null, err = plain(r, at, func(n float32) float64 { return float64(n) })
	case parquet.Types.Double:
		v.floats, v.null, err = plain(r, at, func(n float64) float64 { return n })
	case parquet.Types.ByteArray:
		v.texts, v.null, err = plain(r, at, func(b parquet.ByteArray) string { return string(b) })
	case parquet.Types.FixedLenByteArray:
		v.texts, v.null, err = plain(r, at, func(b parquet.FixedLenByteArray) string { return string(b) })
	}
	if err != nil {
		return nil, fmt.Errorf("it is %s in the file: %w", v.text, err)
	}
	if v.kind == instant && d.PhysicalType() != parquet.Types.Int96 {
		err = v.toMicros(d.PhysicalType() == parquet.Types.Int32)
	}
	return v, err
}

// toMicros brings times from the file's unit to microseconds.
func (v *values) toMicros(days bool) error {
	const day = 24 * 60 * 60 * 1_000_000
	for i, n := range v.ints {
		factor := int64(1)
		switch {
		case days:
			factor = day
		case v.unit == schema.TimeUnitMillis:
			factor = 1000
		case v.unit == schema.TimeUnitNanos:
			v.ints[i] = n / 1000
			if n%1000 < 0 {
				v.ints[i]--
			}
			continue
		}
		if v.ints[i] = n * factor; v.ints[i]/factor != n {
			return fmt.Errorf("row %d: the %s %d is out of the range of times", i+1, v.text, n)
		}
	}
	return nil
}

// pageRows is how many values are read at a time.
const pageRows = 4 << 10

// plain reads a column's values, and which are null.
func plain[T, U any](r *file.Reader, at int, of func(T) U) (all []U, null []bool, err error) {
	vals, def, rep := make([]T, pageRows), make([]int16, pageRows), make([]int16, pageRows)
	for g := range r.NumRowGroups() {
		chunk, err := r.RowGroup(g).Column(at)
		if err != nil {
			return nil, nil, err
		}
		there := chunk.Descriptor().MaxDefinitionLevel()
		from, ok := chunk.(interface {
			ReadBatch(n int64, values []T, def, rep []int16) (int64, int, error)
		})
		if !ok {
			return nil, nil, fmt.Errorf("it is read as %T", chunk)
		}
		for chunk.HasNext() {
			n, _, err := from.ReadBatch(pageRows, vals, def, rep)
			if err != nil {
				return nil, nil, err
			}
			next := 0
			for i := range int(n) {
				var u U
				missing := there > 0 && def[i] < there
				if !missing {
					u = of(vals[next])
					next++
				}
				all, null = append(all, u), append(null, missing)
			}
		}
		if err := chunk.Err(); err != nil {
			return nil, nil, err
		}
	}
	if int64(len(all)) != r.NumRows() {
		return nil, nil, fmt.Errorf("%d values in a file of %d rows", len(all), r.NumRows())
	}
	return all, null, nil
}
