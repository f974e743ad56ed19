package sink

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// Format is how a row becomes the bytes of a record's value.
type Format int

// JSON writes a row as an object with its columns in the schema's order, and a scalar bare: a string as "text", a number as 7. Text
// writes scalars only, as they are: a string or []byte is its own bytes, a number is decimal text.
//
// In both, a time is RFC 3339 in UTC with six digits of a second, and in JSON []byte is base64 (RFC 4648, padded),
// null is null, and a float that JSON has no word for (NaN, ±Inf) is null. Bytes of a string that are not UTF-8 become
// U+FFFD in JSON and stay as they are in text. A null scalar is a record without a value (a tombstone).
const (
	JSON Format = iota
	Text
)

func (f Format) String() string {
	switch f {
	case JSON:
		return "json"
	case Text:
		return "text"
	}
	return fmt.Sprintf("format %d", int(f))
}

// bytesColumn is one byte string a row: row i is Data[Ends[i-1]:Ends[i]] (Ends[-1] = 0). Null is nil where no row is null.
type bytesColumn struct {
	Data []byte
	Ends []uint32
	Null []bool
}

// Len is the number of rows.
func (c *bytesColumn) Len() int { return len(c.Ends) }

// Value is row i, nil if it is null. It aliases Data.
func (c *bytesColumn) Value(i int) []byte {
	if c.Null != nil && c.Null[i] {
		return nil
	}
	lo := uint32(0)
	if i > 0 {
		lo = c.Ends[i-1]
	}
	return c.Data[lo:c.Ends[i]:c.Ends[i]]
}

// reset empties c and keeps its memory.
func (c *bytesColumn) reset() { c.Data, c.Ends, c.Null = c.Data[:0], c.Ends[:0], nil }

// end closes the row that was appended to Data.
func (c *bytesColumn) end() { c.Ends = append(c.Ends, uint32(len(c.Data))) }

// maxEncoded is how many bytes one record may become: ends are 32 bits.
const maxEncoded = math.MaxUint32

// newEncoder is the encoder of rows of s. An error says which column the format cannot write and what to do instead.
//
// A scalar key is its text in every format: a string or []byte its own bytes, an integer in decimal. A struct key is a
// JSON object of its fields.
func newEncoder(s Schema, f Format) (*encoder, error) {
	fields := s.Arrow.Fields()
	e := &encoder{schema: s.Arrow, keys: s.Keys}
	var err error
	if s.Keys > 0 {
		if e.key, err = newPart(keyFields(fields[:s.Keys]), s.ScalarKey, Text); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
	}
	if f == Text && !s.ScalarValue {
		return nil, fmt.Errorf("text holds one value a row, and a row here has columns %s: write JSON, or map the row to a string first", columnNames(fields[s.Keys:]))
	}
	if e.val, err = newPart(fields[s.Keys:], s.ScalarValue, f); err != nil {
		return nil, err
	}
	return e, nil
}

// newKeyEncoder is the encoder of the keys of rows of s, for routing: its Encode takes nil for vals.
func newKeyEncoder(s Schema) (*encoder, error) {
	key, err := newPart(keyFields(s.Arrow.Fields()[:s.Keys]), s.ScalarKey, Text)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return &encoder{schema: s.Arrow, keys: s.Keys, key: key}, nil
}

// keyFields are the fields of a key under their own names: without the "key." that a pair's schema puts before them.
func keyFields(fields []arrow.Field) []arrow.Field {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		f.Name = strings.TrimPrefix(f.Name, "key.")
		out[i] = f
	}
	return out
}

func columnNames(fields []arrow.Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}

// encoder turns records of one schema into keys and values: all rows of one at once (Encode), or a row at a time (bind). One goroutine at a time.
type encoder struct {
	schema   *arrow.Schema
	keys     int
	key, val part
}

// Encode replaces the contents of keys and vals with the rows of rec. Where the schema has no key, keys is left empty.
// The bytes belong to the caller until the next call with the same columns. With vals nil only keys are encoded.
func (e *encoder) Encode(rec arrow.Record, keys, vals *bytesColumn) error {
	keys.reset()
	if err := sameSchema(e.schema, rec); err != nil {
		return err
	}
	cols, n := rec.Columns(), int(rec.NumRows())
	if e.keys > 0 {
		if err := e.key.encode(keys, cols[:e.keys], n); err != nil {
			return err
		}
	}
	if vals == nil {
		return nil
	}
	vals.reset()
	return e.val.encode(vals, cols[e.keys:], n)
}

// part is the key or the value of a row: a bare scalar, or an object of columns.
type part struct {
	scalar bool
	column column   // scalar
	object *objects // otherwise
}

func newPart(fields []arrow.Field, scalar bool, f Format) (part, error) {
	if scalar {
		c, err := newCells(fields[0].Name, fields[0].Type, f == Text)
		return part{scalar: true, column: column{cells: c}}, err
	}
	o, err := newObjects(fields)
	return part{object: o}, err
}

func (p *part) encode(dst *bytesColumn, cols []arrow.Array, n int) error {
	if !p.scalar {
		return p.object.encode(dst, cols, n)
	}
	if err := p.column.cells.encode(dst, cols[0]); err != nil {
		return err
	}
	if cols[0].NullN() > 0 {
		dst.Null = make([]bool, n)
		for i := range dst.Null {
			dst.Null[i] = cols[0].IsNull(i)
		}
	}
	return nil
}

// lineEncoder writes whole rows as JSON objects, the key's columns first: what files and the console take.
type lineEncoder struct {
	schema *arrow.Schema
	rows   *objects
}

func newLineEncoder(s Schema) (*lineEncoder, error) {
	rows, err := newObjects(s.Arrow.Fields())
	if err != nil {
		return nil, err
	}
	return &lineEncoder{s.Arrow, rows}, nil
}

// encode appends one object a row to dst.
func (e *lineEncoder) encode(dst *bytesColumn, rec arrow.Record) error {
	if err := sameSchema(e.schema, rec); err != nil {
		return err
	}
	return e.rows.encode(dst, rec.Columns(), int(rec.NumRows()))
}

// sameSchema is an error if rec's columns are not those that an encoder was made for.
func sameSchema(s *arrow.Schema, rec arrow.Record) error { return sameFields(s, rec.Schema()) }

func sameFields(s, got *arrow.Schema) error {
	if got == s {
		return nil
	}
	if len(got.Fields()) != len(s.Fields()) {
		return fmt.Errorf("rows have %d columns, the sink was opened for %d", len(got.Fields()), len(s.Fields()))
	}
	for i, f := range s.Fields() {
		if g := got.Field(i); !arrow.TypeEqual(f.Type, g.Type) {
			return fmt.Errorf("column %s is %s, the sink was opened for %s", f.Name, g.Type, f.Type)
		}
	}
	return nil
}
