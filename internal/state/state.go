// Package state holds the keyed state of one operator in one reduce partition: columnar, pointer-free, with undo back
// to the last published batch, and with deltas that cost what changed.
package state

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
)

// Table maps keys to rows of state. All rows of one key group sequence are in one table; one goroutine at a time uses it.
//
// Row numbers are dense and stable until Delete gives one free; nothing that leaves the engine may depend on them, since
// they differ after a restore. Every change belongs to the batch that Begin opened.
type Table struct {
	key, val *row.Codec
}

// New is an empty table at version (batch) at.
func New(key, val *row.Codec, at int64) *Table { panic("unwritten") }

// Version is the batch whose changes were sealed last.
func (t *Table) Version() int64 { panic("unwritten") }

// Begin opens batch b = Version()+1; an assertion fails for any other (I3).
func (t *Table) Begin(b int64) { panic("unwritten") }

// Find writes each key's row number to idx (length k.Len()), -1 where there is none.
func (t *Table) Find(k *row.Keys, idx []int32) { panic("unwritten") }

// Upsert is Find that adds missing keys, with a zero value and no due time. Keys may repeat within k.
func (t *Table) Upsert(k *row.Keys, idx []int32) { panic("unwritten") }

// Get appends the values of rows idx to dst, a []S or nil, and returns it. idx must not hold -1. Strings are copies that the caller may keep.
func (t *Table) Get(idx []int32, dst any) any { panic("unwritten") }

// Set stores values src (a []S, same length as idx) into rows idx and marks them changed. A row may stand in idx once only.
func (t *Table) Set(idx []int32, src any) { panic("unwritten") }

// AddInt64 adds delta[i] to column 0 (which must be a non-null int64) of row idx[i] and marks it changed; rows may repeat. The fast path of counts and sums.
func (t *Table) AddInt64(idx []int32, delta []int64) { panic("unwritten") }

// Int64 appends column 0 of rows idx to dst.
func (t *Table) Int64(idx []int32, dst []int64) []int64 { panic("unwritten") }

// Delete removes rows idx. Their numbers may be given to other keys from the next batch on.
func (t *Table) Delete(idx []int32) { panic("unwritten") }

// SetDue sets the due time of rows idx, µs since 1970; 0 means never. It marks the row changed.
func (t *Table) SetDue(idx []int32, due []int64) { panic("unwritten") }

// Due returns the rows whose due time is <= until, ordered by (due, key bytes), and clears their due times. Cost is what is due,
// not what there is.
func (t *Table) Due(until int64) []int32 { panic("unwritten") }

// NextDue is the earliest due time, 0 if there is none.
func (t *Table) NextDue() int64 { panic("unwritten") }

// KeyRows appends the keys of rows idx (nil: all live rows ordered by key bytes) to dst, a []K or nil.
func (t *Table) KeyRows(idx []int32, dst any) any { panic("unwritten") }

// All are the live rows, ordered by key bytes.
func (t *Table) All() []int32 { panic("unwritten") }

// Seal ends the open batch, which is then the table's version, and keeps what undoes it.
func (t *Table) Seal() { panic("unwritten") }

// Abort undoes the open batch, if one is open.
func (t *Table) Abort() { panic("unwritten") }

// Rollback undoes sealed batches down to version to; an assertion fails if the undo of one was forgotten.
func (t *Table) Rollback(to int64) { panic("unwritten") }

// Forget drops the undo of batches up to and including b: they are published.
func (t *Table) Forget(b int64) { panic("unwritten") }

// Delta are the rows that batch b (sealed, not forgotten) changed, in Schema's form, ordered by (group, key bytes). Zero rows: nil. The record shares no
// memory with the table.
func (t *Table) Delta(b int64) arrow.Record { panic("unwritten") }

// Dump are all live rows of key group g at the current version, in Schema's form, ordered by key bytes; nil when there are none. No batch may be open.
func (t *Table) Dump(g int) arrow.Record { panic("unwritten") }

// Load applies a delta or dump that was read back; only on a table with no open batch and no undo. With full, the
// groups in [from, until) are emptied first. Rows of groups outside [from, until) are passed over.
func (t *Table) Load(rec arrow.Record, from, until int, full bool) error { panic("unwritten") }

// LoadedTo sets the version after Load.
func (t *Table) LoadedTo(b int64) { panic("unwritten") }

// Len is the number of live rows, Bytes the memory held.
func (t *Table) Len() int { panic("unwritten") }

// Bytes is the memory that the table holds.
func (t *Table) Bytes() int64 { panic("unwritten") }

// GroupLen is the number of live rows of key group g.
func (t *Table) GroupLen(g int) int { panic("unwritten") }

// Schema is the form of deltas and dumps: "_group" uint8, "_deleted" bool, "_due" int64 (0: none), then row.Pair(key, val)'s columns.
// Values of deleted rows are zero or null.
func Schema(key, val *row.Codec) *arrow.Schema { panic("unwritten") }
