// Package batch has what the engine does with whole record batches: framing, checksums, selection.
package batch

import (
	"github.com/apache/arrow/go/v15/arrow"
)

// Marshal appends rec's rows and buffers, without its schema, to parts for a vectored write: a short header and then the buffers as they
// are in memory. Slices with offsets are normalised first. The bytes are equal for equal rows (I2): padding and bits behind the end are zero.
func Marshal(rec arrow.Record, parts [][]byte) [][]byte { panic("unwritten") }

// Unmarshal reads what Marshal wrote, for a known schema. The record aliases data. Every length and offset is checked:
// bytes from outside never panic and never read beyond data.
func Unmarshal(schema *arrow.Schema, data []byte) (arrow.Record, error) { panic("unwritten") }

// Sum is the xxh3 checksum of what Marshal would write for rec (0 for nil).
func Sum(rec arrow.Record) uint64 { panic("unwritten") }

// Take are rows idx of rec, in that order.
func Take(rec arrow.Record, idx []int32) arrow.Record { panic("unwritten") }

// Split sends row i of rec to part[i] of n; result j is nil where part j got no row. Order is kept (I7).
func Split(rec arrow.Record, part []int32, n int) []arrow.Record { panic("unwritten") }

// Concat joins records of one schema, in order; nil for none, the record itself for one.
func Concat(recs []arrow.Record) arrow.Record { panic("unwritten") }

// Bytes is the memory that rec's buffers hold.
func Bytes(rec arrow.Record) int64 { panic("unwritten") }
