package driver

import (
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// Event time in the simulated world: rows of three partitions have two of them. Partitions fall silent for a while, alone or all together. Some rows are far ahead of the
// batch time: the first event time does not let them move its watermark, the second does. Partition 2 has none of the second.

const (
	simAhead = 5_000_000
	simFar   = 1_000_000_000_000
)

// simEvents are the event times.
func simEvents() []eventShape {
	return []eventShape{
		{name: "a.at", sources: []string{"a"}, time: rdd.EventTime{Delay: 10_000, Idle: 30_000, Ahead: simAhead}},
		{name: "a.due", sources: []string{"a"}, time: rdd.EventTime{Idle: 150_000}},
	}
}

// eventTime is that of a row: it depends on its place alone.
func (s *sim) eventTime(event, part int, offset int64) int64 {
	n := (uint64(offset)*31+uint64(part)*7+s.seed)*0x9e3779b97f4a7c15 ^ uint64(event)
	n ^= n >> 29
	if event == 1 && part == 2 {
		return rdd.NoTime
	}
	at := 1_000_000 + offset*3000 + int64(n%40_000)
	if n%50 == 0 {
		at += simFar
	}
	return at
}

// met is the highest event time that a range's task meets.
func (s *sim) met(event int, p *checkpoint.Plan, r checkpoint.Range) int64 {
	high := int64(rdd.NoTime)
	for o := r.From; o < r.Until; o++ {
		at := s.eventTime(event, r.Partition, o)
		if event == 0 && at > p.Time+simAhead {
			continue
		}
		high = max(high, at)
	}
	return high
}

// highs are what a task reports.
func (s *sim) highs(p *checkpoint.Plan, r checkpoint.Range) []int64 {
	return []int64{s.met(0, p, r), s.met(1, p, r)}
}

// truth is what a chain of plans comes to.
type truth struct {
	mark  int64
	highs [simParts]int64
}

// truthOf is the watermark behind the last of plans and what partitions have reached, by an event time.
func (s *sim) truthOf(event int, plans []checkpoint.Plan) truth {
	t := truth{mark: rdd.NoTime, highs: [simParts]int64{rdd.NoTime, rdd.NoTime, rdd.NoTime}}
	for i := range plans {
		p, w := &plans[i], &plans[i].Watermarks[event]
		var met []int64
		for _, r := range p.Ranges {
			met = append(met, s.met(event, p, r))
		}
		t.mark = simEvents()[event].time.After(w, met, p.Time, p.Final)
		for j, r := range p.Ranges {
			t.highs[r.Partition] = max(t.highs[r.Partition], met[j])
		}
	}
	return t
}

// plans are those that were handed to the log, durable or not.
func (s *sim) plans() []checkpoint.Plan {
	list := slices.Clone(s.log)
	for _, f := range s.frames {
		if f.plan != nil {
			list = append(list, *f.plan)
		}
	}
	return list
}

// checkRecord checks what a new plan says of event time against the rows that the batches before it have read (P1). Who had rows lately is not idle (P28).
func (s *sim) checkRecord(p *checkpoint.Plan) {
	before := s.plans()
	for e, shape := range simEvents() {
		w, t := &p.Watermarks[e], s.truthOf(e, before)
		if w.Before != t.mark {
			s.errorf("batch %d begins with watermark %d of %s, the batches before come to %d", p.Batch, w.Before, w.Input, t.mark)
		}
		if n := len(before); n > 0 && w.Before < before[n-1].Watermarks[e].Before {
			s.errorf("batch %d: watermark of %s falls from %d to %d (P28)", p.Batch, w.Input, before[n-1].Watermarks[e].Before, w.Before)
		}
		if most := max(t.highs[0], t.highs[1], t.highs[2]); w.Most != most {
			s.errorf("batch %d: %s has reached %d at most, want %d", p.Batch, w.Input, w.Most, most)
		}
		var highs []int64
		reads := map[int]bool{}
		for _, r := range p.Ranges {
			reads[r.Partition] = true
			highs = append(highs, t.highs[r.Partition])
		}
		if !slices.Equal(highs, w.Highs) {
			s.errorf("batch %d: partitions have reached %v of %s, want %v", p.Batch, w.Highs, w.Input, highs)
		}
		if w.Rest != rdd.EndOfTime && !slices.Contains(t.highs[:], w.Rest) {
			s.errorf("batch %d: the rest has reached %d of %s, partitions %v", p.Batch, w.Rest, w.Input, t.highs)
		}
		for part, read := range s.readAt {
			if !reads[part] && t.highs[part] < w.Rest && s.now-read < shape.time.Idle {
				s.errorf("batch %d: partition %d had rows %d µs ago, and counts as idle for %s", p.Batch, part, s.now-read, w.Input)
			}
		}
	}
	for _, r := range p.Ranges {
		s.readAt[r.Partition] = s.now
	}
}

// checkReached checks what a commit says of event time, and keeps it as a checkpoint does.
func (s *sim) checkReached(c checkpoint.Commit) {
	for e, shape := range simEvents() {
		for _, r := range c.Reached {
			if r.Input != shape.name {
				continue
			}
			s.reached[e].Input, s.reached[e].Watermark = r.Input, r.Watermark
			for _, p := range r.Partitions {
				i := slices.IndexFunc(s.reached[e].Partitions, func(q checkpoint.PartitionHigh) bool { return q.Partition == p.Partition })
				if i < 0 {
					s.reached[e].Partitions = append(s.reached[e].Partitions, p)
				} else {
					s.reached[e].Partitions[i] = p
				}
			}
		}
		t, got := s.truthOf(e, s.log[:c.Batch]), truth{mark: rdd.NoTime, highs: [simParts]int64{rdd.NoTime, rdd.NoTime, rdd.NoTime}}
		if s.reached[e].Input != "" {
			got.mark = s.reached[e].Watermark
		}
		for _, p := range s.reached[e].Partitions {
			got.highs[p.Partition] = p.Micros
		}
		if got != t {
			s.errorf("behind batch %d the checkpoint has %+v of %s, want %+v", c.Batch, got, shape.name, t)
		}
	}
}

// recoverReached is what a checkpoint tells a new driver.
func (s *sim) recoverReached() (list []checkpoint.Reached) {
	for _, r := range s.reached {
		if r.Input != "" {
			r.Partitions = slices.Clone(r.Partitions)
			list = append(list, r)
		}
	}
	return list
}

// partitions are what discovery shows: what was read, and in a run that finishes the job some rows more.
func (s *sim) partitions(next map[int]int64) []source.Partition {
	var parts []source.Partition
	for p := range simParts {
		end := next[p]
		if s.ending {
			if s.ends[p] == 0 {
				s.ends[p] = end + int64(s.r.IntN(20))
			}
			end = s.ends[p]
		}
		parts = append(parts, source.Partition{Key: string(rune('0' + p)), End: end})
	}
	return parts
}

// hush lets partitions fall silent and come back: all together mostly when the driver has come to rest.
func (s *sim) hush() {
	all := s.silent == [simParts]bool{true, true, true}
	switch n := s.r.IntN(400); {
	case n == 0, n < 30 && !all:
		s.silent = [simParts]bool{}
	case all:
	case n < 40:
		s.silent = [simParts]bool{true, true, true}
	case n < 80:
		s.silent[s.r.IntN(simParts)] = true
	}
}

// fresh is how many more rows of a partition an executor finds.
func (s *sim) fresh(part int, held int64) int64 {
	n := int64(s.r.IntN(4))
	switch {
	case s.ending:
		return min(n, max(s.ends[part]-held, 0))
	case s.silent[part]:
		return 0
	}
	return n
}

// checkAsleep checks that a driver that waits for nothing but rows has let the watermarks go on as far as they may: it has cut the batches that they
// needed for that (P28).
func (s *sim) checkAsleep() {
	m := s.m
	for e := range simEvents() { // what is kept up is what there is
		if got, want := m.front(e).mark(m.marks[e]), m.watermark(e, nil); got.Rest != want.Rest || got.Most != want.Most {
			s.errorf("front of event time %d: rest %d, most %d, want %d, %d", e, got.Rest, got.Most, want.Rest, want.Most)
		}
	}
	reading := false // an executor has still to read what is known to be there
	m.eachPart(func(_ *input, p *part) { reading = reading || p.next < p.end })
	if reading || len(m.flights) > 0 || len(m.todo) > 0 || !m.mayLaunch() || s.ending || m.last == 0 || m.nextBatch() != 0 {
		return
	}
	s.slept++
	s.silent = [simParts]bool{}
	for e, shape := range simEvents() {
		if t := s.truthOf(e, s.plans()); shape.time.After(&rdd.Watermark{Before: t.mark, Rest: rdd.EndOfTime, Most: max(t.highs[0], t.highs[1], t.highs[2])}, nil, m.now, false) != t.mark {
			s.errorf("behind batch %d nothing will happen, and the watermark of %s is %d, though partitions have reached %v (P28)", m.last, shape.name, t.mark, t.highs)
		}
	}
}

// finish has another driver finish the job (P30).
func (s *sim) finish() {
	s.ending, s.stopped = true, false
	s.restart()
	s.run()
	if s.t.Failed() {
		return
	}
	if last := s.log[len(s.log)-1]; !last.Final || !s.finished {
		s.errorf("the job was finished: %v, the last batch is final: %v (P30)", s.finished, last.Final)
	}
	for _, r := range s.reached {
		if r.Watermark != rdd.EndOfTime {
			s.errorf("behind the last batch the watermark of %s is %d (P30)", r.Input, r.Watermark)
		}
	}
	for p, next := range s.positions() {
		if next != s.ends[p] {
			s.errorf("partition %d was read up to %d, its end was %d", p, next, s.ends[p])
		}
	}
}

// positions are the offsets behind the batches in the log.
func (s *sim) positions() [simParts]int64 {
	var next [simParts]int64
	for _, p := range s.log {
		for _, r := range p.Ranges {
			next[r.Partition] = r.Until
		}
	}
	return next
}

// reports are what an executor says of its source tasks of a batch.
func (s *sim) reports(x *simExec, b int64) []executor.TaskDone {
	plan := x.runs[b]
	var list []executor.TaskDone
	for _, r := range plan.Ranges {
		for _, a := range x.assign.Sources {
			if a.Executor == x.name && a.Partition.Partition == r.Partition {
				id := rdd.TaskID{Part: r.Partition}
				list = append(list, executor.TaskDone{Batch: b, Task: id, Highs: s.highs(&plan, r), Added: []rdd.Delta{{Amount: rdd.Amount{Int: 1, Set: true}}}})
			}
		}
	}
	return list
}
