package driver

import (
	"container/heap"
	"slices"

	"github.com/millrace/millrace/rdd"
)

// front is how far an event-time input has come without the rows of a batch: what its partitions hold the watermark at. It is kept up to date as partitions
// change (touch) and time passes, since it is asked for at every step, and a job may read thousands of partitions.
type front struct {
	holding queue // partitions that are not idle, by what they have reached
	falling queue // those of them that will be idle if nothing comes, by when
	most    int64 // what any partition has reached
}

// standing is a partition's place in a front.
type standing struct{ holding, falling spot }

// spot is a partition's place in a queue.
type spot struct {
	key   int64
	place int // counted from 1, 0: it is not there
	of    *standing
}

// queue is a heap by key.
type queue []*spot

// set gives s its place by key, or takes it out.
func (q *queue) set(s *spot, key int64, in bool) {
	was := s.key
	s.key = key
	switch {
	case in && s.place == 0:
		heap.Push(q, s)
	case in && key != was:
		heap.Fix(q, s.place-1)
	case !in && s.place > 0:
		heap.Remove(q, s.place-1)
	}
}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].key < q[j].key }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i+1, j+1
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	s := x.(*spot)
	*q = append(*q, s)
	s.place = len(*q)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	(*q)[last] = nil
	*q, s.place = (*q)[:last], 0
	return s
}

// touch takes in that a partition has changed: what it has reached, or anything that idleAt looks at.
func (m *machine) touch(p *part) {
	for i := range m.shape.events {
		e, f, s := &m.shape.events[i], &m.fronts[i], &p.stands[i]
		if !slices.Contains(e.sources, p.Source) {
			continue
		}
		at := m.idleAt(p, e)
		f.holding.set(&s.holding, p.highs[i], at < 0 || at > m.now)
		f.falling.set(&s.falling, at, at > m.now)
		f.most = max(f.most, p.highs[i])
	}
}

// front is that of an event-time input now.
func (m *machine) front(event int) *front {
	f := &m.fronts[event]
	for len(f.falling) > 0 && f.falling[0].key <= m.now {
		s := f.falling[0].of
		f.falling.set(&s.falling, 0, false)
		f.holding.set(&s.holding, 0, false)
	}
	return f
}

// mark is what the record of a batch without rows would say of the input.
func (f *front) mark(before int64) rdd.Watermark {
	w := rdd.Watermark{Before: before, Rest: rdd.EndOfTime, Most: f.most}
	if len(f.holding) > 0 {
		w.Rest = f.holding[0].key
	}
	return w
}
