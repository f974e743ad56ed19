package source

import (
	"reflect"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decode"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// direct is columns without rows in between: for JSON objects whose columns that are read are single values. Columns are read into memory that is used again
// for each chunk; what is wanted of them is copied, texts too, so that the blocks may be used again.
type direct struct {
	in    *decode.Columns
	limit int
	all   *col.Batch // of the last chunk: what is read, and what conditions read
	read  []bool
	where conditions

	brief bool       // see rdd.BriefDecoder
	out   []*col.Vec // brief: memory of the last chunk's columns, where they are not those of all
}

// newDirect is false where records cannot be read so.
func newDirect(plan *decode.JSONPlan, limit int, codec *row.Codec, p rdd.Projection) (*direct, bool) {
	if plan == nil {
		return nil, false
	}
	d := &direct{limit: limit, read: p.Read, where: newConditions(p), all: &col.Batch{Schema: codec.Schema(), Cols: make([]*col.Vec, len(p.Read))}}
	type place struct {
		off uintptr
		typ reflect.Type
	}
	places := map[place]int{}
	for i, asked := range conditionsRead(codec.Schema(), p) {
		if !asked && !p.Read[i] {
			continue
		}
		if kind, ok := col.KindOf(codec.Schema().Field(i).Type); !ok || kind == col.Nested {
			return nil, false
		}
		d.all.Cols[i] = col.New(codec.Schema().Field(i).Type, 0)
		off, typ := codec.Field(i)
		places[place{off, typ}] = i
	}
	found := 0
	var ok bool
	d.in, ok = plan.Columns(func(off uintptr, typ reflect.Type) *col.Vec {
		i, ok := places[place{off, typ}]
		if !ok {
			return nil
		}
		found++
		return d.all.Cols[i]
	})
	return d, ok && found == len(places)
}

// Copies implements rdd.Copying: nobody reads rows that are brief when their block is given back.
func (d *direct) Copies() bool { return true }

// Brief implements rdd.BriefDecoder.
func (d *direct) Brief() {
	if d.brief = true; d.out == nil {
		d.out = make([]*col.Vec, len(d.read))
	}
}

// Rest implements rdd.ReusableDecoder.
func (d *direct) Rest() {
	d.in.Rest()
	for _, v := range d.out {
		if v != nil {
			clear(v.Texts[:cap(v.Texts)])
		}
	}
	d.brief = false
}

// Decode implements rdd.Decoder.
func (d *direct) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	rows, bad := d.fill(b, lo, hi)
	return d.where.answer(d.all, rows, lo, bad, d.batch)
}

// fill reads records [lo, hi) into the columns. Rows and bad are as rdd.Decoder says.
func (d *direct) fill(b *records.Block, lo, hi int) (rows []int32, bad []rdd.Bad) {
	d.in.Reset(hi - lo)
	s := sorting{lo: lo, hi: hi}
	for i := lo; i < hi; i++ {
		switch sp := b.Values[i]; {
		case sp.Len == records.Null:
			s.refuse(i, noValue)
		case d.limit > 0 && int(sp.Len) > d.limit:
			s.refuse(i, tooLong(d.limit))
		case d.in.Add(b.Data, sp):
			s.good(i)
		default:
			s.refuse(i, d.in.Reason())
		}
	}
	d.all.N = d.in.Len()
	for _, v := range d.all.Cols {
		if v != nil {
			v.N = d.all.N
		}
	}
	return s.rows, s.bad
}

// batch is rows idx (nil: all) of the columns that are read: a copy, or where rows are brief what is here.
func (d *direct) batch(idx []int32) *col.Batch {
	if d.brief {
		return d.here(idx)
	}
	b := &col.Batch{Schema: d.all.Schema, Cols: make([]*col.Vec, len(d.read)), N: d.all.N}
	if idx != nil {
		b.N = len(idx)
	}
	for i, v := range d.all.Cols {
		if d.read[i] {
			b.Cols[i] = v.Copy(idx)
		}
	}
	return b
}

// here is batch in memory that is used again: texts lie in the block.
func (d *direct) here(idx []int32) *col.Batch {
	b := &col.Batch{Schema: d.all.Schema, Cols: make([]*col.Vec, len(d.read)), N: d.all.N}
	if idx != nil {
		b.N = len(idx)
	}
	for i, v := range d.all.Cols {
		if !d.read[i] {
			continue
		}
		if idx != nil {
			if d.out[i] == nil {
				d.out[i] = &col.Vec{Type: v.Type, Kind: v.Kind}
			}
			v.TakeInto(d.out[i], idx)
			v = d.out[i]
		}
		chunk := *v // what is made of a chunk may be known by its columns
		b.Cols[i] = &chunk
	}
	return b
}
