package row

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// flatKey tells whether each column of the rows is one scalar of their keys, and whether the rows are known by columns only.
func (c *Codec) flatKey() bool {
	if !c.dynamic || len(c.keys) != len(c.cols) {
		return false
	}
	for _, col := range c.cols {
		if col.kind == structKind {
			return false
		}
	}
	return true
}

// AppendVecKeys appends the encodings and hashes of rows whose columns are vecs, those of the codec's schema: of rows sel, or of all where that is nil. They are the
// bytes that AppendKeys gives for the same rows. The type must pass CheckKey.
func (c *Codec) AppendVecKeys(vecs []*col.Vec, sel []int32, k *Keys) {
	assert.True(c.keyErr == nil, "keys of a type that may not be one: %v", c.keyErr)
	assert.True(len(vecs) == len(c.cols), "%d columns of a key of %d", len(vecs), len(c.cols))
	n := vecs[0].N
	if sel != nil {
		n = len(sel)
	}
	if n == 0 {
		return
	}
	if !c.flatKey() {
		c.appendRowKeys(vecs, sel, k)
		return
	}
	c.begin(k, n)
	switch p := c.keys[0]; {
	case c.textKey():
		appendTextKeys(vecs[0].Texts[:vecs[0].N], sel, k)
	case len(c.keys) == 1 && p.null == nil && p.size == 8:
		if vecs[0].Kind == col.Uint {
			appendKeys8(vecs[0].Uints[:vecs[0].N], sel, k)
		} else {
			appendKeys8(vecs[0].Ints[:vecs[0].N], sel, k)
		}
	default:
		c.appendWideKeys(vecs, sel, n, k)
	}
}

// appendRowKeys goes by rows: some column is a struct.
func (c *Codec) appendRowKeys(vecs []*col.Vec, sel []int32, k *Keys) {
	cols := make([]arrow.Array, len(vecs))
	for i, v := range vecs {
		cols[i] = v.ToArray(sel)
	}
	rows, err := c.Rows(cols, nil)
	assert.True(err == nil, "columns of a key: %v", err)
	c.AppendKeys(rows, k)
}

func appendTextKeys(texts []string, sel []int32, k *Keys) {
	if sel == nil {
		for _, s := range texts {
			start := len(k.Data)
			k.add(append(k.Data, s...), start)
		}
		return
	}
	for _, i := range sel {
		start := len(k.Data)
		k.add(append(k.Data, texts[i]...), start)
	}
}

func appendKeys8[T int64 | uint64](vals []T, sel []int32, k *Keys) {
	if sel == nil {
		for _, v := range vals {
			start := len(k.Data)
			k.add(binary.LittleEndian.AppendUint64(k.Data, uint64(v)), start)
		}
		return
	}
	for _, i := range sel {
		start := len(k.Data)
		k.add(binary.LittleEndian.AppendUint64(k.Data, uint64(vals[i])), start)
	}
}

// appendWideKeys lays n keys out by their sizes, and then writes them column by column.
func (c *Codec) appendWideKeys(vecs []*col.Vec, sel []int32, n int, k *Keys) {
	first := len(k.Data)
	k.Ends = append(k.Ends, make([]uint32, n)...)
	w := keyWriter{sel: sel, at: k.Ends[len(k.Ends)-n:], end: first}
	for p, part := range c.keys {
		w.measure(&part, vecs[p])
	}
	assert.True(w.end < 1<<32, "keys of %d bytes pass the limit of 4 GiB of one set", w.end)
	next := uint32(first)
	for i, size := range w.at {
		w.at[i], next = next, next+size
	}
	k.Data = append(k.Data, make([]byte, w.end-first)...)
	w.data = k.Data
	for p, part := range c.keys {
		w.write(&part, vecs[p])
	}
	for i := len(k.Hash); i < len(k.Ends); i++ {
		k.Hash = append(k.Hash, c.KeyHash(k.Key(i)))
	}
}

// keyWriter writes keys column by column. While it measures, at[i] is the size of key i; then it is where the next part of key i begins, and in the end where the key ends.
type keyWriter struct {
	sel  []int32
	at   []uint32
	end  int // of all keys
	data []byte
}

// row is the physical row of key i.
func (w *keyWriter) row(i int) int {
	if w.sel == nil {
		return i
	}
	return int(w.sel[i])
}

func (w *keyWriter) measure(p *keyPart, v *col.Vec) {
	fixed := p.size
	if p.null != nil {
		fixed++
	}
	w.end += fixed * len(w.at)
	for i := range w.at {
		w.at[i] += uint32(fixed)
	}
	if p.size > 0 {
		return
	}
	for i := range w.at {
		if r := w.row(i); p.null == nil || !v.IsNull(r) || nullFlag() == 1 {
			n := len(v.Texts[r])
			n += uvarintLen(n)
			w.at[i] += uint32(n)
			w.end += n
		}
	}
}

func uvarintLen(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func (w *keyWriter) write(p *keyPart, v *col.Vec) {
	starts := w.at
	if p.null != nil {
		flag := nullFlag()
		for i, at := range starts {
			if w.data[at] = 1; v.IsNull(w.row(i)) {
				w.data[at] = flag
			}
			starts[i]++
		}
	}
	switch {
	case p.size == 0:
		w.writeTexts(p, v)
		return
	case p.kind == boolKind:
		for i, at := range starts {
			if v.Bools[w.row(i)] {
				w.data[at] = 1
			}
		}
	case v.Kind == col.Uint:
		writeInts(w, v.Uints, p.size)
	case v.Kind == col.Decimal:
		for i, at := range starts {
			n := v.Decimals[w.row(i)]
			binary.LittleEndian.PutUint64(w.data[at:], n.LowBits())
			binary.LittleEndian.PutUint64(w.data[at+8:], uint64(n.HighBits()))
		}
	default:
		writeInts(w, v.Ints, p.size)
	}
	for i := range starts {
		starts[i] += uint32(p.size)
	}
}

func (w *keyWriter) writeTexts(p *keyPart, v *col.Vec) {
	starts := w.at
	for i, at := range starts {
		r := w.row(i)
		if p.null != nil && v.IsNull(r) && nullFlag() == 0 {
			continue
		}
		s := v.Texts[r]
		at += uint32(binary.PutUvarint(w.data[at:], uint64(len(s))))
		starts[i] = at + uint32(copy(w.data[at:], s))
	}
}

// writeInts writes the lowest size bytes of integers.
func writeInts[T int64 | uint64](w *keyWriter, vals []T, size int) {
	starts := w.at
	switch size {
	case 1:
		for i, at := range starts {
			w.data[at] = byte(vals[w.row(i)])
		}
	case 2:
		for i, at := range starts {
			binary.LittleEndian.PutUint16(w.data[at:], uint16(vals[w.row(i)]))
		}
	case 4:
		for i, at := range starts {
			binary.LittleEndian.PutUint32(w.data[at:], uint32(vals[w.row(i)]))
		}
	default:
		for i, at := range starts {
			binary.LittleEndian.PutUint64(w.data[at:], uint64(vals[w.row(i)]))
		}
	}
}

// KeyVecs decodes keys idx (nil: all) of k into columns of the codec's schema, which share no memory with k. It is an error if an encoding is not one of this type.
func (c *Codec) KeyVecs(k *Keys, idx []int32) ([]*col.Vec, error) {
	if !c.flatKey() {
		cols, err := c.rowKeyColumns(k, idx)
		if err != nil {
			return nil, err
		}
		return col.FromArrays(c.schema, cols).Cols, nil
	}
	r := newKeyReader(k, idx)
	out := make([]*col.Vec, len(c.keys))
	for i, p := range c.keys {
		out[i] = col.New(c.cols[i].field.Type, len(r.at))
		if !r.read(&p, out[i], c.textKey()) {
			return nil, fmt.Errorf("a key of %s ends too early", c.text)
		}
	}
	for i, at := range r.at {
		if at != r.ends[i] {
			return nil, fmt.Errorf("a key of %s has %d bytes too many", c.text, r.ends[i]-at)
		}
	}
	return out, nil
}

// AppendPart appends what an encoded key of c is as the first columns of a key of more columns: a text alone has no length, among others it has.
func (c *Codec) AppendPart(dst, key []byte) []byte {
	if c.textKey() {
		dst = binary.AppendUvarint(dst, uint64(len(key)))
	}
	return append(dst, key...)
}

// keyReader decodes keys column by column: data[at[i]:ends[i]] is what is left of key i.
type keyReader struct {
	data     []byte // nobody changes it: texts are parts of it
	at, ends []uint32
}

func newKeyReader(k *Keys, idx []int32) keyReader {
	if idx == nil {
		n := k.Len()
		r := keyReader{slices.Clone(k.Data), make([]uint32, n), k.Ends}
		if n > 0 {
			copy(r.at[1:], k.Ends)
		}
		return r
	}
	r := keyReader{make([]byte, k.size(idx)), make([]uint32, len(idx)), make([]uint32, len(idx))}
	k.gather(idx, r.data, r.ends)
	if len(idx) > 0 {
		copy(r.at[1:], r.ends)
	}
	return r
}

// text is a part of the data.
func (r *keyReader) text(lo, hi uint32) string {
	return unsafe.String(unsafe.SliceData(r.data[lo:]), int(hi-lo))
}

// read takes one column from the keys; false: one ends too early. Bare text is all that is left.
func (r *keyReader) read(p *keyPart, out *col.Vec, bare bool) bool {
	switch {
	case p.null != nil:
		return r.readNullable(p, out)
	case bare:
		for i, at := range r.at {
			out.Texts[i], r.at[i] = r.text(at, r.ends[i]), r.ends[i]
		}
		return true
	case p.size == 0:
		for i := range r.at {
			if !r.readText(i, out) {
				return false
			}
		}
		return true
	case p.size == 8 && out.Kind == col.Int:
		for i, at := range r.at {
			if r.ends[i]-at < 8 {
				return false
			}
			out.Ints[i] = int64(binary.LittleEndian.Uint64(r.data[at:]))
			r.at[i] = at + 8
		}
		return true
	}
	for i := range r.at {
		if !r.readFixed(i, p.size, out) {
			return false
		}
	}
	return true
}

// readNullable is read for a column with a flag before each value.
func (r *keyReader) readNullable(p *keyPart, out *col.Vec) bool {
	for i, at := range r.at {
		if r.ends[i]-at <= uint32(p.size) {
			return false
		}
		r.at[i]++
		if r.data[at] == 0 {
			r.at[i] += uint32(p.size)
			out.SetNull(i)
			continue
		}
		if p.size > 0 && !r.readFixed(i, p.size, out) || p.size == 0 && !r.readText(i, out) {
			return false
		}
	}
	return true
}

func (r *keyReader) readText(i int, out *col.Vec) bool {
	at, end := r.at[i], r.ends[i]
	n, w := binary.Uvarint(r.data[at:end])
	if w <= 0 || n > uint64(end-at)-uint64(w) {
		return false
	}
	lo := at + uint32(w)
	r.at[i] = lo + uint32(n)
	out.Texts[i] = r.text(lo, r.at[i])
	return true
}

func (r *keyReader) readFixed(i, size int, out *col.Vec) bool {
	at := r.at[i]
	if r.ends[i]-at < uint32(size) {
		return false
	}
	r.at[i] = at + uint32(size)
	if b := r.data[at:r.at[i]]; out.Kind == col.Decimal {
		out.Decimals[i] = decimal128.New(int64(keyInt(b[8:16])), keyInt(b[:8]))
	} else {
		putKeyInt(out, i, b)
	}
	return true
}

// keyInt is a little-endian integer of up to 8 bytes.
func keyInt(b []byte) (u uint64) {
	for j := len(b) - 1; j >= 0; j-- {
		u = u<<8 | uint64(b[j])
	}
	return u
}

// putKeyInt sets value i to a little-endian integer of the type's width.
func putKeyInt(out *col.Vec, i int, b []byte) {
	u := keyInt(b)
	switch out.Kind {
	case col.Bool:
		out.Bools[i] = u != 0
	case col.Uint:
		out.Uints[i] = u
	default:
		shift := 64 - 8*len(b)
		out.Ints[i] = int64(u<<shift) >> shift
	}
}

// uvarint is binary.Uvarint of a string: the number, and how many bytes it takes; 0: it is none.
func uvarint(s string) (n uint64, width int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}
