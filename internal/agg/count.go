package agg

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

func countOf(_ expr.Agg, args []arrow.DataType) (kind, error) {
	k := kind{counts: -1, retracts: true, new: func() state { return &count{} }}
	if len(args) > 0 {
		k.counts = 0
	}
	k.partial = []arrow.Field{{Name: "n", Type: int64Type}}
	k.result = arrow.Field{Type: int64Type}
	return k, nil
}

// count counts rows.
type count struct{ n []int64 }

func (s *count) grow(n int) { s.n = grown(s.n, n) }
func (s *count) reset()     { s.n = s.n[:0] }

func (s *count) add(_ []*col.Vec, _, idx []int32) {
	n := s.n
	for _, g := range idx {
		n[g]++
	}
}

func (s *count) merge(cols []*col.Vec, idx []int32) {
	in := cols[0].Ints
	for i, g := range idx {
		s.n[g] += in[i]
	}
}

func (s *count) retract(cols []*col.Vec, idx []int32) {
	in := cols[0].Ints
	for i, g := range idx {
		s.n[g] -= in[i]
	}
}

func (s *count) partials(idx []int32) []*col.Vec { return []*col.Vec{s.results(idx)} }
func (s *count) results(idx []int32) *col.Vec    { return vec(int64Type, chosen(s.n, idx), nil) }
