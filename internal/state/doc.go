// Package state holds the keyed state of one operator in one reduce partition: columnar, pointer-free, with undo back
// to the last published batch, and with deltas that cost what changed.
//
// Its one type is Table. The life of a batch in a table:
//
//	Begin(b) ── Upsert, Set, Delete, SetDue, … ── Seal ── Delta(b) ── Begin(b+1) …
//	   └── Abort                                    └── Rollback(b-1), or Forget(b) once b is published
//
// It does not read or write files (package checkpoint) and does not know what the values mean.
package state
