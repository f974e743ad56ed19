package agg

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// sketch is a summary of a group's values that is bytes as a partial state.
type sketch[S any] interface {
	*S
	merge(data string) bool // false: these are not the bytes of one
	append(b []byte) []byte
	reset()
}

// sketches is a sketch a group.
type sketches[S any, P sketch[S]] struct {
	typ    arrow.DataType // of results
	put    func(s P, v *col.Vec, row int32)
	result func(s P, out *col.Vec, i int)
	all    []S // more than groups: memory of groups before Reset
	n      int
}

func (s *sketches[S, P]) grow(n int) {
	if n > len(s.all) {
		s.all = append(s.all, make([]S, n-len(s.all)+n/4)...)
	}
	s.n = n
}

func (s *sketches[S, P]) reset() {
	for i := range s.all[:s.n] {
		P(&s.all[i]).reset()
	}
	s.n = 0
}

func (s *sketches[S, P]) add(args []*col.Vec, rows, idx []int32) {
	for i, g := range idx {
		s.put(P(&s.all[g]), args[0], rows[i])
	}
}

func (s *sketches[S, P]) merge(cols []*col.Vec, idx []int32) {
	for i, g := range idx {
		ok := P(&s.all[g]).merge(cols[0].Texts[i])
		assert.True(ok, "a partial state that is no sketch")
	}
}

func (s *sketches[S, P]) partials(idx []int32) []*col.Vec {
	out := col.New(bytesType, len(idx))
	var b []byte
	for i, g := range idx {
		b = P(&s.all[g]).append(b[:0])
		out.Texts[i] = string(b)
	}
	return []*col.Vec{out}
}

func (s *sketches[S, P]) results(idx []int32) *col.Vec {
	out := col.New(s.typ, len(idx))
	for i, g := range idx {
		s.result(P(&s.all[g]), out, i)
	}
	return out
}
