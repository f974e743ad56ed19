package rdd

import "github.com/millrace/millrace/internal/records"

// Router places rows of a sink's input on lanes. *sink.Output's adapter implements it.
type Router interface {
	// Route writes the lane (0 <= lane < lanes) of each row of rec to lane. task is the index of the upstream task among all tasks
	// that feed the sink, first the number of rows that this task routed before in this batch.
	Route(task int, first int64, rec Record, lanes int, lane []int32)
}

// Pipeline is one task's fused operators: from a root down to shuffle writers and sinks. It is made for one task of one batch attempt.
type Pipeline struct{}

// NewPipeline instantiates the operators below root. routers has one for each sink node that root reaches, by node ID.
// task is the partition number.
func NewPipeline(p *Plan, root *Node, ctx *Context, routers map[int]Router) *Pipeline {
	panic("unwritten")
}

// PushRecords decodes a block in chunks and pushes the rows through (source roots). Bad records go to the dead-letter node;
// with stopOnBad the first one is a *BadRecordError. A panic in user code is a *UserError that names the record's offset.
func (p *Pipeline) PushRecords(b *records.Block, stopOnBad bool) error { panic("unwritten") }

// Reduce runs a wide root on its blocks. in[i] are input i's, in upstream task order.
func (p *Pipeline) Reduce(in [][]Record) error { panic("unwritten") }

// Finish flushes writers and sinks: the task's blocks, ordered by (edge, partition), with sums, empty ones included for
// every partition and lane of every edge below the root.
func (p *Pipeline) Finish() ([]Block, error) { panic("unwritten") }
