// Package row converts between Go values and Arrow columns.
//
// It answers what a row is: its columns (P24). A Codec is compiled once for a Go type: a struct becomes one column per
// field, anything else one column called "value". Conversions switch once per column and then loop; no interface call or
// allocation per row. A type whose round trip through columns is not the identity is refused by Of.
//
//	bool, ints, floats        the same; int and uint have 64 bits
//	string, []byte            utf8, binary
//	time.Time                 timestamp[us, UTC]; truncated by Normalize
//	time.Duration             int64, nanoseconds
//	struct                    struct; embedded structs are fields of the outer one
//	decimal.Dec               decimal of the digits that the field's tag decimal:"18,2" says
//	[]T                       list; nil and empty are one
//	map[string]T              map, sorted by key; nil and empty are one
//	*T of a scalar or struct  nullable
//
// Columns that were written for an earlier version of a type are widened to those of a later one (Compare, Widen): fields may have been added, and hold
// a default in older rows.
//
// Keys are the canonical encodings of rows by which equality, hashing and order of keys are defined (P25), Dict numbers
// them, and Vectors are columns that change in place, for state. Package row does not know records or batches: what is
// done with columns as they are is package batch's.
package row
