package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/rdd"
)

// beside is what an operator can give besides the Frame of its results.
type beside struct {
	late, lateRight func(at rdd.Site) Frame // nil: none
	groups          *ops.Grouping           // of Running, nil: none
}

// gives is f, whose operator can give b too.
func (f Frame) gives(b beside) Frame {
	if f.job.beside == nil {
		f.job.beside = map[*rdd.Node]beside{}
	}
	f.job.beside[f.node()] = b
	return f
}

// mistaken is f, which stands for the results of an operator on left, and right if it is a join, that could not be made: what is asked of it is no further mistake.
func (f Frame) mistaken(left Frame, right ...Frame) Frame {
	b := beside{late: func(rdd.Site) Frame { return left }, groups: &ops.Grouping{}}
	if len(right) > 0 {
		b.lateRight = func(rdd.Site) Frame { return right[0] }
	}
	return f.gives(b)
}

// LateRows are the rows that came too late for the operator directly before it, as they came: Window(…)…Agg, JoinWithin, JoinAsOf and JoinAsOfNow, of these the rows of the left side. They
// are those that are counted as late, and have no event time for operators behind them. What they cost, the operator says.
func (f Frame) LateRows() Frame {
	at := rdd.Caller()
	late := f.job.beside[f.node()].late
	if late == nil && f.f.Doubted() {
		return f
	}
	if late == nil {
		f.job.mistakef(at, "LateRows belongs directly behind an operator that gives them: Window(…)…Agg, JoinWithin, JoinAsOf, JoinAsOfNow; %s gives none", f.node().Op)
		return f
	}
	return late(at)
}

// LateRightRows are the rows of the right side, or the versions, that came too late for the JoinWithin, JoinAsOf or JoinAsOfNow directly before it; see LateRows.
func (f Frame) LateRightRows() Frame {
	at := rdd.Caller()
	late := f.job.beside[f.node()].lateRight
	if late == nil && f.f.Doubted() {
		return f
	}
	if late == nil {
		f.job.mistakef(at, "LateRightRows belongs directly behind JoinWithin, JoinAsOf or JoinAsOfNow; %s gives none", f.node().Op)
		return f
	}
	return late(at)
}
