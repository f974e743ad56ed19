package row

import (
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/assert"
)

// Dict gives dense numbers to keys: the first key is 0, the next new one 1, and so on. It is two open-addressing tables over
// pointer-free memory, for partial aggregation and state: keys of up to eight bytes are in one of their own. One goroutine at a time; Find and FindTexts change nothing.
type Dict struct {
	words wordTable
	slots []uint64 // of longer keys: low half of the hash << 32 | number + 1; 0 is free. The length is a power of two
	keys  Keys
}

const minSlots = 16

// NewDict is an empty dictionary with room for about n keys.
func NewDict(n int) *Dict {
	d := &Dict{slots: make([]uint64, minSlots)}
	d.keys.grow(n)
	return d
}

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys.Ends) }

// searched is how many keys are looked for at a time: what the cache does not hold of their slots is waited for together.
const searched = 64

// Add finds or adds each key of k and writes its number to idx, which has length k.Len(). It returns how many numbers existed before: numbers from there on are new.
func (d *Dict) Add(k *Keys, idx []int32) (before int) {
	assert.True(len(idx) == k.Len(), "%d numbers for %d keys", len(idx), k.Len())
	before = d.Len()
	d.keys.Grouped = k.Grouped
	d.add(k, 0, idx)
	return before
}

// add is Add. The keys may have no hashes if they are not grouped, and the first begins at start.
func (d *Dict) add(k *Keys, start uint32, idx []int32) {
	var words [searched]word
	for from := 0; from < len(idx); from += searched {
		part := idx[from:min(from+searched, len(idx))]
		var hashes []uint64
		if k.Hash != nil {
			hashes = k.Hash[from:]
		}
		if k.words(words[:len(part)], from, start) {
			d.addWords(words[:len(part)], hashes, part)
		} else {
			d.addMixed(k, from, start, hashes, part)
		}
		start = k.Ends[from+len(part)-1]
	}
}

// addMixed is add of the keys from the given one on, which begins at lo.
func (d *Dict) addMixed(k *Keys, from int, lo uint32, hashes []uint64, idx []int32) {
	for i := range idx {
		hi := k.Ends[from+i]
		key := k.Data[lo:hi]
		lo = hi
		var h uint64
		if hashes != nil {
			h = hashes[i]
		} else {
			h = xxh3.Hash(key)
		}
		if len(key) <= wordSize {
			idx[i] = d.addWord(word{wordOf(key), uint32(len(key))}, h)
			continue
		}
		at, n := d.findLong(key, uint32(h))
		if n < 0 {
			n = d.insert(at, key, h)
		}
		idx[i] = n
	}
}

// findLong is the slot and the number of a key of more than eight bytes; the number is -1 and the slot free if it is unknown.
func (d *Dict) findLong(key []byte, h uint32) (at uint32, n int32) {
	mask := uint32(len(d.slots) - 1)
	ends := d.keys.Ends
	for at = h & mask; ; at = (at + 1) & mask {
		s := d.slots[at]
		if s == 0 {
			return at, -1
		}
		if uint32(s>>32) != h {
			continue
		}
		n := uint32(s) - 1
		lo := uint32(0)
		if n > 0 {
			lo = ends[n-1]
		}
		if string(d.keys.Data[lo:ends[n]]) == string(key) {
			return at, int32(n)
		}
	}
}

// insert gives the next number to a long key whose free slot is at.
func (d *Dict) insert(at uint32, key []byte, h uint64) int32 {
	n := uint32(d.Len())
	d.slots[at] = h<<32 | uint64(n+1)
	d.keys.Data = append(d.keys.Data, key...)
	d.keys.Ends = append(d.keys.Ends, uint32(len(d.keys.Data)))
	d.keys.Hash = append(d.keys.Hash, h)
	d.fits()
	if long := d.Len() - d.words.n; long > len(d.slots)*3/4 {
		d.slots = regrow(d.slots)
	}
	return int32(n)
}

// fits asserts that the keys have not passed their limit.
func (d *Dict) fits() {
	if uint64(len(d.keys.Data)) >= 1<<32 { // asserted only here: the arguments of a message are allocated
		assert.True(false, "a dictionary of %d keys passes the limit of 4 GiB", d.Len())
	}
}

// regrow is the slots in a table of twice the size.
func regrow(old []uint64) []uint64 {
	slots := make([]uint64, 2*len(old))
	mask := uint32(len(slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		at := uint32(s>>32) & mask
		for slots[at] != 0 {
			at = (at + 1) & mask
		}
		slots[at] = s
	}
	return slots
}

// Find writes the number of each key of k to idx, -1 where it is unknown.
func (d *Dict) Find(k *Keys, idx []int32) {
	assert.True(len(idx) == k.Len(), "%d numbers for %d keys", len(idx), k.Len())
	lo := uint32(0)
	for i, hi := range k.Ends {
		idx[i] = d.findKey(k.Data[lo:hi], k.Hash[i])
		lo = hi
	}
}

func (d *Dict) findKey(key []byte, hash uint64) (n int32) {
	if len(key) <= wordSize {
		return d.words.find(&word{wordOf(key), uint32(len(key))})
	}
	_, n = d.findLong(key, uint32(hash))
	return n
}

// Keys are the keys by number. The result aliases the dictionary's memory and is valid until the next Add.
func (d *Dict) Keys() *Keys { return &d.keys }

// Reset forgets all keys and keeps the memory.
func (d *Dict) Reset() {
	d.words.reset()
	clear(d.slots)
	d.keys.Reset()
}
