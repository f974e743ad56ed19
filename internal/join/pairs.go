package join

import (
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// pairs takes pairs of rows with equal keys, lets those go out that the condition wants, and remembers which rows matched.
type pairs struct {
	spec *Spec
	cond *expr.Eval // nil: all match
	emit func(task.Chunk) error
	l, r *col.Batch
	li   []int32
	ri   []int32
	hit  [2][]bool // by side and row: it matched
}

func newPairs(s *Spec, l, r *col.Batch, emit func(task.Chunk) error) *pairs {
	p := &pairs{spec: s, emit: emit, l: l, r: r, hit: [2][]bool{make([]bool, l.N), make([]bool, r.N)}}
	if s.If != nil {
		p.cond = s.If.Eval()
	}
	return p
}

// add takes a pair. Many go on their way together: a join of two frequent keys never holds all of its rows.
func (p *pairs) add(l, r int32) error {
	p.li, p.ri = append(p.li, l), append(p.ri, r)
	if len(p.li) >= task.ChunkRows {
		return p.flush()
	}
	return nil
}

// flush lets the pairs go that have come together.
func (p *pairs) flush() error {
	if len(p.li) == 0 {
		return nil
	}
	li, ri := p.li, p.ri
	if p.cond != nil {
		idx := p.cond.Where(p.spec.rows(p.l, p.r, li, ri), nil)
		li, ri = col32(li, idx), col32(ri, idx)
	}
	for i, l := range li {
		p.hit[0][l], p.hit[1][ri[i]] = true, true
	}
	p.li, p.ri = p.li[:0], p.ri[:0]
	if !p.spec.Kind.Pairs() || len(li) == 0 {
		return nil
	}
	return p.emit(task.Chunk{N: len(li), Vals: p.spec.out(p.spec.rows(p.l, p.r, li, ri))})
}

func col32(in, idx []int32) []int32 {
	out := make([]int32, len(idx))
	for i, j := range idx {
		out[i] = in[j]
	}
	return out
}

// out is a batch under the schema of results.
func (s *Spec) out(b *col.Batch) *col.Batch {
	b.Schema = s.Out
	return b
}

// alone lets rows idx of one side out, without partners.
func (p *pairs) alone(side int, idx []int32) error {
	return p.spec.alone(side, p.l, p.r, idx, p.emit)
}

// alone lets rows idx of one side out, without partners, in chunks.
func (s *Spec) alone(side int, l, r *col.Batch, idx []int32, emit func(task.Chunk) error) error {
	for len(idx) > 0 {
		n := min(len(idx), task.ChunkRows)
		out := s.aloneRows(side, l, r, idx[:n])
		if err := emit(task.Chunk{N: n, Vals: out}); err != nil {
			return err
		}
		idx = idx[n:]
	}
	return nil
}

func (s *Spec) aloneRows(side int, l, r *col.Batch, idx []int32) *col.Batch {
	if !s.Kind.Pairs() {
		return s.out(chosen(l, idx))
	}
	none := make([]int32, len(idx))
	for i := range none {
		none[i] = -1
	}
	if side == 0 {
		return s.out(s.rows(l, r, idx, none))
	}
	return s.out(s.rows(l, r, none, idx))
}
