package task

import "time"

// Task is what a function of a job may know of the task that it runs in, besides its rows: which batch it is, and which partition of it. Attempt and
// executor are not in it: no result may depend on them (P17). With it a function reaches accumulators and broadcasts.
//
// A Task is valid until the function that was given it returns, and in that function's goroutine. The zero Task is of no batch: a test may call a
// function with it; what is added to accumulators then goes nowhere, and broadcasts have no value.
type Task struct{ ctx *Context }

// TaskOf is the task of ctx.
func TaskOf(ctx *Context) Task { return Task{ctx} }

// Batch is the number of the batch, from 1 on.
func (t Task) Batch() int64 {
	if t.ctx == nil {
		return 0
	}
	return t.ctx.Batch
}

// Time is the batch time: recorded with the batch, and the same in each attempt (P2).
func (t Task) Time() time.Time {
	if t.ctx == nil {
		return time.Time{}
	}
	return time.UnixMicro(t.ctx.Time).UTC()
}

// Partition is the partition of the source that the rows come from, or behind an operator that moves rows one of its own. It depends on the layout (P27).
func (t Task) Partition() int {
	if t.ctx == nil {
		return 0
	}
	return t.ctx.Partition
}
