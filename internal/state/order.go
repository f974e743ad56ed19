package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/millrace/millrace/internal/row"
)

// entry is a row that is put in order: by word, which is a time, a group or eight bytes of a key.
type entry struct {
	word uint64
	row  int32
	at   int32 // place of its key in the keys that order is given
}

const (
	fewWords   = 64 // so many are compared; more are counted by byte, which costs by the bytes in which they differ
	fewKeys    = 16
	deepest    = 64 // bytes behind which keys are compared
	wordLength = 8
)

// sortWords orders es by word. more is memory as long as es.
func sortWords(es, more []entry) {
	if len(es) < fewWords {
		slices.SortFunc(es, func(a, b entry) int { return cmp.Compare(a.word, b.word) })
		return
	}
	all, some := ^uint64(0), uint64(0)
	for i := range es {
		all, some = all&es[i].word, some|es[i].word
	}
	from, to := es, more[:len(es)]
	for shift := 0; shift < 64; shift += 8 {
		if byte((all^some)>>shift) == 0 {
			continue
		}
		var ends [256]int
		for i := range from {
			ends[byte(from[i].word>>shift)]++
		}
		at := 0
		for b, n := range ends {
			ends[b] = at
			at += n
		}
		for i := range from {
			b := byte(from[i].word >> shift)
			to[ends[b]] = from[i]
			ends[b]++
		}
		from, to = to, from
	}
	if &from[0] != &es[0] {
		copy(es, from)
	}
}

// runs calls f with each part of es, which are in order, whose words are equal, if it is longer than one.
func runs(es []entry, f func(lo, hi int)) {
	for lo := 0; lo < len(es); {
		hi := lo + 1
		for hi < len(es) && es[hi].word == es[lo].word {
			hi++
		}
		if hi-lo > 1 {
			f(lo, hi)
		}
		lo = hi
	}
}

// sortKeys orders es by key bytes from byte depth on; the bytes before are equal. Equal keys stay in no order. Words are used up.
func sortKeys(keys *row.Keys, es, more []entry, depth int) {
	if len(es) <= fewKeys || depth >= deepest {
		compareKeys(keys, es, depth)
		return
	}
	for i := range es {
		es[i].word = wordOf(keys.Key(int(es[i].at)), depth)
	}
	sortWords(es, more)
	runs(es, func(lo, hi int) {
		run := es[lo:hi]
		for _, e := range run {
			if len(keys.Key(int(e.at))) < depth+wordLength { // whether its word ends in zeros of its own is not known
				compareKeys(keys, run, depth)
				return
			}
		}
		sortKeys(keys, run, more, depth+wordLength)
	})
}

// compareKeys is sortKeys for few keys, and for those that differ far behind only.
func compareKeys(keys *row.Keys, es []entry, depth int) {
	slices.SortFunc(es, func(a, b entry) int { return bytes.Compare(keys.Key(int(a.at))[depth:], keys.Key(int(b.at))[depth:]) })
}

// wordOf are eight bytes of a key from depth on, with zeros behind its end: in the order of the bytes.
func wordOf(key []byte, depth int) uint64 {
	if len(key) >= depth+wordLength {
		return binary.BigEndian.Uint64(key[depth:])
	}
	var b [wordLength]byte
	copy(b[:], key[min(depth, len(key)):])
	return binary.BigEndian.Uint64(b[:])
}

// sortRows orders many rows as they lie in memory; of few, and of those in order, it does not matter.
func sortRows(rows []int32) {
	if len(rows) < fewWords || slices.IsSorted(rows) {
		return
	}
	es, more := make([]entry, len(rows)), make([]entry, len(rows))
	for i, r := range rows {
		es[i] = entry{word: uint64(r), row: r}
	}
	sortWords(es, more)
	for i, e := range es {
		rows[i] = e.row
	}
}
