package row

import (
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// BareText tells whether the encoding of a key is the bytes of its only column, a text without nulls.
func (c *Codec) BareText() bool { return c.flatKey() && c.textKey() && !c.grouped }

// AddTexts is Add of the keys that AppendVecKeys makes of a column of texts, of a codec of BareText, without encodings in between: of rows sel, or of all where that is nil.
func (d *Dict) AddTexts(v *col.Vec, sel []int32, idx []int32) {
	texts := v.Texts[:v.N]
	if sel == nil {
		assert.True(len(idx) == len(texts), "%d numbers for %d keys", len(idx), len(texts))
		for i, s := range texts {
			idx[i] = d.addText(s)
		}
		return
	}
	assert.True(len(idx) == len(sel), "%d numbers for %d keys", len(idx), len(sel))
	for i, r := range sel {
		idx[i] = d.addText(texts[r])
	}
}

// FindTexts is Find of the same keys.
func (d *Dict) FindTexts(v *col.Vec, idx []int32) {
	texts := v.Texts[:v.N]
	assert.True(len(idx) == len(texts), "%d numbers for %d keys", len(idx), len(texts))
	for i, s := range texts {
		_, idx[i] = d.find(unsafe.Slice(unsafe.StringData(s), len(s)), uint32(xxh3.HashString(s)))
	}
}

func (d *Dict) addText(s string) int32 {
	h := xxh3.HashString(s)
	mask := uint32(len(d.slots) - 1)
	for at := uint32(h) & mask; ; at = (at + 1) & mask {
		slot := d.slots[at]
		if slot == 0 {
			return d.insert(at, unsafe.Slice(unsafe.StringData(s), len(s)), h)
		}
		if uint32(slot>>32) != uint32(h) {
			continue
		}
		n, lo := uint32(slot)-1, uint32(0)
		if n > 0 {
			lo = d.keys.Ends[n-1]
		}
		if string(d.keys.Data[lo:d.keys.Ends[n]]) == s {
			return int32(n)
		}
	}
}
