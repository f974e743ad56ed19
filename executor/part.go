package executor

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// part is a reduce partition that this executor owns: the tables of all stateful nodes for its key groups.
type part struct {
	n           int
	from, until int    // key groups
	tables      tables // ascending by node; those of one node in the order of rdd.Node.Stores
	ready       bool   // restored
}

// tables are all tables of a node in one partition, or of all nodes. Those of a node go from version to version together.
type tables []*keyed

// keyed is one state table in one partition. The core owns at, due and log. The rest is used by the core and by the slot that runs
// the table's task in turn, never at once.
type keyed struct {
	node      *rdd.Node
	store     rdd.Store
	at        int64    // version, as far as results have come
	due       int64    // earliest timer, as of the last task
	log       []change // of batches that are not in a committed file yet, ascending
	table     *state.Table
	forgotten int64             // undo of batches up to here is gone
	written   [row.Groups]int64 // delta rows since the group's last dump
	dumped    [row.Groups]int64 // batch of the last dump
	allowed   int64             // rows that dumps may have, saved up over batches
}

// change is what one batch did to a table: the changed rows, and full dumps of some groups behind it.
type change struct {
	batch int64
	delta arrow.Record // nil: nothing changed
	dumps []checkpoint.SectionData
}

// sealed is what one batch did to a table, and its earliest timer behind that.
type sealed struct {
	change change
	due    int64
}

// newPart makes empty tables at version 0. older says what rows of older files hold in columns that came later.
func newPart(p *rdd.Plan, l *rdd.Layout, n int, older map[string][]row.Default) *part {
	x := &part{n: n}
	x.from, x.until = l.GroupsOf(n)
	for _, node := range p.Wides {
		for _, s := range node.Stores() {
			k := &keyed{node: node, store: s, table: state.New(s.Key, s.Val, 0)}
			k.table.Older(older[s.Name])
			x.tables = append(x.tables, k)
		}
	}
	return x
}

// of are the tables of a node, which may be a batch's copy; none if it keeps no state.
func (x *part) of(n *rdd.Node) tables {
	from := slices.IndexFunc(x.tables, func(k *keyed) bool { return k.node.ID == n.ID })
	if from < 0 {
		return nil
	}
	return x.tables[from : from+len(n.Stores())]
}

// nextDue is the earliest timer, and the earliest watermark of a source's event time at which a timer of event time may be due; 0 for none.
func (ts tables) nextDue(p *rdd.Plan) (due, event int64) {
	for _, k := range ts {
		switch {
		case k.due == 0:
		case k.node.Wide.Event:
			event = sooner(event, p.Soonest(k.node, k.due))
		default:
			due = sooner(due, k.due)
		}
	}
	return due, event
}

// isDue tells whether tables of one node have a timer that is due by then.
func (ts tables) isDue(until int64) bool {
	return slices.ContainsFunc(ts, func(k *keyed) bool { return k.due != 0 && k.due <= until })
}

// sooner is the earlier of two due times, of which 0 means never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// rollback takes the partition back to a version; false if it cannot: then it has to be restored from files.
func (x *part) rollback(to int64) bool {
	for _, k := range x.tables {
		if !x.ready || k.table.Version() < to || k.forgotten > to {
			return false
		}
	}
	for _, k := range x.tables {
		if k.table.Version() > to && !fault.Planted("P14-rollback") {
			k.table.Rollback(to)
			k.undumped(to)
		}
		for len(k.log) > 0 && k.log[len(k.log)-1].batch > to {
			k.log = k.log[:len(k.log)-1]
		}
		k.at, k.due = k.table.Version(), k.table.NextDue()
	}
	return true
}

// undumped forgets dumps of batches above to: they went with their batch, and the next chance is taken.
func (k *keyed) undumped(to int64) {
	for g, b := range k.dumped {
		if b > to {
			k.dumped[g], k.written[g] = 0, 1<<40
		}
	}
}

// saved drops changes that a committed file holds.
func (k *keyed) saved(b int64) {
	for len(k.log) > 0 && k.log[0].batch <= b {
		k.log = k.log[1:]
	}
}

// begin opens batch b, after undo that nobody needs any more has gone.
func (ts tables) begin(b, committed int64) {
	for _, k := range ts {
		if committed > k.forgotten {
			k.table.Forget(min(committed, b-1))
			k.forgotten = min(committed, b-1)
		}
		k.table.Begin(b)
	}
}

// seal ends batch b and gives what changed, table by table. The core appends that to the logs.
func (ts tables) seal(b int64, what record, x *part) []sealed {
	out := make([]sealed, len(ts))
	for i, k := range ts {
		out[i] = sealed{k.seal(b, what, x), k.table.NextDue()}
	}
	return out
}

// append notes a sealed batch.
func (ts tables) append(list []sealed) {
	for i, k := range ts {
		k.append(list[i].change, list[i].due)
	}
}

// derive computes those that follow from others, which have been restored to a version.
func (ts tables) derive(b int64) error {
	for len(ts) > 0 {
		node := ts[0].node
		list := make([]*state.Table, len(node.Stores()))
		for i := range list {
			list[i] = ts[i].table
		}
		if err := node.Wide.DeriveAt(b, list); err != nil {
			return fmt.Errorf("state of %q at version %d: %w", node.Name, b, err)
		}
		ts = ts[len(list):]
	}
	return nil
}

// undo takes a failed batch back, whether it was sealed or not.
func (ts tables) undo(b int64) {
	for _, k := range ts {
		if k.table.Version() == b {
			k.table.Rollback(b - 1)
		} else {
			k.table.Abort()
		}
		k.undumped(b - 1)
	}
}

// Limits of the rolling dumps that keep chains of deltas short (P15).
const (
	dumpEvery    = 1024 // batches after which a group is dumped again at the latest, or as many as it has rows, up to
	dumpEveryMax = 8192 //
	dumpMinRows  = 256  // delta rows below which a group is not worth a dump of its own
	dumpTinyRows = 4096 // a table of no more live rows is dumped as a whole
)

// record says what seal keeps of a batch.
type record uint8

const (
	nothing record = iota // no deltas are written
	changed               // the changed rows
	dumped                // and full dumps of some groups: the batch ends a file
)

// seal ends batch b and gives what changed.
func (k *keyed) seal(b int64, what record, x *part) change {
	k.table.Seal()
	if what == nothing || k.store.Derived {
		return change{batch: b}
	}
	c := change{batch: b, delta: k.table.Delta(b)}
	rows := int64(0)
	if c.delta != nil {
		rows = c.delta.NumRows()
		groups, ok := c.delta.Column(0).(*array.Uint8)
		assert.True(ok, "a delta's first column is a %s, not the key group", c.delta.Column(0).DataType())
		for _, g := range groups.Uint8Values() {
			k.written[g]++
		}
	}
	if what == dumped {
		c.dumps = k.dumps(b, rows, x)
	}
	return c
}

// append notes a sealed batch.
func (k *keyed) append(c change, due int64) {
	k.at, k.due = c.batch, due
	if c.delta != nil || len(c.dumps) > 0 {
		k.log = append(k.log, c)
	}
}

// idle tells whether a batch that changes nothing can pass without a look at dumps.
func (ts tables) idle(b int64, x *part) bool {
	for _, k := range ts {
		for g := x.from; g < x.until && !k.store.Derived; g++ {
			if b-k.dumped[g] >= k.patience(g) {
				return false
			}
		}
	}
	return true
}

// patience is how many batches a group's last dump may be old: files behind it are kept so long, and a dump costs what the group holds.
func (k *keyed) patience(g int) int64 {
	return min(max(int64(k.table.GroupLen(g)), dumpEvery), dumpEveryMax)
}

// dumps chooses key groups to write in full: those whose delta rows since the last dump exceed their live rows, and those whose last dump is too old. Each batch allows for
// about twice its own rows. A group that is larger waits until batches have allowed for it together: of much state, of which little changes, one batch in many pays for a dump.
func (k *keyed) dumps(b, rows int64, x *part) []checkpoint.SectionData {
	if k.table.Len() <= dumpTinyRows {
		return k.dumpWhole(b, x)
	}
	budget, waits := max(2*rows, dumpTinyRows), false
	k.allowed += budget
	var out []checkpoint.SectionData
	for i := range x.until - x.from {
		g := x.from + (int(b)+i)%(x.until-x.from) // begin elsewhere each time: no group starves
		live := int64(k.table.GroupLen(g))
		worth := k.written[g] > max(live, dumpMinRows)
		if !worth && b-k.dumped[g] < k.patience(g)+int64(g) {
			continue
		}
		if live > k.allowed {
			waits = true
			continue
		}
		k.allowed -= live
		out = append(out, k.dump(g, g+1, b))
	}
	if !waits {
		k.allowed = min(k.allowed, budget)
	}
	return out
}

// dumpWhole writes a tiny table at once: one section instead of one a group.
func (k *keyed) dumpWhole(b int64, x *part) []checkpoint.SectionData {
	written := int64(0)
	for g := x.from; g < x.until; g++ {
		written += k.written[g]
	}
	if written <= 2*max(int64(k.table.Len()), dumpMinRows) && b-k.dumped[x.from] < dumpEvery+int64(x.from) {
		return nil
	}
	return []checkpoint.SectionData{k.dump(x.from, x.until, b)}
}

// dump is all live rows of groups [from, until).
func (k *keyed) dump(from, until int, b int64) checkpoint.SectionData {
	var recs []arrow.Record
	for g := from; g < until; g++ {
		if rec := k.table.Dump(g); rec != nil {
			recs = append(recs, rec)
		}
		k.dumped[g], k.written[g] = b, 0
	}
	return checkpoint.SectionData{Operator: k.store.Name, From: from, Until: until, Full: true, Rec: concat(recs)}
}
