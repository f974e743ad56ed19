package batch

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"github.com/millrace/millrace/internal/assert"
)

// Take are rows idx of rec, in that order. The result shares no memory with rec.
func Take(rec arrow.Record, idx []int32) arrow.Record {
	cols := make([]arrow.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		cols[i] = array.MakeFromData(takeView(viewOf(c.Data()), idx))
	}
	return array.NewRecord(rec.Schema(), cols, int64(len(idx)))
}

// Split sends row i of rec to part[i] of n; result j is nil where part j got no row, and rec itself where it
// got all. Order is kept (I7).
func Split(rec arrow.Record, part []int32, n int) []arrow.Record {
	assert.True(int64(len(part)) == rec.NumRows(), "%d parts for %d rows", len(part), rec.NumRows())
	out := make([]arrow.Record, n)
	ends := make([]int32, n)
	for _, p := range part {
		ends[p]++
	}
	start := int32(0)
	for p, c := range ends {
		if int(c) == len(part) && c > 0 {
			out[p] = rec
			return out
		}
		ends[p] = start
		start += c
	}
	idx := make([]int32, len(part))
	for i, p := range part {
		idx[ends[p]] = int32(i)
		ends[p]++
	}
	start = 0
	for p, end := range ends {
		if end > start {
			out[p] = Take(rec, idx[start:end])
		}
		start = end
	}
	return out
}

// takeView gathers rows idx of v, counted from its start.
func takeView(v view, idx []int32) *array.Data {
	dt, n, nulls := v.data.DataType(), len(idx), 0
	var valid []byte
	if v.nulls() > 0 {
		b, set := takeBits(v.buf(0), v.off, idx)
		if nulls = n - set; nulls > 0 {
			valid = b
		}
	}
	s, width := shapeOf(dt)
	switch s {
	case bits:
		b, _ := takeBits(v.buf(1), v.off, idx)
		return newData(dt, n, nulls, nil, valid, b)
	case fixed:
		return newData(dt, n, nulls, nil, valid, takeFixed(v, idx, width))
	case text:
		offs, b := takeText(v, idx)
		return newData(dt, n, nulls, nil, valid, offs, b)
	case list:
		offs, elems := takeOffsets(v, idx)
		kid := takeView(v.elems(0, 0).whole(), elems)
		return newData(dt, n, nulls, []arrow.ArrayData{kid}, valid, offs)
	case nested:
		kids := make([]arrow.ArrayData, len(v.data.Children()))
		for i := range kids {
			kids[i] = takeView(v.field(i), idx)
		}
		return newData(dt, n, nulls, kids, valid)
	}
	panic("invariant broken: type " + dt.String() + " in a record batch")
}

// takeBits gathers bits and counts those that are set.
func takeBits(b []byte, off int, idx []int32) (out []byte, set int) {
	out = Alloc((len(idx) + 7) / 8)
	for i, r := range idx {
		at := off + int(r)
		bit := b[at>>3] >> (at & 7) & 1
		out[i>>3] |= bit << (i & 7)
		set += int(bit)
	}
	return out, set
}

func takeFixed(v view, idx []int32, width int) []byte {
	out := Alloc(len(idx) * width)
	if len(idx) == 0 {
		return out
	}
	in := v.buf(1)[v.off*width:]
	switch width {
	case 1:
		gather(out, in, idx)
	case 2:
		gather(As[uint16](out), As[uint16](in), idx)
	case 4:
		gather(As[uint32](out), As[uint32](in), idx)
	case 8:
		gather(As[uint64](out), As[uint64](in), idx)
	default:
		for i, r := range idx {
			copy(out[i*width:(i+1)*width], in[int(r)*width:])
		}
	}
	return out
}

func gather[T any](out, in []T, idx []int32) {
	out = out[:len(idx)]
	for i, r := range idx {
		out[i] = in[r]
	}
}

func takeText(v view, idx []int32) (offs, out []byte) {
	in, data := v.offsets(), v.buf(2)
	size := 0
	for _, r := range idx {
		size += int(in[r+1] - in[r])
	}
	maxOffset(size)
	offs = Alloc(4 * (len(idx) + 1))
	o := As[int32](offs)
	out = Alloc(size)
	at := 0
	for i, r := range idx {
		at += copy(out[at:], data[in[r]:in[r+1]])
		o[i+1] = int32(at)
	}
	return offs, out
}

// takeOffsets are the offsets of rows idx of a list and the numbers of their elements.
func takeOffsets(v view, idx []int32) (offs []byte, elems []int32) {
	in := v.offsets()
	offs = Alloc(4 * (len(idx) + 1))
	o, size := As[int32](offs), 0
	for i, r := range idx {
		size += int(in[r+1] - in[r])
		o[i+1] = maxOffset(size)
	}
	elems = make([]int32, 0, size)
	for _, r := range idx {
		for e := in[r]; e < in[r+1]; e++ {
			elems = append(elems, e)
		}
	}
	return offs, elems
}

// Concat joins records of one schema, in order; nil for none, the record itself for one.
func Concat(recs []arrow.Record) arrow.Record {
	switch len(recs) {
	case 0:
		return nil
	case 1:
		return recs[0]
	}
	var rows int64
	for _, r := range recs {
		rows += r.NumRows()
	}
	cols := make([]arrow.Array, recs[0].NumCols())
	views := make([]view, len(recs))
	for i := range cols {
		for j, r := range recs {
			views[j] = viewOf(r.Column(i).Data())
		}
		cols[i] = array.MakeFromData(concat(views))
	}
	return array.NewRecord(recs[0].Schema(), cols, rows)
}

// concat joins views of one type.
func concat(vs []view) *array.Data {
	dt := vs[0].data.DataType()
	n, nulls := 0, 0
	for _, v := range vs {
		n += v.n
		nulls += v.nulls()
	}
	var valid []byte
	if nulls > 0 {
		valid = concatBits(vs, n, 0)
	}
	s, width := shapeOf(dt)
	switch s {
	case bits:
		return newData(dt, n, nulls, nil, valid, concatBits(vs, n, 1))
	case fixed:
		out := Alloc(n * width)[:0]
		for _, v := range vs {
			if v.n > 0 {
				out = append(out, v.buf(1)[v.off*width:(v.off+v.n)*width]...)
			}
		}
		return newData(dt, n, nulls, nil, valid, out)
	case text:
		offs, size := concatOffsets(vs, n)
		out := Alloc(size)[:0]
		for _, v := range vs {
			if o := v.offsets(); v.n > 0 {
				out = append(out, v.buf(2)[o[0]:o[v.n]]...)
			}
		}
		return newData(dt, n, nulls, nil, valid, offs, out)
	case list:
		offs, _ := concatOffsets(vs, n)
		elems := make([]view, len(vs))
		for i, v := range vs {
			elems[i] = v.elems(0, 0)
			if o := v.offsets(); v.n > 0 {
				elems[i] = v.elems(o[0], o[v.n])
			}
		}
		return newData(dt, n, nulls, []arrow.ArrayData{concat(elems)}, valid, offs)
	case nested:
		kids := make([]arrow.ArrayData, len(vs[0].data.Children()))
		fields := make([]view, len(vs))
		for i := range kids {
			for j, v := range vs {
				fields[j] = v.field(i)
			}
			kids[i] = concat(fields)
		}
		return newData(dt, n, nulls, kids, valid)
	}
	panic("invariant broken: type " + dt.String() + " in a record batch")
}

// concatBits joins bitmaps in buffer b; an absent null bitmap is all ones.
func concatBits(vs []view, n, b int) []byte {
	out, at := Alloc((n+7)/8), 0
	for _, v := range vs {
		switch {
		case v.n == 0:
		case b == 0 && v.nulls() == 0:
			bitutil.SetBitsTo(out, int64(at), int64(v.n), true)
		default:
			bitutil.CopyBitmap(v.buf(b), v.off, v.n, out, at)
		}
		at += v.n
	}
	return out
}

// concatOffsets joins offsets; size is the last.
func concatOffsets(vs []view, n int) (offs []byte, size int) {
	offs = Alloc(4 * (n + 1))
	out, at := As[int32](offs)[1:], 0
	for _, v := range vs {
		in := v.offsets()
		if v.n == 0 {
			continue
		}
		move := int32(at) - in[0]
		at += int(in[v.n] - in[0])
		maxOffset(at)
		for i, o := range in[1:] {
			out[i] = o + move
		}
		out = out[v.n:]
	}
	return offs, at
}
