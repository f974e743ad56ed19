package rdd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// Rows that operators set aside, because they have no event time or an expression does not accept them, go to the source's dead letters, operator by operator, behind the
// records that could not be decoded: where they stand among those would tell how records were cut into chunks.

// letter is a row that was set aside: why, and the record that it came from. block is nil where that is not known.
type letter struct {
	reason string
	block  *records.Block
	index  int
}

// maxTraced is how many rows a node traces to their records by running them again, in one task: that costs a run of their chunk record by record. It counts
// rows, not chunks: what is traced must not depend on how records were cut.
const maxTraced = 256

// inPlace tells whether rows that come to n, a node of a source's task, stand where they stood behind the decoder. Stages above are in byNode.
func inPlace(n *Node, byNode map[int]*stage) bool {
	if n.Kind == Source {
		return true
	}
	for _, in := range n.In {
		above := byNode[in.ID]
		switch {
		case n.Kind != Narrow || above == nil && len(n.In) == 1:
			return false
		case above == nil: // another input of a union lies in this task
		case !above.inPlace || in.Kind == Narrow && (in.Cols == nil || !in.Cols.InPlace):
			return false
		}
	}
	return true
}

// refused sets aside the rows that s's kernel has left out of a chunk.
func (t *Pipeline) refused(s *stage) {
	list := t.ctx.Refused
	t.lose(s, len(list), func() []letter {
		letters := make([]letter, len(list))
		if t.origin.block == nil || !s.inPlace {
			letters = t.trace(s, len(list))
		}
		for i, r := range list {
			letters[i].reason = fmt.Sprintf("%s, in %s%s (%s)", r.Reason, s.node.Op, quoted(s.node.Name), s.node.Site)
			if t.origin.block != nil && s.inPlace {
				letters[i].block, letters[i].index = t.origin.block, t.origin.record(r.Row)
			}
		}
		return letters
	})
	clear(list)
	t.ctx.Refused = list[:0]
}

// record is the record of the row at a place behind the decoder.
func (e extent) record(place int32) int {
	if e.rows == nil {
		return e.lo + int(place)
	}
	return int(e.rows[place])
}

// lose sets n rows of s aside. A replay only counts those that came the way of the rows that it looks for.
func (t *Pipeline) lose(s *stage, n int, letters func() []letter) {
	if t.locating {
		if t.origin.way == t.seeking {
			s.lost += n
		}
		return
	}
	t.aside, t.needed = true, true
	s.letters = append(s.letters, letters()...)
}

// trace finds the records of n rows that s set aside: those of which a fresh pipeline says the same.
func (t *Pipeline) trace(s *stage, n int) []letter {
	letters := make([]letter, n)
	want := min(n, maxTraced-len(s.letters))
	if t.origin.block == nil || want <= 0 {
		return letters
	}
	fresh := t.afresh()
	fresh.seeking = t.origin.way
	twin := fresh.stages[slices.Index(t.stages, s)]
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
				found = append(found, letter{block: t.origin.block, index: i})
			}
		}
	}
	return letters
}

// setAside sends what was found to the dead letters, or ends the job where bad records do.
func (t *Pipeline) setAside() error {
	if !t.aside || t.locating {
		return nil
	}
	var rows []DeadLetter
	source := t.sources()
	for _, s := range t.stages {
		for _, l := range s.letters {
			d := DeadLetter{Source: source, Partition: int32(t.ctx.Partition), Offset: -1, Reason: l.reason}
			if l.block != nil {
				value := l.block.Value(l.index)
				d.Offset, d.Key, d.Value = l.block.Offset(l.index), l.block.Key(l.index), value[:min(len(value), MaxDeadBytes)]
			}
			if t.root.Kind != Source {
				d.Reason += fmt.Sprintf(", behind %s%s (%s)", t.root.Op, quoted(t.root.Name), t.root.Site)
			}
			if t.stopOnBad {
				return &BadRecordError{Source: d.Source, Partition: t.ctx.Partition, Offset: d.Offset, Reason: d.Reason}
			}
			rows = append(rows, d)
		}
		s.letters = nil
	}
	t.aside = false
	if t.dead != nil && !fault.Planted("P13-aside") {
		if err := t.dead.lanes.add(Chunk{N: len(rows), Vals: rows}); err != nil {
			return t.engineError(t.dead.node, err)
		}
	}
	return nil
}

// sources are the names of the sources that the task's rows come from.
func (t *Pipeline) sources() string {
	var names []string
	for _, s := range sourcesOf(t.root) {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(names, "+")
}
