package host

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// What a request has at most: a part of a record batch for a Map, and keys with their rows for the others once they are large.
const (
	pieceRows  = 8192
	pieceBytes = 1 << 20
	wholeBytes = 2 << 20
)

// recordBytes is about what the rows of rec need, however large the buffers are that they lie in; 0 for nil.
func recordBytes(rec arrow.Record) int64 {
	if rec == nil {
		return 0
	}
	return rangeBytes(rec, 0, int(rec.NumRows()))
}

// rangeBytes is recordBytes for the rows [lo, hi).
func rangeBytes(rec arrow.Record, lo, hi int) int64 {
	var n int64
	for _, c := range rec.Columns() {
		n += columnBytes(c, lo, hi)
	}
	return n
}

func columnBytes(c arrow.Array, lo, hi int) int64 {
	if hi == lo {
		return 0
	}
	rows := int64(hi - lo)
	bitmap := int64(0)
	if c.NullN() > 0 {
		bitmap = rows/8 + 1
	}
	switch a := c.(type) {
	case *array.String:
		return bitmap + 4*rows + int64(a.ValueOffsets()[hi]-a.ValueOffsets()[lo])
	case *array.Binary:
		return bitmap + 4*rows + int64(a.ValueOffsets()[hi]-a.ValueOffsets()[lo])
	case array.ListLike: // maps, too
		first, _ := a.ValueOffsets(lo)
		_, last := a.ValueOffsets(hi - 1)
		return bitmap + 4*rows + columnBytes(a.ListValues(), int(first), int(last))
	case *array.Struct:
		for i := range a.NumField() {
			bitmap += columnBytes(a.Field(i), lo, hi)
		}
		return bitmap + rows/8
	}
	if t, ok := c.DataType().(arrow.FixedWidthDataType); ok {
		return bitmap + (rows*int64(t.BitWidth())+7)/8
	}
	return bitmap
}

// pieces cuts rows into what a request may have. They share rec's buffers. There is one at least.
func pieces(rec arrow.Record) []arrow.Record {
	n := int(rec.NumRows())
	if n <= pieceRows && recordBytes(rec) <= pieceBytes {
		return []arrow.Record{rec}
	}
	var out []arrow.Record
	for lo := 0; lo < n; lo += pieceRows {
		out = halves(out, rec, lo, min(lo+pieceRows, n))
	}
	return out
}

func halves(out []arrow.Record, rec arrow.Record, lo, hi int) []arrow.Record {
	if hi-lo == 1 || rangeBytes(rec, lo, hi) <= pieceBytes {
		return append(out, rec.NewSlice(int64(lo), int64(hi)))
	}
	mid := (lo + hi) / 2
	return halves(halves(out, rec, lo, mid), rec, mid, hi)
}

// keyRange are the keys [From, To), and which rows are theirs.
type keyRange struct {
	from, to int
	rows     []int32 // in order; nil with whole
	whole    bool    // it has all
}

// keyRanges cuts keys into ranges that with their rows are not too large. perKey has a row a key, rows are of the keys of. A key with its rows stays together.
func keyRanges(rows arrow.Record, of []int32, keys int, perKey ...arrow.Record) []keyRange {
	total := recordBytes(rows)
	for _, r := range perKey {
		total += recordBytes(r)
	}
	if total <= wholeBytes || keys < 2 {
		return []keyRange{{to: keys, whole: true}}
	}
	weight := make([]int64, keys)
	for _, r := range perKey {
		for k := range weight {
			weight[k] += rangeBytes(r, k, k+1)
		}
	}
	for i, k := range of {
		weight[k] += rangeBytes(rows, i, i+1)
	}
	number := make([]int32, keys) // of the range that a key is in
	var out []keyRange
	var sum int64
	for k, w := range weight {
		if len(out) == 0 || sum+w > pieceBytes {
			out = append(out, keyRange{from: k})
			sum = 0
		}
		sum += w
		number[k] = int32(len(out) - 1)
		out[len(out)-1].to = k + 1
	}
	for i, k := range of {
		r := &out[number[k]]
		r.rows = append(r.rows, int32(i))
	}
	return out
}
