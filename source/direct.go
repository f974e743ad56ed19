package source

import (
	"fmt"
	"reflect"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decode"
	"github.com/millrace/millrace/internal/fault"
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
	where []*expr.Eval
	idx   [2][]int32 // rows that pass, before and after a condition
}

// newDirect is false where records cannot be read so.
func newDirect(plan *decode.JSONPlan, limit int, codec *row.Codec, p rdd.Projection) (*direct, bool) {
	if plan == nil {
		return nil, false
	}
	d := &direct{limit: limit, read: p.Read, all: &col.Batch{Schema: codec.Schema(), Cols: make([]*col.Vec, len(p.Read))}}
	need := append([]bool(nil), p.Read...)
	for _, w := range p.Where {
		d.where = append(d.where, w.Eval())
		for _, name := range w.Expr().Columns() {
			for _, i := range codec.Schema().FieldIndices(name) {
				need[i] = true
			}
		}
	}
	type place struct {
		off uintptr
		typ reflect.Type
	}
	places := map[place]int{}
	for i, needed := range need {
		if !needed {
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

// Copies implements rdd.Copying.
func (d *direct) Copies() bool { return true }

// Decode implements rdd.Decoder.
func (d *direct) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	rows, bad := d.fill(b, lo, hi)
	n := d.in.Len()
	if len(d.where) == 0 {
		return rdd.Chunk{N: n, Vals: d.batch(nil)}, rows, bad
	}
	idx := d.wanted()
	if len(idx) == 0 && fault.Planted("P13-filtered") {
		bad = nil
	}
	return rdd.Chunk{N: len(idx), Vals: d.batch(idx)}, recordsOf(rows, idx, lo), bad
}

// fill reads records [lo, hi) into the columns. Rows and bad are as rdd.Decoder says.
func (d *direct) fill(b *records.Block, lo, hi int) (rows []int32, bad []rdd.Bad) {
	d.in.Reset(hi - lo)
	for i := lo; i < hi; i++ {
		sp, why := b.Values[i], ""
		switch {
		case sp.Len == records.Null:
			why = "record has no value"
		case d.limit > 0 && int(sp.Len) > d.limit:
			why = fmt.Sprintf("too long: more than %d bytes", d.limit)
		case d.in.Add(b.Data, sp):
			if rows != nil {
				rows = append(rows, int32(i))
			}
			continue
		default:
			why = d.in.Reason()
		}
		if rows == nil {
			rows = make([]int32, i-lo, hi-lo)
			for k := range rows {
				rows[k] = int32(lo + k)
			}
		}
		if !fault.Planted("P13-bad-lost") {
			bad = append(bad, rdd.Bad{Index: i, Reason: why})
		}
	}
	d.all.N = d.in.Len()
	for _, v := range d.all.Cols {
		if v != nil {
			v.N = d.all.N
		}
	}
	return rows, bad
}

// wanted are the rows for which all conditions are true, not nil.
func (d *direct) wanted() []int32 {
	b := d.all
	for i, w := range d.where {
		if d.idx[i&1] == nil {
			d.idx[i&1] = make([]int32, 0, b.N)
		}
		d.idx[i&1] = w.Where(b, d.idx[i&1][:0])
		b = d.all.Where(d.idx[i&1])
	}
	return b.Sel
}

// batch is a copy of rows idx (nil: all) of the columns that are read.
func (d *direct) batch(idx []int32) *col.Batch {
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
