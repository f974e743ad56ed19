package driver

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// input is one source: its partitions, by number.
type input struct {
	sourceShape
	parts []*part
	byKey map[string]*part
	found bool // partitions were discovered at least once
}

// part is one source partition.
//
//	start ……… next ……… held ……… end
//	   planned     in memory    there
type part struct {
	checkpoint.Partition
	next     int64   // offsets below are planned
	held     int64   // offsets below are held by the owner
	end      int64   // last known end
	rows     int64   // held and not planned, roughly
	complete bool    // end will not grow
	listed   bool    // discovery has seen it in this run
	recorded bool    // a plan record has it
	limit    int64   // plan no offset from here on, -1 for no limit (bounded runs)
	owner    string  // executor
	busy     int64   // when it last had rows that were not planned, or may have had
	highs    []int64 // by event-time input: the highest event time of its rows, up to the last batch that is staged
	stands   []standing
}

// recoverInputs rebuilds partitions and positions from the checkpoint.
func (m *machine) recoverInputs() {
	m.fronts = make([]front, len(m.shape.events))
	for i := range m.fronts {
		m.fronts[i].most = rdd.NoTime
	}
	for _, s := range m.shape.sources {
		m.sources[s.name] = &input{sourceShape: s, byKey: map[string]*part{}}
		m.order = append(m.order, s.name)
	}
	slices.Sort(m.order)
	for _, p := range m.recovered.Partitions {
		in := m.sources[p.Source]
		if in == nil {
			continue // the program no longer reads it
		}
		next, ok := m.recovered.Positions[p.Source][p.Partition]
		if !ok {
			next = p.Start
		}
		m.add(in, &part{Partition: p, next: next, held: next, end: next, recorded: true, limit: -1})
	}
	m.recoverEvents()
}

// add places p at its number; numbers without a partition stay nil.
func (m *machine) add(in *input, p *part) {
	p.busy, p.highs, p.stands = m.now, slices.Repeat([]int64{rdd.NoTime}, len(m.shape.events)), make([]standing, len(m.shape.events))
	for i := range p.stands {
		s := &p.stands[i]
		s.holding.of, s.falling.of = s, s
	}
	for len(in.parts) <= p.Partition.Partition {
		in.parts = append(in.parts, nil)
	}
	in.parts[p.Partition.Partition] = p
	in.byKey[p.Key] = p
	m.touch(p)
}

// onDiscovered numbers new partitions in the order in which they were seen.
func (m *machine) onDiscovered(e discovered) {
	in := m.sources[e.source]
	if in == nil {
		return
	}
	first := !in.found
	in.found = true
	bounded := m.caughtUp || m.finish
	for _, d := range e.parts {
		p := in.byKey[d.Key]
		if p == nil {
			if bounded && !first {
				continue // it was not there when the run began
			}
			p = &part{
				Partition: checkpoint.Partition{Source: e.source, Partition: len(in.parts), Key: d.Key, Meta: d.Meta, Start: d.Start},
				next:      d.Start, held: d.Start, limit: -1,
			}
			m.add(in, p)
			if m.opened {
				m.reassign = true
				m.note("info", "partition found", "source", e.source, "partition", p.Partition.Partition, "key", d.Key)
			}
		} else if p.recorded && !p.listed && d.End >= 0 && d.End < p.next { // -1: not known
			m.fail("source %s partition %d (%s): it ends at %d, and batches up to offset %d were planned: it was made anew or cut; restore it, or start with a new --checkpoint",
				e.source, p.Partition.Partition, p.Key, d.End, p.next)
			return
		} else if m.opened && !p.listed {
			m.reassign = true
		}
		p.listed = true
		p.end = max(p.end, d.End)
		p.complete = p.complete || d.Complete
		if bounded && first && d.End >= 0 {
			p.limit = max(d.End, p.next)
		}
		m.touch(p)
	}
}

// onHeld notes how far the owners have read ahead.
func (m *machine) onHeld(from string, h *executor.Held) {
	for _, x := range h.Parts {
		p := m.part(x.Source, x.Partition)
		if p == nil || p.owner != from {
			continue
		}
		if x.Err != "" {
			m.fail("%s", x.Err)
			return
		}
		p.held = x.Until
		if p.held > p.next {
			p.busy = m.now
		}
		p.rows = x.Rows
		p.end = max(p.end, x.End, x.Until)
		if x.Complete {
			p.complete, p.end = true, x.Until
		}
		m.touch(p)
	}
}

// allRead tells whether all that sources have, as far as discovery knows, may be planned.
func (m *machine) allRead() bool {
	all := m.phase == running
	m.eachPart(func(_ *input, p *part) {
		end := p.end
		if p.limit >= 0 {
			end = min(end, p.limit)
		}
		all = all && (!p.listed || p.until() >= end)
	})
	return all
}

func (m *machine) part(source string, number int) *part {
	in := m.sources[source]
	if in == nil || number < 0 || number >= len(in.parts) {
		return nil
	}
	return in.parts[number]
}

// eachPart visits all partitions in the order of plan records: by source, then number.
func (m *machine) eachPart(visit func(in *input, p *part)) {
	for _, name := range m.order {
		in := m.sources[name]
		for _, p := range in.parts {
			if p != nil {
				visit(in, p)
			}
		}
	}
}

// discoveredAll tells whether every source has shown its partitions.
func (m *machine) discoveredAll() bool {
	for _, in := range m.sources {
		if !in.found {
			return false
		}
	}
	return true
}

// until is how far p could be planned now.
func (p *part) until() int64 {
	u := p.held
	if p.limit >= 0 {
		u = min(u, p.limit)
	}
	return max(u, p.next)
}

// exhausted tells whether nothing of p will ever be planned again in this run.
func (p *part) exhausted() bool {
	if p.limit >= 0 && p.next >= p.limit {
		return true
	}
	return p.complete && p.next >= p.end
}

// wanted tells whether an executor has to own p: it may still be planned, or a batch that will run again reads it.
func (m *machine) wanted(p *part) bool {
	if p.listed && !p.exhausted() {
		return true
	}
	reads := func(plan *checkpoint.Plan) bool {
		for _, r := range plan.Ranges {
			if r.Source == p.Source && r.Partition == p.Partition.Partition {
				return true
			}
		}
		return false
	}
	for _, f := range m.flights {
		if reads(&f.plan) {
			return true
		}
	}
	for i := range m.todo {
		if reads(&m.todo[i]) {
			return true
		}
	}
	return false
}

// setTargets fixes the ends up to which tables are loaded before their streams (P32): once for each table source, at the first plan.
func (m *machine) setTargets() []checkpoint.Range {
	var added []checkpoint.Range
	for _, s := range m.shape.sources {
		if !s.table || m.hasTargets(s.name) {
			continue
		}
		for _, p := range m.sources[s.name].parts {
			if p != nil && p.end > p.Start {
				added = append(added, checkpoint.Range{Source: s.name, Partition: p.Partition.Partition, From: p.Start, Until: p.end})
			}
		}
	}
	m.targets = append(m.targets, added...)
	return added
}

func (m *machine) hasTargets(source string) bool {
	for _, t := range m.targets {
		if t.Source == source {
			return true
		}
	}
	return m.last > 0 // a table without rows at the first plan has nothing to reach
}

// gated tells whether a source has to wait for a table (P32). Before the first plan a table's target is what discovery showed.
func (m *machine) gated(in *input) bool {
	if fault.Planted("P32-gate") {
		return false
	}
	for _, name := range in.after {
		for _, p := range m.sources[name].parts {
			if p == nil {
				continue
			}
			target := int64(0)
			if m.last == 0 {
				target = p.end
			}
			for _, t := range m.targets {
				if t.Source == name && t.Partition == p.Partition.Partition {
					target = t.Until
				}
			}
			if p.next < target {
				return true
			}
		}
	}
	return false
}

// recordPartitions are the partitions that no plan record has yet; the caller records them.
func (m *machine) recordPartitions() []checkpoint.Partition {
	var fresh []checkpoint.Partition
	m.eachPart(func(_ *input, p *part) {
		if !p.recorded {
			p.recorded = true
			fresh = append(fresh, p.Partition)
		}
	})
	return fresh
}

func (p *part) String() string {
	return fmt.Sprintf("%s/%d next=%d held=%d end=%d", p.Source, p.Partition.Partition, p.next, p.held, p.end)
}
