package row

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// word is a key of up to eight bytes as a number, with zeros behind its end, and its size.
type word struct {
	bytes uint64
	size  uint32
}

const wordSize = 8

// home is where the search for a word begins: low bits are used. It is the step of wyhash, one multiplication.
func (w *word) home() uint64 {
	hi, lo := bits.Mul64(w.bytes^0xa0761d6478bd642f, uint64(w.size)^0xe7037ed1a0b428db)
	return hi ^ lo
}

// wordTable has the numbers of the words of a Dict. Its slots are the words: to find one nothing else is read, and no hash of the engine's is computed.
type wordTable struct {
	slots []wordSlot // the length is a power of two
	n     int
}

// wordSlot is a place for a word; its number is counted from 1, 0: the slot is free.
type wordSlot struct {
	bytes        uint64
	size, number uint32
}

// reserve makes room for n more words: a quarter of the slots stays free.
func (t *wordTable) reserve(n int) {
	size := max(len(t.slots), minSlots)
	for size/4*3 < t.n+n {
		size *= 2
	}
	if size == len(t.slots) {
		return
	}
	old, mask := t.slots, uint64(size-1)
	t.slots = make([]wordSlot, size)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		at := (&word{s.bytes, s.size}).home() & mask
		for t.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}

// coldSlots is the size of a table from which on the cache does not hold most of the slots that are asked for.
const coldSlots = 1 << 17

// warm reads the slots in which the searches for some words begin, so that they are waited for together.
func (t *wordTable) warm(words []word) {
	if len(t.slots) < coldSlots {
		return
	}
	mask, sum := uint64(len(t.slots)-1), uint32(0)
	for i := range words {
		sum ^= t.slots[words[i].home()&mask].number
	}
	Used(uint64(sum))
}

// find is the number of a word, -1 if it is unknown.
func (t *wordTable) find(w *word) int32 {
	if t.n == 0 {
		return -1
	}
	mask := uint64(len(t.slots) - 1)
	for at := w.home() & mask; ; at = (at + 1) & mask {
		if s := &t.slots[at]; s.number == 0 || s.bytes == w.bytes && s.size == w.size {
			return int32(s.number) - 1
		}
	}
}

func (t *wordTable) reset() {
	clear(t.slots)
	t.n = 0
}

// addWords finds or adds words. Without hashes those of new ones are computed, together.
func (d *Dict) addWords(words []word, hashes []uint64, idx []int32) {
	d.words.reserve(len(words))
	before := d.Len()
	data, end := d.roomFor(len(words))
	slots, mask := d.words.slots, uint64(len(d.words.slots)-1)
	idx = idx[:len(words)]
	d.words.warm(words)
	for i := range words {
		w := &words[i]
		at := w.home() & mask
		for slots[at].number != 0 && (slots[at].bytes != w.bytes || slots[at].size != w.size) {
			at = (at + 1) & mask
		}
		if slots[at].number == 0 {
			binary.LittleEndian.PutUint64(data[end:], w.bytes)
			end += int(w.size)
			d.keys.Ends = append(d.keys.Ends, uint32(end))
			slots[at] = wordSlot{w.bytes, w.size, uint32(len(d.keys.Ends))}
			if hashes != nil {
				d.keys.Hash = append(d.keys.Hash, hashes[i])
			}
		}
		idx[i] = int32(slots[at].number) - 1
	}
	d.keys.Data = data[:end]
	d.words.n += d.Len() - before
	d.fits()
	for n := len(d.keys.Hash); n < d.Len(); n++ {
		d.keys.Hash = append(d.keys.Hash, xxh3.Hash(d.keys.Key(n)))
	}
}

// addWord is addWords for one.
func (d *Dict) addWord(w word, hash uint64) int32 {
	n := d.words.find(&w)
	if n < 0 {
		n = int32(d.Len())
		d.addWords([]word{w}, []uint64{hash}, []int32{0})
	}
	return n
}

// roomFor is the memory of the keys with room for n words more, all of it, and where they end.
func (d *Dict) roomFor(n int) (data []byte, end int) {
	end = len(d.keys.Data)
	data = slices.Grow(d.keys.Data, wordSize*n+wordSize)
	return data[:cap(data)], end
}

// words are the keys from the given one on, which begins at lo; false: not all are words.
func (k *Keys) words(out []word, from int, lo uint32) bool {
	for i := range out {
		hi := k.Ends[from+i]
		switch n := hi - lo; {
		case n > wordSize:
			return false
		case int(lo)+wordSize <= len(k.Data):
			out[i] = word{cutWord(k.Data[lo:], n), n}
		default:
			out[i] = word{wordOf(k.Data[lo:hi]), n}
		}
		lo = hi
	}
	return true
}

// textWords are the first texts as words; false: not all are.
func textWords(out []word, texts []string) bool {
	for i, s := range texts[:len(out)] {
		if len(s) > wordSize {
			return false
		}
		out[i] = word{wordOfText(s), uint32(len(s))}
	}
	return true
}

// cutWord is the first n bytes, up to eight, of b, which has eight, as a number: the rest is zero.
func cutWord(b []byte, n uint32) uint64 {
	return binary.LittleEndian.Uint64(b) & (1<<(8*n&63) - 1 | -uint64(n>>3))
}

// wordOf is up to eight bytes as a number.
func wordOf(b []byte) uint64 {
	switch n := len(b); {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case n >= 2:
		return uint64(binary.LittleEndian.Uint16(b)) | uint64(binary.LittleEndian.Uint16(b[n-2:]))<<(8*(n-2))
	case n == 1:
		return uint64(b[0])
	}
	return 0
}

// pageSize is the smallest that memory is mapped by.
const pageSize = 4096

// wordOfText is up to eight bytes of text as a number. It reads eight, whatever the text's length is, and cuts off what lies behind it: lengths vary from text to text, and a
// branch for each would be guessed wrong every other time. What is read too much is on the text's page, so it is there; what it is, and whether somebody
// writes it meanwhile, does not matter.
//
//go:nocheckptr
//go:norace
func wordOfText(s string) uint64 {
	p := unsafe.Pointer(unsafe.StringData(s))
	if n := uint32(len(s)); n > 0 && uintptr(p)%pageSize <= pageSize-wordSize {
		return cutWord(unsafe.Slice((*byte)(p), wordSize), n)
	}
	return wordOf(unsafe.Slice((*byte)(p), len(s)))
}
