package source

import (
	"unicode/utf8"
	"unsafe"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// invalidText is why a record that is no text is bad.
const invalidText = "invalid UTF-8"

// texts is the column of a job that reads records as texts and says which it wants: conditions run on texts where they lie in the block, and what is wanted
// is copied, so that the block may be used again.
type texts struct {
	limit int
	read  bool // the column is read, not only what conditions need of it
	where conditions
	all   *col.Batch // of the last chunk
}

// newTexts is false where copying would be all that it adds: without conditions all is wanted.
func newTexts[T any](f Format[T], codec *row.Codec, p rdd.Projection) (*texts, bool) {
	if !f.plain || len(p.Where) == 0 && p.Read[0] {
		return nil, false
	}
	v := col.New(codec.Schema().Field(0).Type, 0)
	return &texts{limit: f.limit, read: p.Read[0], where: newConditions(p), all: col.Of(codec.Schema(), 0, v)}, true
}

// Copies implements rdd.Copying.
func (d *texts) Copies() bool { return true }

// Rest implements rdd.ReusableDecoder.
func (d *texts) Rest() { clear(d.all.Cols[0].Texts[:cap(d.all.Cols[0].Texts)]) }

// Decode implements rdd.Decoder.
func (d *texts) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	rows, bad := d.fill(b, lo, hi)
	return d.where.answer(d.all, rows, lo, bad, d.batch)
}

// fill makes the column of records [lo, hi).
func (d *texts) fill(b *records.Block, lo, hi int) ([]int32, []rdd.Bad) {
	v := d.all.Cols[0]
	v.Resize(hi - lo)
	s, n := sorting{lo: lo, hi: hi}, 0
	for i := lo; i < hi; {
		valid, until := d.validRun(b, i, hi)
		if valid {
			for _, sp := range b.Values[i:until] {
				v.Texts[n] = textAt(b, sp)
				n++
			}
			s.goodRun(i, until)
			i = until
			continue
		}
		for ; i < until; i++ {
			if why := d.refusal(b, i); why != "" {
				s.refuse(i, why)
				continue
			}
			v.Texts[n] = textAt(b, b.Values[i])
			n++
			s.good(i)
		}
	}
	v.N, d.all.N = n, n
	return s.rows, s.bad
}

// textAt is a value as a text. An empty one has no place: who keeps it does not keep the block.
func textAt(b *records.Block, sp records.Span) string {
	if sp.Len == 0 {
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b.Data)), sp.Off)), sp.Len)
}

// refusal is why record i is bad, or nothing.
func (d *texts) refusal(b *records.Block, i int) string {
	switch sp := b.Values[i]; {
	case sp.Len == records.Null:
		return noValue
	case d.limit > 0 && int(sp.Len) > d.limit:
		return tooLong(d.limit)
	case !utf8.ValidString(textAt(b, sp)):
		return invalidText
	}
	return ""
}

// validRun looks at the values from lo on that lie one behind the other, at most up to hi, as one text: until is behind the last of them, and valid tells whether each
// is UTF-8 and short enough. Together they are checked many bytes at a time, whatever their lengths; a character that goes over an end makes the run invalid.
func (d *texts) validRun(b *records.Block, lo, hi int) (valid bool, until int) {
	first := b.Values[lo]
	if first.Len == records.Null {
		return false, lo + 1
	}
	end, longest := first.Off, uint32(0)
	for until = lo; until < hi; until++ {
		sp := b.Values[until]
		if sp.Off != end || sp.Len == records.Null {
			break
		}
		longest = max(longest, sp.Len)
		end += sp.Len
	}
	if d.limit > 0 && int(longest) > d.limit {
		return false, until
	}
	all := b.Data[first.Off:end]
	if ascii(all) {
		return true, until
	}
	for _, sp := range b.Values[lo:until] {
		if sp.Len > 0 && !utf8.RuneStart(b.Data[sp.Off]) {
			return false, until
		}
	}
	return utf8.Valid(all), until
}

// ascii tells whether all is ASCII, 32 bytes at a time.
func ascii(all []byte) bool {
	const high = 0x8080808080808080
	for ; len(all) >= 32; all = all[32:] {
		w := (*[4]uint64)(unsafe.Pointer(unsafe.SliceData(all)))
		if (w[0]|w[1]|w[2]|w[3])&high != 0 {
			return false
		}
	}
	for _, c := range all {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// batch is a copy of rows idx (nil: all).
func (d *texts) batch(idx []int32) *col.Batch {
	n := d.all.N
	if idx != nil {
		n = len(idx)
	}
	out := col.Of(d.all.Schema, n, nil)
	if d.read {
		out.Cols[0] = d.all.Cols[0].Copy(idx)
	}
	return out
}
