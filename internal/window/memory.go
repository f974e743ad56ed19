package window

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/task"
)

// Memory keeps the rows of past batches, for as long as Span.Length; nothing slides. Its panes are in the node's first table: others read them.
type Memory struct{ Rows }

// New makes the reducer of one task. It emits nothing.
func (m *Memory) New() task.Reducer { return memory{m} }

type memory struct{ m *Memory }

// Reduce forgets batches that are too old, and keeps this one.
func (r memory) Reduce(ctx *task.Context, in [][]arrow.Record, _ func(task.Chunk) error) error {
	p := panes{ctx.State}
	p.remove(p.due(ctx.Time))
	return r.m.keep(ctx, p, in[0], ctx.Time+r.m.Span.Length)
}
