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
	valid, until := false, lo // records before until are valid all
	for i := lo; i < hi; i++ {
		if i >= until {
			valid, until = validRun(b, i, hi)
		}
		sp := b.Values[i]
		switch {
		case sp.Len == records.Null:
			s.refuse(i, noValue)
			continue
		case d.limit > 0 && int(sp.Len) > d.limit:
			s.refuse(i, tooLong(d.limit))
			continue
		}
		text := ""
		if sp.Len > 0 {
			text = unsafe.String(&b.Data[sp.Off], sp.Len)
		}
		if !valid && !utf8.ValidString(text) {
			s.refuse(i, invalidText)
			continue
		}
		v.Texts[n] = text
		n++
		s.good(i)
	}
	v.N, d.all.N = n, n
	return s.rows, s.bad
}

// validRun looks at the values from lo on that lie one behind the other, at most up to hi, as one text: until is behind the last of them, and valid tells whether each
// is UTF-8. Together they are checked many bytes at a time, whatever their lengths; a character that goes over an end makes the run invalid.
func validRun(b *records.Block, lo, hi int) (valid bool, until int) {
	first := b.Values[lo]
	if first.Len == records.Null {
		return false, lo + 1
	}
	end, starts := first.Off, true
	for until = lo; until < hi; until++ {
		sp := b.Values[until]
		if sp.Off != end || sp.Len == records.Null {
			break
		}
		if sp.Len > 0 {
			starts = starts && utf8.RuneStart(b.Data[sp.Off])
		}
		end += sp.Len
	}
	return starts && utf8.Valid(b.Data[first.Off:end]), until
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
