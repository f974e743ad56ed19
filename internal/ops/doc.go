// Package ops answers: how are operators computed inside one task?
//
// It holds kernels of narrow operators, and of wide ones both sides of the shuffle: the writers that combine what a task has before anything
// is sent, and the reducers that gather it. They are typed as the user's rows are, and know nothing of plans: package rdd puts them
// into nodes, and package dstream builds operators with state from the same pieces.
//
//	rows ─▶ KernelFunc ─▶ writer: Scratch numbers the keys, Blocks deals them out ═▶ reducer: Group, Reduction, Counting ─▶ EmitRows
//
// Codecs may be nil where the job's types are mistakes: such a job never runs, but it is built to its end so that all of its mistakes are found.
package ops
