package dstreamtest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
)

// times is what a runner knows of event time behind the last batch: what the batch log keeps for a driver.
type times struct {
	scripted bool    // a partition is idle once it has ended, and never otherwise: Check's, whose clock must not matter
	marks    []int64 // by event-time input
	parts    []*timedPart
}

// timedPart is a source partition.
type timedPart struct {
	source string
	number int
	highs  []int64 // by event-time input
	busy   int64   // time of the last batch in which it had rows
	ended  bool
}

// part is a partition, known from now on, by source and number.
func (r *Runner) part(source string, number int) *timedPart {
	compare := func(p *timedPart, to timedPart) int {
		return cmp.Or(cmp.Compare(p.source, to.source), cmp.Compare(p.number, to.number))
	}
	i, known := slices.BinarySearchFunc(r.times.parts, timedPart{source: source, number: number}, compare)
	if !known {
		p := &timedPart{source: source, number: number, highs: slices.Repeat([]int64{rdd.NoTime}, len(r.Plan.Events))}
		r.times.parts = slices.Insert(r.times.parts, i, p)
	}
	return r.times.parts[i]
}

// dated begins a batch: what the plan record of an engine says of event time, and who it will hear of. nil without event time.
func (r *Runner) dated(plan *rdd.Plan, in map[string]map[int]*records.Block, at int64, final bool) *rdd.Timeline {
	if len(plan.Events) == 0 {
		return nil
	}
	if r.times.marks == nil {
		r.times.marks = slices.Repeat([]int64{rdd.NoTime}, len(plan.Events))
	}
	for name, parts := range in {
		for number := range parts {
			r.part(name, number)
		}
	}
	reads := map[*timedPart]bool{}
	var tasks []rdd.TaskID
	for _, p := range r.times.parts {
		if b := in[p.source][p.number]; b != nil && b.First < b.Next {
			reads[p] = true
			tasks = append(tasks, rdd.TaskID{Node: plan.Node(p.source).ID, Part: p.number})
		}
	}
	return rdd.NewTimeline(plan, r.watermarks(reads, at), tasks, at, final)
}

// watermarks are what a plan record says of a batch that reads these partitions.
func (r *Runner) watermarks(reads map[*timedPart]bool, at int64) []rdd.Watermark {
	var list []rdd.Watermark
	for i, e := range r.Plan.Events {
		w := rdd.Watermark{Input: r.Plan.EventName(i), Before: r.times.marks[i], Rest: rdd.EndOfTime, Most: rdd.NoTime}
		for _, p := range r.timedParts(i) {
			w.Most = max(w.Most, p.highs[i])
			switch {
			case reads[p]:
				w.Highs = append(w.Highs, p.highs[i])
			case !r.idle(p, e.Event, at):
				w.Rest = min(w.Rest, p.highs[i])
			}
		}
		list = append(list, w)
	}
	return list
}

// timedParts are the partitions of an event-time input.
func (r *Runner) timedParts(event int) []*timedPart {
	var list []*timedPart
	for _, p := range r.times.parts {
		if slices.ContainsFunc(r.Plan.EventSources(event), func(n *rdd.Node) bool { return n.Name == p.source }) {
			list = append(list, p)
		}
	}
	return list
}

// idle tells whether p does not hold the watermark back in a batch of that time that does not read it.
func (r *Runner) idle(p *timedPart, e *rdd.EventTime, at int64) bool {
	return p.ended || !r.times.scripted && at-p.busy >= e.Idle
}

// pass notes what a batch has brought.
func (r *Runner) pass(t *rdd.Timeline, in map[string]map[int]*records.Block, at int64) {
	if t == nil {
		return
	}
	r.times.marks = slices.Clone(t.After())
	for _, p := range r.times.parts {
		b := in[p.source][p.number]
		if b == nil || b.First == b.Next {
			continue
		}
		p.busy = at
		for i, high := range t.Said(rdd.TaskID{Node: r.Plan.Node(p.source).ID, Part: p.number}) {
			p.highs[i] = max(p.highs[i], high)
		}
	}
}

// Watermark is the watermark of an event-time input behind the last batch: of a source, or SOURCE.COLUMN where a column holds the time. It is the zero time
// before there is one; behind the final batch it lies after all times.
func (j *Job) Watermark(input string) time.Time {
	j.t.Helper()
	for i := range j.r.Plan.Events {
		if j.r.Plan.EventName(i) != input {
			continue
		}
		if j.r.times.marks == nil || j.r.times.marks[i] == rdd.NoTime {
			return time.Time{}
		}
		return time.UnixMicro(j.r.times.marks[i]).UTC()
	}
	var names []string
	for i := range j.r.Plan.Events {
		names = append(names, j.r.Plan.EventName(i))
	}
	j.t.Fatalf("dstreamtest: no event time %q; those that there are: %q", input, names)
	return time.Time{}
}

// nextMove is when a batch without rows would be cut because it moves a watermark (P28), the zero time for never.
func (r *Runner) nextMove(now time.Time, step time.Duration) (next time.Time) {
	if r.times.marks == nil {
		return next
	}
	var moments []time.Time
	for i, e := range r.Plan.Events {
		for _, p := range r.timedParts(i) {
			moments = append(moments, upTo(time.UnixMicro(p.busy+e.Event.Idle), step))
		}
		if due := r.nextEventDue(); due != 0 && e.Event.Follow > 0 {
			moments = append(moments, upTo(time.UnixMicro(due+e.Event.Follow), step))
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	for _, at := range moments {
		at = later(at, upTo(now.Add(time.Microsecond), step))
		for i, w := range r.watermarks(nil, at.UnixMicro()) {
			e := *r.Plan.Events[i].Event
			follows := e.After(&w, nil, at.UnixMicro(), false)
			e.Follow = 0
			due := r.nextEventDue()
			if e.After(&w, nil, at.UnixMicro(), false) > w.Before || follows > w.Before && due != 0 && due <= follows {
				return at
			}
		}
	}
	return next
}

// nextEventDue is the earliest watermark that a timer of event time waits for, 0 for none.
func (r *Runner) nextEventDue() int64 {
	next := int64(0)
	for _, n := range r.Plan.Wides {
		for _, s := range n.Stores() {
			for _, t := range r.tables[s.Name] {
				due := t.NextDue()
				if due == 0 || !n.Wide.Event {
					continue
				}
				if at := r.Plan.Soonest(n, due); next == 0 || at < next {
					next = at
				}
			}
		}
	}
	return next
}

// eventTables are the operators whose timers count in event time, by the names of their tables.
func (r *Runner) eventTables() map[string]bool {
	m := map[string]bool{}
	for _, n := range r.Plan.Wides {
		for _, s := range n.Stores() {
			m[s.Name] = n.Wide.Event
		}
	}
	maps.DeleteFunc(m, func(_ string, event bool) bool { return !event })
	return m
}
