package rdd

import (
	"cmp"
	"fmt"
	"math"
)

// date is process for a node with event time. Rows without one are set aside.
func (t *Pipeline) date(s *stage, in Chunk) Chunk {
	limit := int64(math.MaxInt64 - 1)
	if ahead := s.node.Event.Ahead; ahead > 0 {
		limit = min(limit-ahead, t.ctx.Time) + ahead
	}
	out, found := s.dated.Date(in, limit)
	t.ctx.Highs[s.event] = max(t.ctx.Highs[s.event], found.Highest)
	t.ctx.Counters.Ahead += found.Ahead
	s.ahead += found.Ahead
	t.ctx.Counters.Bad += found.Without
	if n := int(found.Without); n > 0 {
		reason := fmt.Sprintf("no event time: %s of %s (%s) is null", cmp.Or(s.node.Event.Column, "the result"), s.node.Op, s.node.Site)
		t.lose(s, n, func() []letter {
			letters := t.trace(s, n)
			for i := range letters {
				letters[i].reason = reason
			}
			return letters
		})
	}
	return out
}
