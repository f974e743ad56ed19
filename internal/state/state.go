package state

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
)

// maxUndo is how many sealed batches a table keeps undo for: far above any pipeline's depth + 1 (P14, I8). At the limit an
// assertion fails: the executor has not told the table what is published.
const maxUndo = 64

// dead marks a row in Table.group that holds no key: free, or deleted and not forgotten.
const dead = 0x80

// Table maps keys to rows of state. All rows of one key group sequence are in one table; one goroutine at a time uses it.
//
// Row numbers are dense and stable until Delete gives one free; nothing that leaves the engine may depend on them, since
// they differ after a restore. Every change belongs to the batch that Begin opened.
type Table struct {
	key, val *row.Codec
	schema   *arrow.Schema
	older    []row.Default // of columns that rows of older files lack
	version  int64

	index index
	keys  keyStore
	vals  *row.Vectors
	group []uint8 // key group, | dead
	due   []int64 // nil until the first due time is set
	heap  dueHeap
	used  int     // rows [0, used) were given out before
	free  []int32 // of these, the ones to give out again

	live     int
	groupLen [row.Groups]int

	open    *undo    // the open batch; nil if none is
	undo    []*undo  // sealed batches, ascending
	spare   []*undo  // memory to use again
	changed []uint64 // bit per row: is in open.rows
	imaged  []uint64 // bit per row: is in open.set, or fresh
}

// New is an empty table at version (batch) at.
func New(key, val *row.Codec, at int64) *Table {
	assert.True(key.CheckKey() == nil, "state by a key that may not be one: %v", key.CheckKey())
	return &Table{
		key: key, val: val, schema: Schema(key, val), version: at,
		index: newIndex(), keys: keyStore{codec: key, width: key.KeyWidth()}, vals: row.NewVectors(val),
	}
}

// Version is the batch whose changes were sealed last.
func (t *Table) Version() int64 { return t.version }

// Begin opens batch b = Version()+1; an assertion fails for any other (I3).
func (t *Table) Begin(b int64) {
	assert.True(t.open == nil, "batch %d begins while another is open", b)
	assert.True(b == t.version+1 || fault.Planted("I3-version"), "batch %d on state of version %d (I3)", b, t.version)
	assert.True(len(t.undo) < maxUndo, "undo of %d batches is kept: published batches must be forgotten", len(t.undo))
	t.open = t.newUndo(b)
}

func (t *Table) mustBeOpen() { assert.True(t.open != nil, "state changes, and no batch is open") }

// Find writes each key's row number to idx (length k.Len()), -1 where there is none.
func (t *Table) Find(k *row.Keys, idx []int32) {
	assert.True(len(idx) == k.Len(), "%d numbers for %d keys", len(idx), k.Len())
	lo := uint32(0)
	for i, hi := range k.Ends {
		if i%warmKeys == 0 {
			t.warm(k.Hash[i:min(i+warmKeys, len(idx))])
		}
		idx[i] = t.find(k.Data[lo:hi], k.Hash[i])
		lo = hi
	}
}

// warmKeys is how many keys are looked for at a time.
const warmKeys = 64

// warm brings what looking for some keys will read into the cache: slots, places of keys, keys. In a table that the cache does not hold each of them is
// a wait, and so they are waited for together.
func (t *Table) warm(hashes []uint64) {
	if t.live < 1<<12 {
		return
	}
	var rows [warmKeys]uint32
	mask := uint32(len(t.index.slots) - 1)
	for i, h := range hashes {
		s := t.index.slots[uint32(h)&mask]
		if rows[i] = ^uint32(0); uint32(s>>32) == uint32(h) && s != 0 {
			rows[i] = uint32(s) - 1
		}
	}
	t.keys.warm(rows[:len(hashes)])
}

// Upsert is Find that adds missing keys, with a zero value and no due time. Keys may repeat within k.
func (t *Table) Upsert(k *row.Keys, idx []int32) {
	t.mustBeOpen()
	t.upsert(k, idx)
}

// Add is Upsert for keys that Find has looked for in this batch: only those of the numbers -1 are looked for again, and added.
func (t *Table) Add(k *row.Keys, idx []int32) {
	t.mustBeOpen()
	for i, r := range idx {
		if r < 0 {
			if r = t.find(k.Key(i), k.Hash[i]); r < 0 {
				r = t.add(k.Key(i), k.Hash[i])
			}
			idx[i] = r
		}
	}
}

func (t *Table) upsert(k *row.Keys, idx []int32) {
	assert.True(len(idx) == k.Len(), "%d numbers for %d keys", len(idx), k.Len())
	lo := uint32(0)
	for i, hi := range k.Ends {
		if i%warmKeys == 0 {
			t.warm(k.Hash[i:min(i+warmKeys, len(idx))])
		}
		key, h := k.Data[lo:hi], k.Hash[i]
		lo = hi
		r := t.find(key, h)
		if r < 0 {
			r = t.add(key, h)
		}
		idx[i] = r
	}
}

// find is the row of a key, -1 if there is none.
func (t *Table) find(key []byte, hash uint64) int32 {
	switch t.keys.width {
	case 8:
		return t.index.find8(uint32(hash), binary.LittleEndian.Uint64(key), t.keys.w8)
	case 0:
		if w, ok := row.ShortWord(key); ok {
			return t.index.find8(uint32(hash), w, t.keys.arena.Words())
		}
	}
	return t.index.find(uint32(hash), key, &t.keys)
}

// add gives a row to a key that has none.
func (t *Table) add(key []byte, hash uint64) int32 {
	var r int32
	if n := len(t.free); n > 0 {
		r, t.free = t.free[n-1], t.free[:n-1]
	} else {
		if t.used == len(t.group) {
			t.grow()
		}
		r = int32(t.used)
		t.used++
	}
	t.keys.set(r, key)
	t.group[r] = uint8(row.Group(hash)) | dead
	t.revive(r, hash)
	if t.open != nil {
		t.open.born(t, r)
	}
	return r
}

// grow makes room for a quarter more rows.
func (t *Table) grow() {
	n := max(64, t.used+t.used/4)
	assert.True(n < 1<<31, "a table of %d rows passes the limit of one partition; use more partitions", t.used)
	t.keys.grow(n)
	t.vals.Grow(n)
	group := make([]uint8, n)
	for i := copy(group, t.group); i < n; i++ {
		group[i] = dead
	}
	t.group = group
	if t.due != nil {
		t.due = append(make([]int64, 0, n), t.due...)[:n]
	}
	t.changed = append(make([]uint64, 0, (n+63)/64), t.changed...)[:(n+63)/64]
	t.imaged = append(make([]uint64, 0, (n+63)/64), t.imaged...)[:(n+63)/64]
}

// revive puts a dead row, whose key and group are set, into the index.
func (t *Table) revive(r int32, hash uint64) {
	t.group[r] &^= dead
	t.groupLen[t.group[r]]++
	t.live++
	t.index.insert(uint32(hash), r)
}

// kill takes a live row out of the index. Its key and value stay where they are.
func (t *Table) kill(r int32, hash uint64) {
	t.index.remove(uint32(hash), r)
	t.groupLen[t.group[r]]--
	t.live--
	t.group[r] |= dead
	if t.due != nil {
		t.due[r] = 0
	}
}

// release gives the numbers of dead rows free.
func (t *Table) release(rows []int32) {
	t.vals.Clear(rows)
	t.keys.clear(rows)
	t.free = append(t.free, rows...)
}

// Get appends the values of rows idx to dst, a []S or nil, and returns it. idx must not hold -1. Strings are copies that the caller may keep.
func (t *Table) Get(idx []int32, dst any) any { return t.vals.Get(idx, dst) }

// Set stores values src (a []S, same length as idx) into rows idx and marks them changed. A row may stand in idx once only.
func (t *Table) Set(idx []int32, src any) {
	t.mustBeOpen()
	t.touchAll(idx)
	t.vals.Set(idx, src)
}

// GetCols are the values of rows idx as columns that share no memory with t. idx must not hold -1.
func (t *Table) GetCols(idx []int32) *col.Batch { return t.vals.GetCols(idx) }

// GetColsOf are the columns of those numbers of GetCols.
func (t *Table) GetColsOf(idx []int32, columns []int) *col.Batch {
	return t.vals.GetColsOf(idx, columns)
}

// SetCols is Set with the values as columns: the rows of vals that count, whose schema is that of the table's values.
func (t *Table) SetCols(idx []int32, vals *col.Batch) {
	t.mustBeOpen()
	t.touchAll(idx)
	t.vals.SetCols(idx, vals)
}

// KeyCols are the keys of rows idx (nil: of All) as columns.
func (t *Table) KeyCols(idx []int32) []*col.Vec {
	if idx == nil {
		idx = t.All()
	}
	vecs, err := t.key.KeyVecs(t.keys.collect(idx), nil)
	assert.True(err == nil, "keys of state: %v", err)
	return vecs
}

// AddInt64 adds delta[i] to column 0 (which must be a non-null int64) of row idx[i] and marks it changed; rows may repeat. The fast path of counts and sums.
func (t *Table) AddInt64(idx []int32, delta []int64) {
	t.mustBeOpen()
	assert.True(t.vals.Int64(0), "column 0 of %s is not an int64", t.val.Text())
	assert.True(len(idx) == len(delta), "%d numbers for %d rows", len(delta), len(idx))
	ints := t.vals.Ints(0)
	for i, r := range idx {
		t.touch(r)
		ints[r] += delta[i]
	}
}

// Int64 appends column 0 of rows idx to dst.
func (t *Table) Int64(idx []int32, dst []int64) []int64 {
	assert.True(t.vals.Int64(0), "column 0 of %s is not an int64", t.val.Text())
	ints := t.vals.Ints(0)
	for _, r := range idx {
		dst = append(dst, ints[r])
	}
	return dst
}

// Delete removes rows idx. Their numbers are given to other keys only after the batch is forgotten.
func (t *Table) Delete(idx []int32) {
	t.mustBeOpen()
	at := len(t.open.gone)
	t.open.gone = append(t.open.gone, idx...)
	idx = t.open.gone[at:]
	sortRows(idx)
	var hashes [warmKeys]uint64
	for len(idx) > 0 {
		part := idx[:min(warmKeys, len(idx))]
		idx = idx[len(part):]
		for i, r := range part {
			t.mark(r)
			hashes[i] = t.keys.hash(r)
		}
		t.index.warm(hashes[:len(part)])
		for i, r := range part {
			assert.True(t.group[r]&dead == 0, "a row is deleted twice")
			t.kill(r, hashes[i])
		}
	}
}

// Len is the number of live rows, Bytes the memory held.
func (t *Table) Len() int { return t.live }

// Bytes is the memory that the table holds.
func (t *Table) Bytes() int64 {
	n := t.vals.Bytes() + int64(t.keys.bytes()+t.heap.bytes()) + int64(8*cap(t.index.slots)+cap(t.group)+8*cap(t.due)+8*cap(t.changed)+8*cap(t.imaged)+4*cap(t.free))
	for _, u := range t.undo {
		n += u.bytes()
	}
	for _, u := range t.spare {
		n += u.bytes()
	}
	if t.open != nil {
		n += t.open.bytes()
	}
	return n
}

// GroupLen is the number of live rows of key group g.
func (t *Table) GroupLen(g int) int { return t.groupLen[g] }
