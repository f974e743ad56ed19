package checkpoint

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/fault"
)

// ledger is what a batch log says, entry by entry. The writer applies what it appends, a reader what it reads: both come to the
// same. One goroutine at a time.
type ledger struct {
	uuid      string
	timeline  int64
	job       string
	epoch     int64
	committed int64
	durable   int64 // as recorded in the log
	finished  bool

	last      *Plan                         // of batch committed
	planned   []Plan                        // above committed, ascending, without gaps
	positions map[SourcePartition]int64     // behind batch committed
	known     map[SourcePartition]Partition // planned up to batch committed
	targets   []Range

	operators []Operator // by name
	settings  map[string]string
	values    map[[32]byte]sharedMeta
	totals    map[string]Total // of accumulators, up to batch committed
	reached   reached

	deltas []DeltaRef         // committed, ascending by (batch, file)
	whole  bool               // deltas reach back to the first that ever was
	places map[int64]place    // plan records by batch
	named  map[int64][][]byte // hashes of shared values and broadcasts by batch, of the same plans
	stats  []Commit           // commits that are still in the log, without deltas and what partitions reached, ascending
}

func newLedger() *ledger {
	return &ledger{
		timeline:  1,
		positions: map[SourcePartition]int64{},
		known:     map[SourcePartition]Partition{},
		settings:  map[string]string{},
		values:    map[[32]byte]sharedMeta{},
		totals:    map[string]Total{},
		reached:   reached{},
		places:    map[int64]place{},
		named:     map[int64][][]byte{},
	}
}

// lastPlanned is the highest batch that is planned or committed.
func (l *ledger) lastPlanned() int64 { return l.committed + int64(len(l.planned)) }

// check tells why e must not follow what the ledger holds.
func (l *ledger) check(e *entry) error {
	done := l.committed
	if fault.Planted("I4-order") {
		return nil
	}
	for i, c := range e.Commits {
		if c.Batch != l.committed+int64(i)+1 {
			return fmt.Errorf("commit of batch %d follows that of batch %d (I4)", c.Batch, done)
		}
		if i >= len(l.planned) {
			return fmt.Errorf("commit of batch %d, which is not planned (I1)", c.Batch)
		}
		if !bytes.Equal(c.Hash, l.planned[i].Hash) {
			return fmt.Errorf("commit of batch %d has plan hash %x, its plan record %x", c.Batch, c.Hash, l.planned[i].Hash)
		}
		for _, d := range c.Deltas {
			if d.Batch > c.Batch {
				return fmt.Errorf("commit of batch %d holds state of batch %d (I3)", c.Batch, d.Batch)
			}
		}
		done = c.Batch
	}
	if p := e.Plan; p != nil && (p.Batch <= done || p.Batch > l.lastPlanned()+1) {
		return fmt.Errorf("plan of batch %d, with %d committed and %d planned", p.Batch, done, l.lastPlanned())
	}
	return nil
}

// apply takes e, which check let pass, into the ledger. at is where it lies.
func (l *ledger) apply(e *entry, at place) {
	if e.Header != nil {
		l.applyHeader(e.Header)
	}
	for i := range e.Commits {
		l.commit(&e.Commits[i])
	}
	if e.Plan != nil {
		l.plan(e.Plan, at)
	}
	if e.Operators != nil {
		l.setOperators(e.Operators)
	}
	for _, s := range e.Settings {
		l.settings[s.Key] = s.Value
	}
	for _, v := range e.Values {
		l.values[v.Hash] = v
	}
	if e.Replaced != nil {
		l.deltas = slices.DeleteFunc(l.deltas, func(d DeltaRef) bool { return d.Batch > e.Replaced.After })
		l.deltas = addRefs(l.deltas, e.Replaced.Deltas)
	}
	l.durable = max(l.durable, e.Durable)
	l.timeline = max(l.timeline, e.Timeline)
	l.finished = l.finished || e.Finished
}

// plan adds a plan record. One for a batch that was planned before takes its place and that of all later ones: a changed program
// plans again what nobody saw (P1).
func (l *ledger) plan(p *Plan, at place) {
	for b := p.Batch + 1; b <= l.lastPlanned(); b++ {
		delete(l.places, b)
		delete(l.named, b)
	}
	l.planned = append(l.planned[:p.Batch-l.committed-1:p.Batch-l.committed-1], *p)
	l.places[p.Batch], l.named[p.Batch] = at, p.valuesNamed()
	if p.Batch == 1 {
		l.targets = p.Targets
	}
}

func (l *ledger) commit(c *Commit) {
	p := l.planned[0]
	l.advance(&p, l.positions, l.known)
	l.last, l.planned, l.committed = &p, l.planned[1:], c.Batch
	if len(c.Deltas) > 0 {
		l.deltas = addRefs(l.deltas, c.Deltas)
	}
	for _, t := range c.Totals {
		l.totals[t.Name] = t
	}
	l.reached.take(c.Reached)
	kept := *c
	kept.Deltas, kept.Totals, kept.Reached = nil, nil, slices.Clone(c.Reached)
	for i := range kept.Reached {
		kept.Reached[i].Partitions = nil // only the watermarks are few
	}
	l.stats = append(l.stats, kept)
}

func compareRefs(a, b DeltaRef) int {
	return cmp.Or(cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.File, b.File))
}

// addRefs adds more to list, which stays in order. Nearly always they come behind its end.
func addRefs(list, more []DeltaRef) []DeltaRef {
	more = slices.SortedFunc(slices.Values(more), compareRefs)
	if len(list) == 0 || len(more) == 0 || compareRefs(list[len(list)-1], more[0]) <= 0 {
		return append(list, more...)
	}
	return slices.SortedStableFunc(slices.Values(append(list, more...)), compareRefs)
}

// advance moves positions and known partitions behind p.
func (l *ledger) advance(p *Plan, positions map[SourcePartition]int64, known map[SourcePartition]Partition) {
	for _, n := range p.New {
		id := SourcePartition{n.Source, n.Partition}
		known[id] = n
		positions[id] = n.Start
	}
	for _, r := range p.Ranges {
		positions[SourcePartition{r.Source, r.Partition}] = r.Until
	}
}

func (l *ledger) setOperators(o *operators) {
	l.operators = o.Set
	if len(o.Dropped) == 0 {
		return
	}
	// A ref without sections stays: it tells up to which batch state was written.
	l.deltas = slices.Clone(l.deltas)
	for i, d := range l.deltas {
		l.deltas[i].Sections = slices.DeleteFunc(slices.Clone(d.Sections), func(s Section) bool { return slices.Contains(o.Dropped, s.Operator) })
		l.deltas[i].Behind = slices.DeleteFunc(slices.Clone(d.Behind), func(op string) bool { return slices.Contains(o.Dropped, op) })
	}
}

// applyHeader takes over what a header says: all of it where the ledger is empty, and otherwise what a header may add.
func (l *ledger) applyHeader(h *header) {
	l.epoch = h.Epoch
	if l.uuid != "" {
		return
	}
	l.uuid, l.job, l.timeline = h.UUID, h.Job, h.Timeline
	l.whole = h.Number == 1
	l.committed, l.durable, l.finished = h.Committed, h.Durable, h.Finished
	l.last, l.planned, l.targets = h.Last, slices.Clone(h.Planned), h.Targets
	l.operators = h.Operators
	for _, p := range h.Positions {
		l.positions[SourcePartition{p.Source, p.Partition}] = p.Next
	}
	for _, p := range h.Partitions {
		l.known[SourcePartition{p.Source, p.Partition}] = p
	}
	for _, s := range h.Settings {
		l.settings[s.Key] = s.Value
	}
	for _, v := range h.Values {
		l.values[v.Hash] = v
	}
	for _, t := range h.Totals {
		l.totals[t.Name] = t
	}
	l.reached.take(h.Reached)
}

// contradicts tells how a header disagrees with what the segments before it said; "" if it does not.
func (l *ledger) contradicts(h *header) string {
	switch {
	case h.UUID != l.uuid:
		return fmt.Sprintf("segment of checkpoint %s in the log of %s", h.UUID, l.uuid)
	case h.Committed != l.committed || h.Committed+int64(len(h.Planned)) != l.lastPlanned():
		return fmt.Sprintf("header says committed %d and planned %d, the segments before it %d and %d",
			h.Committed, h.Committed+int64(len(h.Planned)), l.committed, l.lastPlanned())
	case h.Epoch < l.epoch:
		return fmt.Sprintf("segment of epoch %d follows one of epoch %d", h.Epoch, l.epoch)
	}
	return ""
}

// header is the ledger as the first entry of segment n.
func (l *ledger) header(n, epoch, accepted int64) *header {
	return &header{
		Format: format, Number: n, Epoch: epoch, Accepted: accepted,
		UUID: l.uuid, Timeline: l.timeline, Job: l.job,
		Committed: l.committed, Durable: l.durable, Finished: l.finished,
		Last: l.last, Planned: l.planned, Targets: l.targets,
		Positions: positionList(l.positions), Partitions: partitionList(l.known),
		Operators: l.operators, Settings: l.settingList(), Values: l.valueList(), Totals: l.totalList(), Reached: l.reached.list(),
	}
}

func compareIDs(a, b SourcePartition) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Partition, b.Partition))
}

func positionList(m map[SourcePartition]int64) []position {
	var list []position
	for id, next := range m {
		list = append(list, position{id.Source, id.Partition, next})
	}
	slices.SortFunc(list, func(a, b position) int {
		return compareIDs(SourcePartition{a.Source, a.Partition}, SourcePartition{b.Source, b.Partition})
	})
	return list
}

func partitionList(m map[SourcePartition]Partition) []Partition {
	var list []Partition
	for _, p := range m {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Partition) int {
		return compareIDs(SourcePartition{a.Source, a.Partition}, SourcePartition{b.Source, b.Partition})
	})
	return list
}

func (l *ledger) settingList() []setting {
	var list []setting
	for k, v := range l.settings {
		list = append(list, setting{k, v})
	}
	slices.SortFunc(list, func(a, b setting) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

func (l *ledger) valueList() []sharedMeta {
	var list []sharedMeta
	for _, v := range l.values {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b sharedMeta) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	return list
}

func (l *ledger) totalList() []Total {
	if fault.Planted("P17-totals") {
		return nil
	}
	var list []Total
	for _, t := range l.totals {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Total) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// recovered is the ledger as the driver wants it.
func (l *ledger) recovered() *Recovered {
	r := &Recovered{
		UUID: l.uuid, Timeline: l.timeline, Epoch: l.epoch, Committed: l.committed,
		Planned: slices.Clone(l.planned), Last: l.last, Positions: map[string]map[int]int64{},
		Targets: l.targets, Operators: slices.Clone(l.operators), Deltas: l.refs(), Durable: l.durable, Finished: l.finished,
		Totals: l.totalList(), Reached: l.reached.list(),
	}
	positions, known := map[SourcePartition]int64{}, map[SourcePartition]Partition{}
	for id, next := range l.positions {
		positions[id] = next
	}
	for id, p := range l.known {
		known[id] = p
	}
	for i := range r.Planned {
		l.advance(&r.Planned[i], positions, known)
		r.Last = &r.Planned[i]
	}
	for id, next := range positions {
		if r.Positions[id.Source] == nil {
			r.Positions[id.Source] = map[int]int64{}
		}
		r.Positions[id.Source][id.Partition] = next
	}
	r.Partitions = partitionList(known)
	return r
}

// refs are the committed deltas that restoring may need.
func (l *ledger) refs() []DeltaRef {
	h := l.horizon(l.durable)
	list := slices.DeleteFunc(slices.Clone(l.deltas), func(d DeltaRef) bool { return d.Batch < h })
	if len(list) > 0 && (!l.whole || len(list) < len(l.deltas)) {
		list[0].Complete = l.floor(l.durable)
	}
	return list
}

// forget drops what is known of batches below h.
func (l *ledger) forget(h int64) {
	kept := slices.DeleteFunc(slices.Clone(l.deltas), func(d DeltaRef) bool { return d.Batch < h })
	l.whole = l.whole && len(kept) == len(l.deltas)
	l.deltas = kept
	l.stats = slices.DeleteFunc(l.stats, func(c Commit) bool { return c.Batch < h })
}

// floor and horizon are what they would be if state files up to batch durable were fsynced.
func (l *ledger) floor(durable int64) int64 { return floor(l.deltas, len(l.operators) > 0, durable) }

func (l *ledger) horizon(durable int64) int64 {
	return horizon(l.deltas, l.floor(durable), l.committed)
}
