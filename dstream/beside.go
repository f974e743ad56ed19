package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// beside is what an operator can give besides the Frame of its results.
type beside struct {
	late   func(at rdd.Site) Frame // nil: none
	groups *ops.Grouping           // of Running, nil: none
}

// gives is f, whose operator can give b too.
func (f Frame) gives(b beside) Frame {
	if f.job.beside == nil {
		f.job.beside = map[*rdd.Node]beside{}
	}
	f.job.beside[f.node()] = b
	return f
}

// mistaken stands for the results of an operator on f that could not be made: what is asked of it is no further mistake.
func (f Frame) mistaken() Frame {
	return f.gives(beside{late: func(rdd.Site) Frame { return f }, groups: &ops.Grouping{}})
}

// LateRows are the rows that came too late for the operator directly before it, as they came: Window(…)…Agg. They are those that are counted as late, and have no event time for
// operators behind them. What they cost, the operator says.
func (f Frame) LateRows() Frame {
	at := rdd.Caller()
	late := f.job.beside[f.node()].late
	if late == nil {
		f.job.mistakef(at, "LateRows belongs directly behind an operator that gives them: Window(…)…Agg; %s gives none", f.node().Op)
		return f
	}
	return late(at)
}
