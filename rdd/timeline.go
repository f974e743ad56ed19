package rdd

import (
	"math"
	"slices"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/task"
)

// Timeline is event time in one batch, as far as it is known in one place: the watermarks before it from the plan record, and those behind it once the
// source tasks, or somebody who has heard of all of them, have said what they met. Everyone comes to the same (P1). One goroutine at a time.
type Timeline struct {
	plan    *Plan
	record  []Watermark // by event
	time    int64
	final   bool
	met     map[TaskID][]int64 // by source task: Context.Highs
	tasks   [][]TaskID         // by event: the source tasks of the batch, in the order of the record
	missing []int              // by event: how many of them are not heard of
	after   []int64            // by event, unresolved as long as it is not known
}

// unresolved stands for a watermark that is not known yet.
const unresolved = math.MinInt64 + 1

// NewTimeline is a batch's, nil if the plan has no event time. sources are its source tasks in the order of the record's ranges.
func NewTimeline(p *Plan, record []Watermark, sources []TaskID, time int64, final bool) *Timeline {
	if len(p.Events) == 0 {
		return nil
	}
	n := len(p.Events)
	t := &Timeline{plan: p, record: make([]Watermark, n), time: time, final: final, met: map[TaskID][]int64{}, tasks: make([][]TaskID, n), missing: make([]int, n), after: make([]int64, n)}
	for i := range p.Events {
		for _, s := range sources {
			if slices.ContainsFunc(p.inputs[i].sources, func(n *Node) bool { return n.ID == s.Node }) {
				t.tasks[i] = append(t.tasks[i], s)
			}
		}
		t.record[i] = recordOf(record, p.inputs[i].name, len(t.tasks[i]))
		t.missing[i], t.after[i] = len(t.tasks[i]), unresolved
		t.resolve(i)
	}
	return t
}

// recordOf is what a plan record says of an input. One that another program made may not know it: then its watermark stands where watermarks begin.
func recordOf(record []Watermark, name string, ranges int) Watermark {
	for _, w := range record {
		if w.Input == name && len(w.Highs) == ranges {
			return w
		}
	}
	w := Watermark{Input: name, Before: task.NoTime, Rest: task.NoTime, Most: task.NoTime}
	for range ranges {
		w.Highs = append(w.Highs, task.NoTime)
	}
	return w
}

// resolve computes a watermark that nothing is missing for.
func (t *Timeline) resolve(event int) {
	if t.after[event] != unresolved || t.missing[event] > 0 {
		return
	}
	met := make([]int64, len(t.tasks[event]))
	for i, id := range t.tasks[event] {
		met[i] = t.met[id][event]
	}
	t.after[event] = t.plan.Events[event].Event.After(&t.record[event], met, t.time, t.final)
}

// Hear takes what a task says of event time: of a source task its Context.Highs, of another what Says gave where it ran. Once is enough, more does no harm.
func (t *Timeline) Hear(from TaskID, says []int64) {
	if t == nil || len(says) == 0 {
		return
	}
	assert.True(len(says) == len(t.after), "task %d/%d speaks of %d event times, the plan has %d", from.Node, from.Part, len(says), len(t.after))
	if t.plan.Nodes[from.Node].Kind != Source {
		for i, at := range says {
			if t.after[i] == unresolved {
				t.after[i] = at
			}
		}
		return
	}
	if t.met[from] != nil {
		return
	}
	t.met[from] = says
	for i := range t.tasks {
		if slices.Contains(t.tasks[i], from) {
			t.missing[i]--
			t.resolve(i)
		}
	}
}

// Says is what a wide task tells those who read from it. nil without event time.
func (t *Timeline) Says() []int64 {
	if t == nil {
		return nil
	}
	return slices.Clone(t.after)
}

// Said is what was heard from a task, so that others can hear it: nil without event time.
func (t *Timeline) Said(from TaskID) []int64 {
	if t == nil {
		return nil
	}
	if t.plan.Nodes[from.Node].Kind == Source {
		return t.met[from]
	}
	return t.Says()
}

// Marks are the watermarks of a wide node's inputs, and the lowest of them, once all its blocks are there: their tasks have been heard of then.
func (t *Timeline) Marks(n *Node) ([]Mark, Mark) {
	none := Mark{Before: task.NoTime, After: task.NoTime}
	if t == nil || len(t.plan.lagsOfInputs(n)) == 0 {
		return task.NoMarks(len(n.In)), none
	}
	marks := make([]Mark, len(n.In))
	low := Mark{Before: task.EndOfTime, After: task.EndOfTime}
	for i, in := range n.In {
		if len(t.plan.lags[in.ID]) == 0 {
			marks[i] = none
			continue
		}
		marks[i] = t.mark(t.plan.lags[in.ID])
		low.Before, low.After = min(low.Before, marks[i].Before), min(low.After, marks[i].After)
	}
	return marks, low
}

// mark is the watermark of an input.
func (t *Timeline) mark(lags []lag) Mark {
	m := Mark{Before: task.EndOfTime, After: task.EndOfTime}
	for _, l := range lags {
		before := t.record[l.event].Before
		after := before
		switch {
		case t.final:
			after = task.EndOfTime
		case !l.cut:
			after = t.after[l.event]
			assert.True(after != unresolved, "the watermark of %s is not known where it has to be", t.record[l.event].Input)
		}
		if fault.Planted("I6-after") {
			before = after
		}
		m.Before, m.After = min(m.Before, task.Earlier(before, l.hold)), min(m.After, task.Earlier(after, l.hold))
	}
	if fault.Planted("P29-mark-stays") {
		m.After = m.Before
	}
	return m
}

// After are the watermarks behind the batch by event, where all source tasks have been heard of.
func (t *Timeline) After() []int64 { return t.after }
