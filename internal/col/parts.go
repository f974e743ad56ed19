package col

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
)

// Parts are lists of texts that are not an Arrow array yet, and need not become one if their elements are made rows at once: list i is Texts[Ends[i-1]:Ends[i]]. Those of
// a null are none.
type Parts struct {
	Texts []string
	Ends  []int32
	Null  []bool // nil: there is a list everywhere
}

// OfParts is lists as a column of type t, a list of texts that are never null.
func OfParts(t *arrow.ListType, p *Parts) *Vec {
	return &Vec{Type: t, Kind: Nested, N: len(p.Ends), Parts: p}
}

// Arrow is a nested column as an Arrow array. Parts become one when it is asked for first.
func (v *Vec) Arrow() arrow.Array {
	if v.Array == nil && v.Parts != nil {
		v.Array = v.Parts.array(v.Type)
	}
	return v.Array
}

func (p *Parts) array(t arrow.DataType) arrow.Array {
	n := len(p.Ends)
	offs := batch.Alloc(4 * (n + 1))
	copy(batch.As[int32](offs)[1:], p.Ends)
	lists := &Vec{N: n, Null: p.Null}
	valid, nulls := lists.validity(nil, n)
	bufs := []*memory.Buffer{nil, memory.NewBufferBytes(offs)}
	if valid != nil {
		bufs[0] = memory.NewBufferBytes(valid)
	}
	elem := t.(*arrow.ListType).Elem()
	kid := (&Vec{Type: elem, Kind: Text, N: len(p.Texts), Texts: p.Texts}).ToArray(nil).Data()
	return array.MakeFromData(array.NewData(t, n, bufs, []arrow.ArrayData{kid}, nulls, 0))
}

// take are lists idx.
func (p *Parts) take(idx []int32) *Parts {
	out := &Parts{Ends: make([]int32, len(idx))}
	if p.Null != nil {
		out.Null = take(p.Null, idx)
	}
	n := 0
	for i, j := range idx {
		n += int(p.Ends[j] - p.start(j))
		out.Ends[i] = int32(n)
	}
	out.Texts = make([]string, 0, n)
	for _, j := range idx {
		out.Texts = append(out.Texts, p.Texts[p.start(j):p.Ends[j]]...)
	}
	return out
}

func (p *Parts) start(i int32) int32 {
	if i == 0 {
		return 0
	}
	return p.Ends[i-1]
}
