package state

import (
	"bytes"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// Schema is the form of deltas and dumps: "_group" uint8, "_deleted" bool, "_due" int64 (0: none), then row.Pair(key, val)'s columns.
// Values of deleted rows are zero or null.
func Schema(key, val *row.Codec) *arrow.Schema {
	return arrow.NewSchema(append(slices.Clone(headSchema.Fields()), row.Pair(key, val).Fields()...), nil)
}

// head is the first columns of a delta.
type head struct {
	Group   uint8 `arrow:"_group"`
	Deleted bool  `arrow:"_deleted"`
	Due     int64 `arrow:"_due"`
}

var (
	headCodec  = row.Must[head]()
	headSchema = headCodec.Schema()
)

// Delta are the rows that batch b (sealed, not forgotten) changed, in Schema's form, ordered by (group, key bytes). Zero rows: nil. The record shares no
// memory with the table. It must be taken before the next batch begins: an assertion fails otherwise.
func (t *Table) Delta(b int64) arrow.Record {
	assert.True(t.open == nil && t.version == b, "delta of batch %d of state of version %d: it must be taken before the next batch begins", b, t.version)
	n := len(t.undo)
	assert.True(n > 0 && t.undo[n-1].batch == b, "delta of batch %d: it was forgotten", b)
	u := t.undo[n-1]
	es, keys := t.sorted(u.rows)
	if len(u.gone) > 0 && slices.Contains(u.fresh, true) {
		es = t.oneOfEach(u, es, keys)
	}
	return t.record(es, keys)
}

// sorted are rows in order of (group, key bytes). Their places are those in rows and in keys.
func (t *Table) sorted(rows []int32) ([]entry, *row.Keys) {
	es, more := make([]entry, len(rows)), make([]entry, len(rows))
	for i, r := range rows {
		es[i] = entry{word: uint64(t.group[r] &^ dead), row: r, at: int32(i)}
	}
	sortWords(es, more)
	keys := t.keys.collect(rows)
	runs(es, func(lo, hi int) { sortKeys(keys, es[lo:hi], more, 0) })
	return es, keys
}

// oneOfEach leaves one row of each key that batch u changed: the live one; else a deleted one, unless the key came and went in the batch.
func (t *Table) oneOfEach(u *undo, es []entry, keys *row.Keys) []entry {
	out := es[:0]
	for i := 0; i < len(es); {
		end, one := i+1, es[i]
		for ; end < len(es) && bytes.Equal(keys.Key(int(es[i].at)), keys.Key(int(es[end].at))); end++ {
			if t.gone(one.row) && (!t.gone(es[end].row) || u.fresh[one.at]) {
				one = es[end]
			}
		}
		if !t.gone(one.row) || !u.fresh[one.at] {
			out = append(out, one)
		}
		i = end
	}
	return out
}

// gone tells whether a row was deleted.
func (t *Table) gone(r int32) bool { return t.group[r]&dead != 0 }

// Dump are all live rows of key group g at the current version, in Schema's form, ordered by key bytes; nil when there are none. No batch may be open.
func (t *Table) Dump(g int) arrow.Record {
	assert.True(t.open == nil, "dump while batch %d is open", t.version+1)
	rows := make([]int32, 0, t.groupLen[g])
	for at := 0; len(rows) < cap(rows); at++ {
		at += bytes.IndexByte(t.group[at:], uint8(g))
		rows = append(rows, int32(at))
	}
	return t.record(t.sorted(rows))
}

// record makes a record of rows with their keys.
func (t *Table) record(es []entry, keys *row.Keys) arrow.Record {
	n := len(es)
	if n == 0 {
		return nil
	}
	group, gone, due := col.New(arrow.PrimitiveTypes.Uint8, n), col.New(arrow.FixedWidthTypes.Boolean, n), col.New(arrow.PrimitiveTypes.Int64, n)
	live, pick, places := make([]int32, 0, n), make([]int32, n), make([]int32, n)
	for i, e := range es {
		places[i] = e.at
		group.Uints[i], gone.Bools[i] = uint64(t.group[e.row]&^dead), t.gone(e.row)
		if pick[i] = -1; !gone.Bools[i] {
			pick[i] = int32(len(live))
			live = append(live, e.row)
		}
	}
	if t.due != nil {
		for i, e := range es {
			due.Ints[i] = t.due[e.row]
		}
	}
	keyCols, err := t.key.KeyColumns(keys, places)
	assert.True(err == nil, "keys of state: %v", err)
	cols := append([]arrow.Array{group.ToArray(nil), gone.ToArray(nil), due.ToArray(nil)}, keyCols...)
	return array.NewRecord(t.schema, append(cols, t.values(live, pick)...), int64(n))
}

// values are columns of values: pick has places in live, -1 is a zero value.
func (t *Table) values(live, pick []int32) []arrow.Array {
	all := len(live) == len(pick)
	for i := range pick {
		if pick[i] < 0 {
			pick[i] = int32(len(live))
		}
	}
	if !t.vals.Flat() {
		vals := t.vals.Get(live, nil)
		if !all {
			vals = t.val.AppendZero(vals, 1)
		}
		return t.val.Columns(vals, pick)
	}
	vals := t.vals.GetCols(live)
	if all {
		return vals.Arrays(nil)
	}
	cols := t.val.Columns(t.val.AppendZero(nil, 1), nil)
	for i, v := range vals.Cols {
		cols[i] = v.Joined(col.FromArray(cols[i])).ToArray(pick)
	}
	return cols
}

// All are the live rows, ordered by key bytes.
func (t *Table) All() []int32 {
	rows := make([]int32, 0, t.live)
	for r := range t.used {
		if t.group[r]&dead == 0 {
			rows = append(rows, int32(r))
		}
	}
	es, more := make([]entry, len(rows)), make([]entry, len(rows))
	for i, r := range rows {
		es[i] = entry{row: r, at: int32(i)}
	}
	sortKeys(t.keys.collect(rows), es, more, 0)
	for i, e := range es {
		rows[i] = e.row
	}
	return rows
}

// KeyRows appends the keys of rows idx (nil: all live rows ordered by key bytes) to dst, a []K or nil.
func (t *Table) KeyRows(idx []int32, dst any) any {
	if idx == nil {
		idx = t.All()
	}
	dst, err := t.key.KeyRows(t.keys.collect(idx), nil, dst)
	assert.True(err == nil, "keys of state: %v", err)
	return dst
}
