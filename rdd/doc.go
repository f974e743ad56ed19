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
// RDD[T] and Keyed[K, V] are the typed way to describe nodes: operators as methods, each of which adds a node to a Builder and gives it back with its type.
// Streams of package dstream are RDDs, one a batch. How rows are computed inside a task is in internal/ops; a method here says what it means
// and where it stands in the plan.
//
//	lines.FlatMap(strings.Fields).KeyBy(rdd.Self).CountByKey()
//
// Methods return no errors: the builder collects the user's mistakes with file and line, and Plan reports all of them at once. Go refuses
// a method of RDD[T] that mentions RDD[[]T] (an instantiation cycle), so results of such a shape are type parameters pinned by
// a constraint, see Keyed.Pairs.
//
// What the package does not do: no I/O, no network, no clock, no goroutines. Who runs which task where and when is up
// to executor and driver.
package rdd
