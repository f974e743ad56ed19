package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
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
	headCodec  = mustCodec[head]()
	headSchema = headCodec.Schema()
)

func mustCodec[T any]() *row.Codec {
	c, err := row.For[T]()
	assert.True(err == nil, "%v", err)
	return c
}

// place is where a row stands in a delta or dump.
type place struct {
	first uint64 // the key's first bytes, big-endian: most comparisons end here
	row   int32
	group uint8
	dead  bool
	fresh bool
}

func (t *Table) place(r int32) place {
	key := t.keys.get(r)
	var b [8]byte
	copy(b[:], key)
	return place{first: binary.BigEndian.Uint64(b[:]), row: r, group: t.group[r] &^ dead, dead: t.group[r]&dead != 0}
}

// compareKeys orders by key bytes.
func (t *Table) compareKeys(a, b *place) int {
	if c := cmp.Compare(a.first, b.first); c != 0 {
		return c
	}
	return bytes.Compare(t.keys.get(a.row), t.keys.get(b.row))
}

// sort is ps ordered by (group, key bytes); of one key the live row is first. Rows are counted into their groups and
// then sorted within them, which halves the comparisons.
func (t *Table) sort(ps []place) []place {
	var ends [row.Groups]int
	for i := range ps {
		ends[ps[i].group]++
	}
	at := 0
	for g, n := range ends {
		ends[g] = at
		at += n
	}
	out := make([]place, len(ps))
	for i := range ps {
		g := ps[i].group
		out[ends[g]] = ps[i]
		ends[g]++
	}
	at = 0
	for _, end := range ends {
		if end-at > 1 {
			slices.SortFunc(out[at:end], t.inGroup)
		}
		at = end
	}
	return out
}

// inGroup orders places of one group by (key bytes, live first).
func (t *Table) inGroup(a, b place) int {
	c := t.compareKeys(&a, &b)
	switch {
	case c != 0 || a.dead == b.dead:
		return c
	case b.dead:
		return -1
	}
	return 1
}

// Delta are the rows that batch b (sealed, not forgotten) changed, in Schema's form, ordered by (group, key bytes). Zero rows: nil. The record shares no
// memory with the table. It must be taken before the next batch begins: an assertion fails otherwise.
func (t *Table) Delta(b int64) arrow.Record {
	assert.True(t.open == nil && t.version == b, "delta of batch %d of state of version %d: it must be taken before the next batch begins", b, t.version)
	n := len(t.undo)
	assert.True(n > 0 && t.undo[n-1].batch == b, "delta of batch %d: it was forgotten", b)
	u := t.undo[n-1]
	ps := make([]place, len(u.rows))
	for i, r := range u.rows {
		ps[i] = t.place(r)
		ps[i].fresh = u.fresh[i]
	}
	return t.record(t.oneOfEach(t.sort(ps)))
}

// oneOfEach leaves one row of each key: the live one; else a deleted one, unless the key came and went in this batch.
func (t *Table) oneOfEach(ps []place) []place {
	out := ps[:0]
	for i := 0; i < len(ps); {
		end, one := i+1, ps[i]
		for ; end < len(ps) && ps[end].group == one.group && t.compareKeys(&one, &ps[end]) == 0; end++ {
			if one.dead && one.fresh {
				one = ps[end]
			}
		}
		if !one.dead || !one.fresh {
			out = append(out, one)
		}
		i = end
	}
	return out
}

// Dump are all live rows of key group g at the current version, in Schema's form, ordered by key bytes; nil when there are none. No batch may be open.
func (t *Table) Dump(g int) arrow.Record {
	assert.True(t.open == nil, "dump while batch %d is open", t.version+1)
	ps := make([]place, 0, t.groupLen[g])
	for at := 0; len(ps) < cap(ps); at++ {
		at += bytes.IndexByte(t.group[at:], uint8(g))
		ps = append(ps, t.place(int32(at)))
	}
	return t.record(t.sort(ps))
}

// record makes a record of rows.
func (t *Table) record(ps []place) arrow.Record {
	if len(ps) == 0 {
		return nil
	}
	heads := make([]head, len(ps))
	rows, live, pick := make([]int32, len(ps)), make([]int32, 0, len(ps)), make([]int32, len(ps))
	for i, p := range ps {
		heads[i] = head{Group: p.group, Deleted: p.dead}
		if t.due != nil {
			heads[i].Due = t.due[p.row]
		}
		rows[i], pick[i] = p.row, -1
		if !p.dead {
			pick[i] = int32(len(live))
			live = append(live, p.row)
		}
	}
	vals := t.vals.Get(live, nil)
	if len(live) < len(rows) {
		vals = t.val.AppendZero(vals, 1)
		for i := range pick {
			if pick[i] < 0 {
				pick[i] = int32(len(live))
			}
		}
	}
	keys, err := t.key.KeyColumns(t.keys.collect(rows), nil)
	assert.True(err == nil, "keys of state: %v", err)
	cols := append(headCodec.Columns(heads, nil), keys...)
	cols = append(cols, t.val.Columns(vals, pick)...)
	return array.NewRecord(t.schema, cols, int64(len(rows)))
}

// All are the live rows, ordered by key bytes.
func (t *Table) All() []int32 {
	ps := make([]place, 0, t.live)
	for r := range t.used {
		if t.group[r]&dead == 0 {
			ps = append(ps, t.place(int32(r)))
		}
	}
	slices.SortFunc(ps, func(a, b place) int { return t.compareKeys(&a, &b) })
	rows := make([]int32, len(ps))
	for i, p := range ps {
		rows[i] = p.row
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
