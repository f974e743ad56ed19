package rdd

import (
	"cmp"
	"fmt"
	"math"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// Rows without event time go to the source's dead letters, behind the records that could not be decoded: where they stand among those would tell how records
// were cut into chunks.

// letter is a row without event time: the record that it came from. block is nil where that is not known.
type letter struct {
	block *records.Block
	index int
}

// maxTraced is how many rows without event time a node traces to their records, in one task: that costs a run of their chunk record by record. It counts
// rows, not chunks: what is traced must not depend on how records were cut.
const maxTraced = 256

// date is process for a node with event time.
func (t *Pipeline) date(s *stage, in Chunk) Chunk {
	limit := int64(math.MaxInt64 - 1)
	if ahead := s.node.Event.Ahead; ahead > 0 {
		limit = min(limit-ahead, t.ctx.Time) + ahead
	}
	out, found := s.dated.Date(in, limit)
	t.ctx.Highs[s.event] = max(t.ctx.Highs[s.event], found.Highest)
	t.ctx.Counters.Ahead += found.Ahead
	s.ahead += found.Ahead
	t.ctx.Counters.Bad += found.Without
	switch n := int(found.Without); {
	case n == 0:
	case t.locating:
		s.lost += n
	default:
		t.undated = true
		s.letters = append(s.letters, t.trace(s, n)...)
	}
	return out
}

// trace finds the records of n rows without event time: those of which a fresh pipeline says the same.
func (t *Pipeline) trace(s *stage, n int) []letter {
	letters := make([]letter, n)
	want := min(n, maxTraced-len(s.letters))
	if t.origin.block == nil || want <= 0 {
		return letters
	}
	fresh := t.afresh()
	var twin *stage
	for _, o := range fresh.stages {
		if o.node == s.node {
			twin = o
		}
	}
	found := letters[:0]
	for i := t.origin.lo; i < t.origin.hi && len(found) < want; i++ {
		err := fresh.guard(nil, func() error {
			if err := fresh.pushRange(t.origin.block, i, i+1); err != nil {
				return err
			}
			return fresh.release()
		})
		if err != nil {
			break // user code that fails has a way of its own to be found
		}
		for ; twin.lost > 0; twin.lost-- {
			if len(found) < want {
				found = append(found, letter{t.origin.block, i})
			}
		}
	}
	return letters
}

// setAside sends what was found to the dead letters, or ends the job where bad records do.
func (t *Pipeline) setAside() error {
	if !t.undated || t.locating {
		return nil
	}
	var rows []DeadLetter
	for _, s := range t.stages {
		for _, l := range s.letters {
			d := DeadLetter{
				Source: t.root.Name, Partition: int32(t.ctx.Partition), Offset: -1,
				Reason: fmt.Sprintf("no event time: %s of %s (%s) is null", cmp.Or(s.node.Event.Column, "the result"), s.node.Op, s.node.Site),
			}
			if l.block != nil {
				value := l.block.Value(l.index)
				d.Offset, d.Key, d.Value = l.block.Offset(l.index), l.block.Key(l.index), value[:min(len(value), MaxDeadBytes)]
			}
			if t.stopOnBad {
				return &BadRecordError{Source: d.Source, Partition: t.ctx.Partition, Offset: d.Offset, Reason: d.Reason}
			}
			rows = append(rows, d)
		}
		s.letters = nil
	}
	t.undated = false
	if t.dead != nil && !fault.Planted("P13-undated") {
		t.dead.lanes.add(Chunk{N: len(rows), Vals: rows})
	}
	return nil
}
