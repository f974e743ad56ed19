package state

import (
	"encoding/binary"
	"unsafe"

	"github.com/millrace/millrace/internal/row"
)

// index finds rows by the low half of their key's hash: open addressing with linear probing, removal by moving back.
// It does not know the keys; the same hash may stand in it many times.
type index struct {
	slots []uint64 // hash << 32 | row + 1; 0 is free. The length is a power of two
	n     int
}

func newIndex() index { return index{slots: make([]uint64, 16)} }

// find8 is the row with a key that is, or is told by, a word of 8 bytes, -1 if there is none. keys are the words by row.
func (x *index) find8(h uint32, key uint64, keys []uint64) int32 {
	mask := uint32(len(x.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := x.slots[at]
		if s == 0 {
			return -1
		}
		if uint32(s>>32) == h && keys[uint32(s)-1] == key {
			return int32(uint32(s) - 1)
		}
	}
}

// find is the row with a key, -1 if there is none.
func (x *index) find(h uint32, key []byte, keys *keyStore) int32 {
	mask := uint32(len(x.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := x.slots[at]
		if s == 0 {
			return -1
		}
		if r := int32(uint32(s) - 1); uint32(s>>32) == h && string(keys.get(r)) == string(key) {
			return r
		}
	}
}

// insert adds a row.
func (x *index) insert(h uint32, r int32) {
	x.n++
	if x.n > len(x.slots)/4*3 {
		old := x.slots
		x.slots = make([]uint64, 2*len(old))
		for _, s := range old {
			if s != 0 {
				x.place(s)
			}
		}
	}
	x.place(uint64(h)<<32 | uint64(uint32(r)+1))
}

func (x *index) place(s uint64) {
	mask := uint32(len(x.slots) - 1)
	at := uint32(s>>32) & mask
	for x.slots[at] != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = s
}

// warm brings the slots of some hashes into the cache: they are waited for together.
func (x *index) warm(hashes []uint64) {
	mask := uint32(len(x.slots) - 1)
	var sum uint64
	for _, h := range hashes {
		sum ^= x.slots[uint32(h)&mask]
	}
	row.Used(sum)
}

// remove takes row r, which must be there, out.
func (x *index) remove(h uint32, r int32) {
	mask := uint32(len(x.slots) - 1)
	want := uint64(h)<<32 | uint64(uint32(r)+1)
	at := h & mask
	for x.slots[at] != want {
		at = (at + 1) & mask
	}
	x.n--
	// Slots behind the hole move into it where their chain would be cut.
	for next := (at + 1) & mask; x.slots[next] != 0; next = (next + 1) & mask {
		home := uint32(x.slots[next]>>32) & mask
		if (next-home)&mask >= (next-at)&mask {
			x.slots[at] = x.slots[next]
			at = next
		}
	}
	x.slots[at] = 0
}

// keyStore keeps encoded keys by row.
type keyStore struct {
	codec *row.Codec
	width int      // 0: they vary
	w8    []uint64 // width 8
	fixed []byte   // other widths
	arena row.Arena
}

func (s *keyStore) grow(n int) {
	switch s.width {
	case 0:
		s.arena.Grow(n)
	case 8:
		s.w8 = append(make([]uint64, 0, n), s.w8...)[:n]
	default:
		s.fixed = append(make([]byte, 0, n*s.width), s.fixed...)[:n*s.width]
	}
}

// get is the key of row r, valid until the next set.
func (s *keyStore) get(r int32) []byte {
	switch s.width {
	case 0:
		return s.arena.Get(r)
	case 8:
		return unsafe.Slice((*byte)(unsafe.Pointer(&s.w8[r])), 8)
	}
	return s.fixed[int(r)*s.width : (int(r)+1)*s.width]
}

func (s *keyStore) set(r int32, key []byte) {
	switch s.width {
	case 0:
		s.arena.Set(r, key)
	case 8:
		s.w8[r] = binary.LittleEndian.Uint64(key)
	default:
		copy(s.get(r), key)
	}
}

// clear gives the memory of keys back.
func (s *keyStore) clear(rows []int32) {
	if s.width == 0 {
		s.arena.Clear(rows)
	}
}

func (s *keyStore) hash(r int32) uint64 { return s.codec.KeyHash(s.get(r)) }

// collect is the keys of rows, without hashes.
func (s *keyStore) collect(rows []int32) *row.Keys {
	k := &row.Keys{Ends: make([]uint32, len(rows))}
	switch s.width {
	case 0:
		k.Data = s.arena.Collect(rows, k.Ends)
	case 8:
		k.Data = make([]byte, 8*len(rows))
		for i, r := range rows {
			binary.LittleEndian.PutUint64(k.Data[8*i:], s.w8[r])
			k.Ends[i] = uint32(8 * (i + 1))
		}
	default:
		k.Data = make([]byte, 0, len(rows)*s.width)
		for i, r := range rows {
			k.Data = append(k.Data, s.get(r)...)
			k.Ends[i] = uint32(len(k.Data))
		}
	}
	return k
}

// warm reads some keys; ^0 is none.
func (s *keyStore) warm(rows []uint32) {
	switch s.width {
	case 0:
		s.arena.Warm(rows)
	case 8:
		var sum uint64
		for _, r := range rows {
			if r != ^uint32(0) {
				sum ^= s.w8[r]
			}
		}
		row.Used(sum)
	}
}

func (s *keyStore) bytes() int { return 8*cap(s.w8) + cap(s.fixed) + s.arena.Bytes() }

// KeyBytes are the encoded keys of rows without hashes, in memory of the caller's.
func (t *Table) KeyBytes(rows []int32) *row.Keys { return t.keys.collect(rows) }

// Keys are the encoded keys of rows, with their hashes, in memory of the caller's.
func (t *Table) Keys(rows []int32) *row.Keys {
	k := t.keys.collect(rows)
	k.Hash = make([]uint64, len(rows))
	for i := range rows {
		k.Hash[i] = t.key.KeyHash(k.Key(i))
	}
	return k
}
