package executor

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// DeltaTask names the writing of an executor's delta file in TaskFailed and Retry.
var DeltaTask = rdd.TaskID{Node: -1}

func concat(recs []arrow.Record) arrow.Record { return batch.Concat(recs) }

// deltaWork writes a batch's delta file on a slot (P15).
type deltaWork struct {
	run      *run
	dir      depot
	since    int64
	executor string
	epoch    int64
	attempt  int
	changes  []changes
	owned    int // run.owned when it began
}

// changes are a table's changes since the last file.
type changes struct {
	store       rdd.Store
	from, until int
	list        []change
}

// deltaDone is deltaWork's result.
type deltaDone struct {
	work *deltaWork
	ref  checkpoint.DeltaRef
	err  error
}

func (w *deltaWork) do(ctx context.Context) any {
	var sections []checkpoint.SectionData
	for _, c := range w.changes {
		s, err := c.sections()
		if err != nil {
			return deltaDone{work: w, err: err}
		}
		sections = append(sections, s...)
	}
	ref, err := w.dir.write(ctx, w, sections)
	return deltaDone{w, ref, err}
}

// sections are the changed rows of all the batches together, each key's last state only, and the dumps behind them.
func (c *changes) sections() ([]checkpoint.SectionData, error) {
	var deltas []arrow.Record
	var dumps []checkpoint.SectionData
	for _, ch := range c.list {
		if ch.delta != nil {
			deltas = append(deltas, ch.delta)
		}
		dumps = append(dumps, ch.dumps...) // only the last batch of a file has any
	}
	var out []checkpoint.SectionData
	if rec, err := merge(c.store.Key, deltas); err != nil {
		return nil, fmt.Errorf("operator %q: %w", c.store.Name, err)
	} else if rec != nil {
		out = append(out, checkpoint.SectionData{Operator: c.store.Name, From: c.from, Until: c.until, Rec: rec})
	}
	return append(out, dumps...), nil
}

// stateColumns is how many columns of a delta stand before the key's.
const stateColumns = 3

// merge joins deltas, ascending by batch, into one that has each key once, ordered as a delta is.
func merge(key *row.Codec, deltas []arrow.Record) (arrow.Record, error) {
	if len(deltas) < 2 {
		return batch.Concat(deltas), nil
	}
	all := batch.Concat(deltas)
	var keys row.Keys
	width := key.Schema().NumFields()
	if err := key.AppendKeyColumns(all.Columns()[stateColumns:stateColumns+width], &keys); err != nil {
		return nil, err
	}
	numbers := make([]int32, keys.Len())
	dict := row.NewDict(keys.Len())
	dict.Add(&keys, numbers)
	last := make([]int32, dict.Len())
	for i, k := range numbers {
		last[k] = int32(i)
	}
	slices.SortFunc(last, func(a, b int32) int {
		if d := row.Group(keys.Hash[a]) - row.Group(keys.Hash[b]); d != 0 {
			return d
		}
		return bytes.Compare(keys.Key(int(a)), keys.Key(int(b)))
	})
	return batch.Take(all, last), nil
}

// every is how many batches one delta file covers. What lineage computes again is written batch by batch, so that state can be restored at any of them.
func (e *core) every() int64 {
	if e.replays {
		return 1
	}
	return int64(max(e.set.CheckpointEvery, 1))
}

// everyOf is every for the state of one node, which may be left out of files: its own interval is rounded up to whole files.
func (e *core) everyOf(n *rdd.Node) int64 {
	every := e.every()
	if e.replays || n.Wide.CheckpointEvery <= every {
		return every
	}
	return (n.Wide.CheckpointEvery + every - 1) / every * every
}

// since is the batch up to which files before b's reach.
func (e *core) since(b int64) int64 { return (b - 1) / e.every() * e.every() }

// writesDelta tells whether batch b ends a span of --checkpoint-every batches.
func (e *core) writesDelta(b int64) bool {
	return e.set.Deltas && b%e.every() == 0
}

// changesFor are all own changes that batch b's file is to hold.
func (e *core) changesFor(b int64) []changes {
	var out []changes
	for _, n := range e.ownParts() {
		x := e.parts[n]
		for _, k := range x.tables {
			every := e.everyOf(k.node)
			if b%every != 0 {
				continue
			}
			var list []change
			for _, c := range k.log {
				if c.batch <= b && c.batch > b-every {
					list = append(list, c)
				}
			}
			if len(list) > 0 {
				out = append(out, changes{k.store, x.from, x.until, list})
			}
		}
	}
	return out
}

// unsaved are the operators whose changes up to b are not all in the files up to b's, because they are written at longer intervals.
func (e *core) unsaved(b int64) []string {
	var names []string
	for _, n := range e.ownParts() {
		for _, k := range e.parts[n].tables {
			written := b / e.everyOf(k.node) * e.everyOf(k.node)
			late := func(c change) bool { return c.batch > written && c.batch <= b }
			if slices.ContainsFunc(k.log, late) && !slices.Contains(names, k.store.Name) {
				names = append(names, k.store.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}
