// Package row converts between Go values and Arrow columns.
//
// A Codec is compiled once for a Go type: a struct becomes one column per field, anything else one column called
// "value". Conversions switch once per column and then loop; no interface call or allocation per row. A row is its
// columns (P24): a type whose round trip through columns is not the identity is refused by Of.
package row

import (
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"
)

// Codec converts []T to columns and back, for one Go type T. It is immutable and safe for concurrent use.
//
// Methods that take rows as any expect a []T of the codec's own type and panic with an assertion otherwise.
type Codec struct {
	typ    reflect.Type
	schema *arrow.Schema
	cols   []column
}

// column is B's: how one field is read and written.
type column struct{}

// Of is the codec of Go type t, cached. Errors name the field and say what to use instead; all bad fields are
// reported together (errors.Join).
func Of(t reflect.Type) (*Codec, error) { panic("unwritten") }

// For is Of for a type parameter.
func For[T any]() (*Codec, error) { return Of(reflect.TypeFor[T]()) }

// Type is the Go type of a row.
func (c *Codec) Type() reflect.Type { return c.typ }

// Schema is the row's columns. A struct has one a field (`arrow:"name"` or the field's name in snake case, `arrow:"-"` leaves it out);
// another type has one column, "value".
func (c *Codec) Schema() *arrow.Schema { return c.schema }

// Text is the schema in one line, "page: utf8, at: timestamp[us], score: float64?" (? = nullable); equal texts mean
// equal schemas. It is what checkpoints compare.
func (c *Codec) Text() string { panic("unwritten") }

// Scalar tells whether the row is one column called "value".
func (c *Codec) Scalar() bool { panic("unwritten") }

// CheckKey is an error if the type may not be a key: pointers, interfaces, floats and slices other than []byte (P25).
func (c *Codec) CheckKey() error { panic("unwritten") }

// Len is the number of rows in rows, a []T.
func (c *Codec) Len(rows any) int { panic("unwritten") }

// Make is an empty []T with the given capacity.
func (c *Codec) Make(capacity int) any { panic("unwritten") }

// Columns is rows as Arrow arrays, in the schema's order. idx chooses and orders the rows; nil means all. The result shares no memory with rows.
func (c *Codec) Columns(rows any, idx []int32) []arrow.Array { panic("unwritten") }

// Rows appends the rows of cols to dst (a []T, or nil) and returns it. Strings and []byte alias the columns' memory.
// It is an error if a column's type is not the schema's; it never panics on columns that were read from outside.
func (c *Codec) Rows(cols []arrow.Array, dst any) (any, error) { panic("unwritten") }

// Normalize brings rows to what a round trip through columns gives, in place: times in microseconds UTC, empty
// slices nil. It is a no-op (and costs nothing) for types that have neither.
func (c *Codec) Normalize(rows any) { panic("unwritten") }

// Keys are canonical encodings of keys: key i is Data[Ends[i-1]:Ends[i]] (Ends[-1] = 0). Two keys are equal exactly if
// their encodings are equal bytes (P25). A single string or []byte column is its bytes as they are; a fixed-width
// column is its little-endian bytes; several columns are concatenated, with strings prefixed by their uvarint length.
// Hash[i] is xxh3 of the encoding with seed 0, the same in every process and version (state layout depends on it).
type Keys struct {
	Data []byte
	Ends []uint32
	Hash []uint64
}

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.Ends) }

// Key is the encoding of key i; it aliases Data.
func (k *Keys) Key(i int) []byte {
	lo := uint32(0)
	if i > 0 {
		lo = k.Ends[i-1]
	}
	return k.Data[lo:k.Ends[i]:k.Ends[i]]
}

// Reset empties k and keeps its memory.
func (k *Keys) Reset() { k.Data, k.Ends, k.Hash = k.Data[:0], k.Ends[:0], k.Hash[:0] }

// AppendKeys appends the encodings and hashes of rows, a []T.
func (c *Codec) AppendKeys(rows any, k *Keys) { panic("unwritten") }

// AppendKeyColumns is AppendKeys from columns of this codec's schema.
func (c *Codec) AppendKeyColumns(cols []arrow.Array, k *Keys) error { panic("unwritten") }

// KeyRows decodes keys idx (nil: all) of k and appends them to dst, a []T or nil. Strings are copies.
func (c *Codec) KeyRows(k *Keys, idx []int32, dst any) (any, error) { panic("unwritten") }

// KeyColumns decodes keys idx (nil: all) of k into columns.
func (c *Codec) KeyColumns(k *Keys, idx []int32) ([]arrow.Array, error) { panic("unwritten") }

// Groups is the fixed number of key groups of every job; it never changes.
const Groups = 128

// Group is the key group of a key with that hash: its 7 highest bits.
func Group(hash uint64) int { return int(hash >> 57) }

// Pair is the schema of a keyed row in a block: key columns first, named "key" for a scalar key and "key.NAME" for a
// struct, then the value's columns under their own names. key may be nil: then it is the value's schema.
func Pair(key, val *Codec) *arrow.Schema { panic("unwritten") }
