package eventwindow

import (
	"time"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/task"
)

// Assigner finds the windows of times. Rows are first put into panes, parts of time that no window cuts, and panes into windows: a pane is a window
// but for windows that overlap. One goroutine at a time.
type Assigner struct {
	spec Spec
	pane int64
	cal  *calendar
}

// Assigner is one for s, whose windows must not depend on other rows.
func (s Spec) Assigner() *Assigner {
	a := &Assigner{spec: s}
	switch s.Kind {
	case Sliding:
		a.pane = s.pane()
	case Global:
	case DayParts, Days, Months:
		loc, err := time.LoadLocation(s.Zone)
		assert.True(err == nil, "zone %q was there when the job was built: %v", s.Zone, err)
		a.cal = &calendar{spec: s, loc: loc}
	default:
		assert.True(false, "%v has no windows that follow from a time alone", s)
	}
	return a
}

// pane is the greatest length that divides size and slide.
func (s Spec) pane() int64 {
	a, b := s.Size, s.Slide
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// overlap tells whether panes are not windows.
func (a *Assigner) overlap() bool { return a.spec.Kind == Sliding && a.spec.Size != a.spec.Slide }

// maxTime is behind all times that rows have, in the year 148108: times beyond it, and before its negative, count as it. So nothing that is
// computed from times overflows.
const maxTime = 1 << 62

// Panes writes the beginning of each time's pane to out, which is as long as times.
func (a *Assigner) Panes(times, out []int64) {
	if a.cal != nil {
		for i, t := range times {
			out[i] = a.cal.start(min(max(t, -maxTime), maxTime))
		}
		return
	}
	if a.spec.Kind == Global {
		clear(out[:len(times)])
		return
	}
	step, off := a.pane, a.spec.Offset
	for i, t := range times {
		t = min(max(t, -maxTime), maxTime) - off
		rest := t % step
		if rest < 0 {
			rest += step
		}
		out[i] = t - rest + off
	}
}

// Windows appends the beginnings of the windows that hold the pane that begins at p, ascending: none if it lies between two windows.
func (a *Assigner) Windows(p int64, dst []int64) []int64 {
	if !a.overlap() {
		return append(dst, p)
	}
	off := a.spec.Offset
	last := floor(p-off, a.spec.Slide) + off
	first := last
	for first-a.spec.Slide > p-a.spec.Size {
		first -= a.spec.Slide
	}
	for s := first; s <= last && s > p-a.spec.Size; s += a.spec.Slide {
		dst = append(dst, s)
	}
	return dst
}

// End is the end of the window that begins at start: the first time that is not in it.
func (a *Assigner) End(start int64) int64 {
	if a.cal != nil {
		return a.cal.end(start)
	}
	if a.spec.Kind == Global {
		return task.EndOfTime
	}
	return start + a.spec.Size
}
