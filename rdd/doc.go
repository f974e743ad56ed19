// Package rdd answers: what is one batch made of?
//
// A Plan is a static graph of Nodes. An RDD is a node at a batch number: it has partitions, dependencies and a kernel.
// Sources and wide (shuffling) nodes are roots; each of their partitions is a task. A Pipeline is one task: it pushes
// chunks of rows from a root through the fused narrow operators below it into shuffle writers and sinks, and gives the
// blocks that they filled.
//
//	source partition ─▶ map ─▶ keyBy ─▶ writer ═╗ blocks, one a reduce partition
//	                                            ╚═▶ reducer ─▶ map ─▶ sink's router ═▶ blocks, one a lane
//
// What the package does not do: no I/O, no network, no clock, no goroutines. Who runs which task where and when is up
// to executor and driver.
package rdd
