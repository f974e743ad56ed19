// Package col is rows as columns between the operators of one task: what closures see as a Go slice of structs, column expressions see as a
// Batch. A column is a Vec: values of one kind in a Go slice, with a flag for nulls beside it, so that a kernel is a switch over kinds and
// then a loop. Filters do not move rows: they narrow Batch.Sel.
//
// Where rows leave a task, in blocks, states and sinks, they are Arrow arrays; Arrays and FromArrays convert. Text is not copied on the way in: strings alias the
// Arrow buffers or source records that they come from, whose memory is never used again (P26).
package col
