package task

import "github.com/apache/arrow/go/v15/arrow"

// Input is one shuffled input of a wide node.
type Input struct {
	Schema *arrow.Schema // of its blocks
	New    func() Writer // one a task
	Copies bool          // the writer keeps nothing of a chunk once Add has returned
}

// Writer is the map side of a shuffle, in one task: it may aggregate before anything is sent.
type Writer interface {
	// Add takes a chunk of the input's rows.
	Add(ctx *Context, in Chunk) error
	// Flush gives one block a reduce partition of ctx.Layout, nil where there are no rows, and resets the writer.
	Flush(ctx *Context) ([]arrow.Record, error)
}

// Reducer is the reduce side, in one task.
type Reducer interface {
	// Reduce computes partition ctx.Partition of the batch. in[i] are input i's blocks in order of upstream task (I7), without empty ones. Rows
	// go out by emit. ctx.State and ctx.More are begun and will be sealed by the caller.
	Reduce(ctx *Context, in [][]arrow.Record, emit func(Chunk) error) error
}

// Locator is implemented by reducers that can say which key they are at, for the message when user code panics.
type Locator interface {
	// At is the key in hand, "" if there is none.
	At() string
}
