package join

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// rows makes rows of both sides out of pairs of row numbers, -1 where a side has no row.
func (s *Spec) rows(l, r *col.Batch, li, ri []int32) *col.Batch { return s.rowsIn(nil, l, r, li, ri) }

// rowsIn is rows with columns in memory, one for each, which is used again: those of rows that were made in it before are of any content then. nil: in new memory.
func (s *Spec) rowsIn(memory []*col.Vec, l, r *col.Batch, li, ri []int32) *col.Batch {
	lonelyL, lonelyR := hasNone(li), hasNone(ri)
	out := &col.Batch{Schema: s.Both, N: len(li), Cols: make([]*col.Vec, len(s.From))}
	if inPlace(li, l.N) {
		li = nil
	}
	for i, from := range s.From {
		switch {
		case from.Right < 0:
			out.Cols[i] = takeIn(memory, i, l.Cols[from.Left], li, lonelyL)
		case from.Left < 0:
			out.Cols[i] = takeIn(memory, i, r.Cols[from.Right], ri, lonelyR)
		case !lonelyL:
			out.Cols[i] = takeIn(memory, i, l.Cols[from.Left], li, false)
		default:
			out.Cols[i] = either(l.Cols[from.Left], r.Cols[from.Right], li, ri)
		}
	}
	return out
}

// inPlace tells whether idx are all of n rows, each once and in order.
func inPlace(idx []int32, n int) bool {
	if len(idx) != n {
		return false
	}
	for i, j := range idx {
		if int(j) != i {
			return false
		}
	}
	return true
}

func hasNone(idx []int32) bool {
	for _, i := range idx {
		if i < 0 {
			return true
		}
	}
	return false
}

// takeIn is take, into column i of memory if there is some.
func takeIn(memory []*col.Vec, i int, v *col.Vec, idx []int32, none bool) *col.Vec {
	if memory == nil || none || idx == nil || v == nil || v.Kind == col.Nested {
		return take(v, idx, none)
	}
	if memory[i] == nil {
		memory[i] = &col.Vec{Type: v.Type, Kind: v.Kind}
	}
	v.TakeInto(memory[i], idx)
	out := *memory[i] // what is made of a chunk may be known by its columns
	return &out
}

// take is v.Take(idx) with null for -1.
func take(v *col.Vec, idx []int32, none bool) *col.Vec {
	if !none {
		return v.Take(idx)
	}
	if v.Kind == col.Nested {
		return takeNested(v, idx)
	}
	sure := make([]int32, len(idx))
	for i, j := range idx {
		sure[i] = max(j, 0)
	}
	var out *col.Vec
	if v.N == 0 {
		out = col.New(v.Type, len(idx))
	} else {
		out = v.Take(sure)
	}
	for i, j := range idx {
		if j < 0 {
			out.SetNull(i)
		}
	}
	return out
}

// takeNested is take for lists and maps, where the empty one stands for null, and structs.
func takeNested(v *col.Vec, idx []int32) *col.Vec {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: v.Type, Nullable: true}}, nil)
	none := array.NewRecord(schema, []arrow.Array{col.Nothing(v.Type, 1)}, 1)
	var all arrow.Record = none
	if v.N > 0 {
		all = batch.Concat([]arrow.Record{none, array.NewRecord(schema, []arrow.Array{v.Array}, int64(v.N))})
	}
	behind := make([]int32, len(idx))
	for i, j := range idx {
		behind[i] = j + 1
	}
	return col.FromArray(batch.Take(all, behind).Column(0))
}

// either is a column that both sides have: the left's value, or the right's where there is no row on the left.
func either(l, r *col.Vec, li, ri []int32) *col.Vec {
	out := take(l, li, true)
	right := take(r, ri, true)
	for i, j := range li {
		if j >= 0 || right.IsNull(i) {
			continue
		}
		out.Null[i] = false
		switch out.Kind {
		case col.Bool:
			out.Bools[i] = right.Bools[i]
		case col.Int:
			out.Ints[i] = right.Ints[i]
		case col.Uint:
			out.Uints[i] = right.Uints[i]
		case col.Text:
			out.Texts[i] = right.Texts[i]
		}
	}
	return out
}

// emptyBatch is a batch of no rows.
func emptyBatch(schema *arrow.Schema) *col.Batch {
	b := &col.Batch{Schema: schema, Cols: make([]*col.Vec, schema.NumFields())}
	for i, f := range schema.Fields() {
		if kind, _ := col.KindOf(f.Type); kind == col.Nested {
			b.Cols[i] = col.FromArray(array.NewBuilder(memory.DefaultAllocator, f.Type).NewArray())
			continue
		}
		b.Cols[i] = col.New(f.Type, 0)
	}
	return b
}

// chosen are rows idx of a batch, none for nil.
func chosen(b *col.Batch, idx []int32) *col.Batch {
	if idx == nil {
		idx = []int32{}
	}
	return (&col.Batch{Schema: b.Schema, Cols: b.Cols, N: b.N, Sel: idx}).Dense()
}

// behind is a batch of the rows of a, then those of b.
func behind(a, b *col.Batch) *col.Batch {
	if b.N == 0 {
		return a
	}
	out := &col.Batch{Schema: a.Schema, N: a.N + b.N, Cols: make([]*col.Vec, len(a.Cols))}
	for i, v := range a.Cols {
		out.Cols[i] = joined(v, b.Cols[i])
	}
	return out
}

// joined is the values of a, then those of b.
func joined(a, b *col.Vec) *col.Vec {
	if a.Kind == col.Nested {
		schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: a.Type, Nullable: true}}, nil)
		rec := batch.Concat([]arrow.Record{
			array.NewRecord(schema, []arrow.Array{a.Array}, int64(a.N)), array.NewRecord(schema, []arrow.Array{b.Array}, int64(b.N))})
		return col.FromArray(rec.Column(0))
	}
	out := &col.Vec{Type: a.Type, Kind: a.Kind, N: a.N + b.N}
	switch a.Kind {
	case col.Bool:
		out.Bools = together(a.Bools, a.N, b.Bools, b.N)
	case col.Int:
		out.Ints = together(a.Ints, a.N, b.Ints, b.N)
	case col.Uint:
		out.Uints = together(a.Uints, a.N, b.Uints, b.N)
	case col.Float:
		out.Floats = together(a.Floats, a.N, b.Floats, b.N)
	case col.Text:
		out.Texts = together(a.Texts, a.N, b.Texts, b.N)
	case col.Decimal:
		out.Decimals = together(a.Decimals, a.N, b.Decimals, b.N)
	}
	if a.Null != nil || b.Null != nil {
		out.Null = make([]bool, out.N)
		copy(out.Null, a.Null)
		copy(out.Null[a.N:], b.Null)
	}
	return out
}

func together[T any](a []T, n int, b []T, m int) []T {
	return append(append(make([]T, 0, n+m), a[:n]...), b[:m]...)
}
