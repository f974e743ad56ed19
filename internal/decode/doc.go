// Package decode reads rows of Go structs out of text: JSON objects and lines of CSV; and out of messages of Protocol Buffers.
//
// A Plan is compiled once for a Go type: where each column lies in the struct and how it is read. A decoder is made for
// one task and writes straight into the fields; only the columns that the type has are converted, the others are checked
// and passed over. Strings alias the text unless they hold escapes.
//
// JSON is read strictly (RFC 8259: UTF-8, no lone surrogates, nothing behind the value), with three choices: of a name that occurs
// twice the last one counts, names are case-sensitive, and a column that is missing or null is an error unless
// its field is a pointer, slice or map, or has the tag option omitempty or omitzero. The reader remembers the layout of the last object (which names,
// in which order, with which white space) and compares the next one with it 8 bytes at a time; where they differ it
// reads on without it.
//
//	{"user_id":"a…","page_id":"b…",…}
//	^^^^^^^^^^^    ^^^^^^^^^^^           text that is compared with the template
//	           ^^^^           ^^^^      values, read by the kind of their field
//
// Texts must have records.Padding readable bytes behind their end.
package decode
