package rdd

import "github.com/millrace/millrace/internal/task"

// The contracts of one task, see package task.
type (
	// Chunk is a run of rows between fused operators of one task: Go slices of the node's types. Operators must not
	// change a chunk that they were given: other consumers see it too.
	Chunk = task.Chunk

	// Kernel is a narrow operator in one task.
	Kernel = task.Kernel

	// Finisher is a kernel that holds rows back until all rows of its task have come: what it gives depends on the whole partition.
	Finisher = task.Finisher

	// Context is what a kernel may depend on besides its input and its state (I2).
	Context = task.Context

	// Counters count what a task did; they ride in the accepted result only (P17).
	Counters = task.Counters
	// Outcome is what became of rows in a task by their event time, for one operator.
	Outcome = task.Outcome

	// Mark is an input's watermark of event time, before a batch and behind it (P29).
	Mark = task.Mark

	// Layout is the part of a plan record that fixes who computes what, apart from placement (P1, P27).
	Layout = task.Layout

	// Input is one shuffled input of a wide node.
	Input = task.Input

	// Writer is the map side of a shuffle, in one task: it may aggregate before anything is sent.
	Writer = task.Writer

	// Reducer is the reduce side, in one task.
	Reducer = task.Reducer

	// Locator is implemented by reducers that can say which key they are at, for the message when user code panics.
	Locator = task.Locator
)

// Event times that no row has: before any is known, and behind the last.
const (
	NoTime    = task.NoTime
	EndOfTime = task.EndOfTime
)

// ChunkRows is how many source records go through the fused operators at a time.
const ChunkRows = task.ChunkRows
