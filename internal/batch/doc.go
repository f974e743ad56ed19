// Package batch has what the engine does with whole record batches: framing, checksums, selection.
//
// It answers how rows that are already columns are moved, told apart and put together. It has no types of its own: records
// and arrays are Arrow's, immutable, and may be slices with offsets. Supported columns are booleans, fixed-width values,
// strings and bytes with 32-bit offsets, lists, maps and structs of these; Supported tells. It does not convert between
// columns and Go values (package row) and knows nothing of keys.
package batch
