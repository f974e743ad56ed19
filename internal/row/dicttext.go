package row

import (
	"reflect"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// BareText tells whether the encoding of a key is the bytes of its only column, a text without nulls.
func (c *Codec) BareText() bool {
	return len(c.cols) == 1 && c.cols[0].kind != structKind && c.textKey() && !c.grouped
}

// AddTextColumn is Add of the keys that AppendKeyColumns makes of columns, of a codec of BareText.
func (d *Dict) AddTextColumn(c *Codec, cols []arrow.Array, idx []int32) error {
	n, err := c.check(cols)
	if err != nil || n == 0 {
		return err
	}
	assert.True(len(idx) == n, "%d numbers for %d keys", len(idx), n)
	in := whole(cols[0].Data())
	offs := reread[uint32](in.offsets())
	d.add(&Keys{Data: in.buf(2), Ends: offs[1:]}, offs[0], idx)
	return nil
}

// AddTexts is Add of the keys that AppendVecKeys makes of a column of texts, of a codec of BareText, without encodings in between: of rows sel, or of all where that is nil.
func (d *Dict) AddTexts(v *col.Vec, sel []int32, idx []int32) {
	texts := v.Texts[:v.N]
	if sel == nil {
		d.AddStrings(texts, idx)
		return
	}
	assert.True(len(idx) == len(sel), "%d numbers for %d keys", len(idx), len(sel))
	var chosen [searched]string
	for len(sel) > 0 {
		n := min(searched, len(sel))
		for i, r := range sel[:n] {
			chosen[i] = texts[r]
		}
		d.AddStrings(chosen[:n], idx[:n])
		sel, idx = sel[n:], idx[n:]
	}
}

// AddRows is Add of the keys that AppendKeys makes of rows, a []T, if the rows are strings; false: they are not, and nothing was done.
func (d *Dict) AddRows(c *Codec, rows any, idx []int32) bool {
	if !c.BareText() || c.typ.Kind() != reflect.String {
		return false
	}
	base, n := c.memory(rows)
	d.AddStrings(unsafe.Slice((*string)(base), n), idx)
	return true
}

// AddStrings is Add of keys that are a text each, and nothing else.
func (d *Dict) AddStrings(texts []string, idx []int32) {
	assert.True(len(idx) == len(texts), "%d numbers for %d keys", len(idx), len(texts))
	var words [searched]word
	for len(texts) > 0 {
		n := min(searched, len(texts))
		if textWords(words[:n], texts) {
			d.addWords(words[:n], nil, idx[:n])
		} else {
			for i, s := range texts[:n] {
				idx[i] = d.addText(s)
			}
		}
		texts, idx = texts[n:], idx[n:]
	}
}

func (d *Dict) addText(s string) int32 {
	if len(s) <= wordSize {
		w := word{wordOfText(s), uint32(len(s))}
		if n := d.words.find(&w); n >= 0 {
			return n
		}
		return d.addWord(w, xxh3.HashString(s))
	}
	h := xxh3.HashString(s)
	at, n := d.findLong(bytesOf(s), uint32(h))
	if n < 0 {
		n = d.insert(at, bytesOf(s), h)
	}
	return n
}

// FindTexts is Find of the same keys.
func (d *Dict) FindTexts(v *col.Vec, idx []int32) {
	texts := v.Texts[:v.N]
	assert.True(len(idx) == len(texts), "%d numbers for %d keys", len(idx), len(texts))
	for i, s := range texts {
		if len(s) <= wordSize {
			idx[i] = d.words.find(&word{wordOfText(s), uint32(len(s))})
		} else {
			_, idx[i] = d.findLong(bytesOf(s), uint32(xxh3.HashString(s)))
		}
	}
}

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
