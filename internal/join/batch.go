package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// InBatch joins the rows of one batch. Pairs come in order of the left rows, each with its partners in order of theirs, and then rows without partners, those of the left side first.
func InBatch(s *Spec) ops.Shuffle {
	return ops.Shuffle{
		Inputs: []task.Input{s.Sides[0].Input(s.Key, s.Kind.Lonely(0)), s.Sides[1].Input(s.Key, s.Kind.Lonely(1))},
		New:    func() task.Reducer { return &inBatch{s} },
	}
}

type inBatch struct{ *Spec }

// Reduce joins what the batch brought.
func (j *inBatch) Reduce(_ *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 && (len(in[1]) == 0 || !j.Kind.Lonely(1)) {
		return nil
	}
	l, r := gather(j.Sides[0].Schema, in[0]), gather(j.Sides[1].Schema, in[1])
	p := newPairs(j.Spec, l, r, emit)
	err := ops.WithScratch(func(s *ops.Scratch) error { return j.match(p, s) })
	if err == nil && j.Kind == Semi {
		err = p.alone(0, flagged(p.hit[0], true))
	}
	for side := range p.hit {
		if err == nil && j.Kind.Lonely(side) {
			err = p.alone(side, flagged(p.hit[side], false))
		}
	}
	return err
}

// match finds the pairs: the right side is indexed, the left one goes through it.
func (j *inBatch) match(p *pairs, s *ops.Scratch) error {
	idx := newIndex(s, j.Key, p.r, j.Sides[1])
	keys := NewKeys(j.Key, j.Sides[0].Keys)
	null := keys.Read(p.l)
	numbers := s.Numbers(p.l.N)
	s.Dict.Find(&keys.Keys, numbers)
	for i, n := range numbers {
		if n < 0 || null != nil && null[i] {
			continue
		}
		for _, r := range idx.of(n) {
			if err := p.add(int32(i), r); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

// index is rows by the numbers of their keys.
type index struct{ ends, rows []int32 }

// newIndex numbers the keys of a side's rows in s.Dict. Rows with a null in the key are not in it.
func newIndex(s *ops.Scratch, key *row.Codec, b *col.Batch, side Side) index {
	keys := NewKeys(key, side.Keys)
	null := keys.Read(b)
	numbers := make([]int32, b.N)
	s.Dict.Add(&keys.Keys, numbers)
	for i, n := range null {
		if n {
			numbers[i] = -1
		}
	}
	return indexOf(numbers, s.Dict.Len())
}

// indexOf is rows by their numbers, -1 for none, below n.
func indexOf(numbers []int32, n int) index {
	x := index{ends: make([]int32, n+1)}
	count := 0
	for _, k := range numbers {
		if k >= 0 {
			x.ends[k]++
			count++
		}
	}
	sum := int32(0)
	for k, c := range x.ends {
		x.ends[k] = sum // for now: where the key's next row goes
		sum += c
	}
	x.rows = make([]int32, count)
	for i, k := range numbers {
		if k >= 0 {
			x.rows[x.ends[k]] = int32(i)
			x.ends[k]++
		}
	}
	return x
}

// of are the rows of key n, ascending.
func (x *index) of(n int32) []int32 {
	lo := int32(0)
	if n > 0 {
		lo = x.ends[n-1]
	}
	return x.rows[lo:x.ends[n]]
}

// flagged are the places of flags that are as wanted.
func flagged(flags []bool, want bool) []int32 {
	var idx []int32
	for i, f := range flags {
		if f == want {
			idx = append(idx, int32(i))
		}
	}
	return idx
}
