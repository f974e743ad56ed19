package checkpoint

import (
	"slices"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
)

// never marks a key group without a full dump.
const never = int64(-1)

// bases finds, for each key group of op, the batch of its last full dump up to version at, never where there is none.
func bases(refs []DeltaRef, op string, at int64) (base [row.Groups]int64) {
	for g := range base {
		base[g] = never
	}
	for _, d := range refs {
		if d.Batch > at {
			break
		}
		for _, s := range d.Sections {
			if s.Operator != op || !s.Full {
				continue
			}
			for g := max(s.From, 0); g < min(s.Until, row.Groups); g++ {
				base[g] = d.Batch
			}
		}
	}
	return base
}

// Reach is the newest version up to at that the files of refs bring all state to: that of the last file, or, where that leaves out changes of an operator
// which is written at longer intervals, that of the last file before it that does not. 0 where there is none.
func Reach(refs []DeltaRef, at int64) int64 {
	last := version(refs, "", at)
	v := last
	for _, d := range refs {
		if d.Batch != last {
			continue
		}
		for _, op := range d.Behind {
			v = min(v, version(refs, op, at))
		}
	}
	return v
}

// version is the newest version up to at that the files bring op to.
func version(refs []DeltaRef, op string, at int64) int64 {
	v := int64(0)
	if len(refs) > 0 {
		v = refs[0].Complete
	}
	for _, d := range refs {
		if d.Batch <= at && (!slices.Contains(d.Behind, op) || fault.Planted("P15-behind")) {
			v = max(v, d.Batch)
		}
	}
	return v
}

// Chain chooses from refs what operator op's key groups [from, until) need to be brought to version at, in order of
// application: each result holds only the sections that are needed, in the file's order. Sections may reach beyond [from, until): the caller
// passes its own range to state.Table.Load.
//
// refs are committed deltas ascending by batch, all that a store's Deltas or Recovered.Deltas gave and the commits since. A key group
// without a full dump in them is built from its deltas alone: such groups hold the horizon back, so that their first delta is there. ok is
// false where refs cannot bring a group to version at: at is below the version from which refs are complete and the group has no
// full dump up to it, or changes up to at are in a later file only (--checkpoint-every, CheckpointEvery of an operator).
func Chain(refs []DeltaRef, op string, from, until int, at int64) (need []DeltaRef, ok bool) {
	from, until = max(from, 0), min(until, row.Groups)
	base := bases(refs, op, at)
	if !reaches(refs, op, from, until, at, &base) {
		return nil, false
	}
	for _, d := range refs {
		if d.Batch > at {
			break
		}
		var sections []Section
		for _, s := range d.Sections {
			if s.Operator == op && wanted(s, d.Batch, from, until, &base) {
				sections = append(sections, s)
			}
		}
		if len(sections) > 0 {
			d.Sections = sections
			need = append(need, d)
		}
	}
	return need, true
}

// wanted tells whether some group of [from, until) needs section s of batch b: the dump that it starts from, or a change after it.
func wanted(s Section, b int64, from, until int, base *[row.Groups]int64) bool {
	for g := max(s.From, from); g < min(s.Until, until); g++ {
		if s.Full && base[g] == b || !s.Full && base[g] < b {
			return true
		}
	}
	return false
}

// reaches tells whether refs can bring groups [from, until) of op to version at.
func reaches(refs []DeltaRef, op string, from, until int, at int64, base *[row.Groups]int64) bool {
	if len(refs) > 0 && at < refs[0].Complete {
		for g := from; g < until; g++ {
			if base[g] == never {
				return false
			}
		}
	}
	last := version(refs, "", at)
	for _, d := range refs {
		if d.Batch == last && slices.Contains(d.Behind, op) {
			return false
		}
		if d.Batch <= at || d.Since >= at {
			continue
		}
		for _, s := range d.Sections {
			if s.Operator == op && !s.Full && max(s.From, from) < min(s.Until, until) {
				return false
			}
		}
	}
	return true
}

// floor is the oldest version that a restart may have to begin at: the last that durable state files bring state to. That is below
// durable where later batches wrote no state or not yet (--checkpoint-every): nobody can tell which, so they are computed again. Later files may be torn.
func floor(refs []DeltaRef, stateful bool, durable int64) int64 {
	if !stateful && len(refs) == 0 {
		return durable
	}
	return Reach(refs, durable)
}

// horizon is the oldest batch whose files restoring version low or a later one may need: for each key group of each operator
// the last full dump up to low, or its first delta if it was never dumped. It is never above low, whose file tells that state was written so
// far, nor above committed: the plan of the last committed batch is what sinks' markers are compared with (P7).
func horizon(refs []DeltaRef, low, committed int64) int64 {
	h := max(min(low, committed), 1)
	for _, op := range operatorsOf(refs) {
		base := bases(refs, op, low)
		for _, d := range refs {
			if d.Batch >= h {
				break
			}
			if holds(d, op, &base) {
				h = d.Batch
				break
			}
		}
	}
	return h
}

// operatorsOf are the operators that refs hold state of, in the order of their first section.
func operatorsOf(refs []DeltaRef) []string {
	var names []string
	seen := map[string]bool{}
	for _, d := range refs {
		for _, s := range d.Sections {
			if !seen[s.Operator] {
				seen[s.Operator] = true
				names = append(names, s.Operator)
			}
		}
	}
	return names
}

// holds tells whether d has something of op that the groups' bases do not replace: a base, or a delta of a group without one.
func holds(d DeltaRef, op string, base *[row.Groups]int64) bool {
	for _, s := range d.Sections {
		if s.Operator != op {
			continue
		}
		for g := max(s.From, 0); g < min(s.Until, row.Groups); g++ {
			if s.Full && base[g] == d.Batch || base[g] == never {
				return true
			}
		}
	}
	return false
}
