package rdd

import (
	"github.com/millrace/millrace/internal/ops"
)

// Records is f through an operator on record batches, which facts tell from others in the plan's text; for packages that make operators. The columns that the operator keeps are
// those of f's event time, too.
func (f Frame) Records(at Site, op, facts string, m *ops.RecordMap) Frame {
	val := FrameCodec(f.b, at, m.Out)
	n := f.b.narrow(at, op, nil, val, m.Kernel(nil), f.node)
	n.Facts = facts
	n.Cols = &Columns{Reads: func(_ int, out []bool) []bool { return m.Read(out) }, Kernel: m.Kernel}
	out := Frame{b: f.b, node: n}
	for i, from := range m.Keeps {
		if from >= 0 && f.timed && m.In.Field(from).Name == f.time && !out.timed {
			out = out.Timed(m.Out.Field(i).Name, f.offset)
		}
	}
	return out
}
