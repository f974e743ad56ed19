package task

import (
	"fmt"
	"sync/atomic"

	"github.com/millrace/millrace/internal/userstack"
)

// Accumulator is a sum, or the like, over all rows that functions of a job see. Each task has a cell of its own; it rides in the accepted result
// only (P17), and is folded into the total when the batch is committed: each row counts once, however often it was computed.
type Accumulator struct {
	ID   int // its place among a plan's accumulators
	Name string
	Kind AccumulatorKind

	total atomic.Pointer[Amount]
}

// MaxAccumulators is how many a job may have: each is in the commit record of every batch that adds to it.
const MaxAccumulators = 256

// Total is the total of the batches that are committed and recorded, in the driver's process. Elsewhere, and before the first, it is the zero Amount.
func (a *Accumulator) Total() Amount {
	if t := a.total.Load(); t != nil {
		return *t
	}
	return Amount{}
}

// SetTotal is called by whoever commits batches.
func (a *Accumulator) SetTotal(t Amount) { a.total.Store(&t) }

// AccumulatorKind says how amounts are folded, and of which type they are.
type AccumulatorKind uint8

// The kinds of accumulator. Sums of integers wrap around; sums of floats are added in the order of tasks and rows, so that each attempt gives the same bits.
const (
	SumInt AccumulatorKind = iota
	SumFloat
	MaxInt
	MaxFloat
	MinInt
	MinFloat
)

var kindTexts = [...]string{"sum of int64", "sum of float64", "max of int64", "max of float64", "min of int64", "min of float64"}

// String is the kind as the plan's text and the checkpoint have it.
func (k AccumulatorKind) String() string { return kindTexts[k] }

// Float tells whether amounts are floats.
func (k AccumulatorKind) Float() bool { return k&1 == 1 }

// Amount is a value of an accumulator: Int or Float, as its kind says. Set is false as long as nothing was added.
type Amount struct {
	Int   int64   `cbor:"1,keyasint,omitempty"`
	Float float64 `cbor:"2,keyasint,omitempty"`
	Set   bool    `cbor:"3,keyasint,omitempty"`
}

// Fold takes b into a.
func (k AccumulatorKind) Fold(a *Amount, b Amount) {
	switch {
	case !b.Set:
	case !a.Set:
		*a = b
	case k == SumInt:
		a.Int += b.Int
	case k == SumFloat:
		a.Float += b.Float
	case k == MaxInt:
		a.Int = max(a.Int, b.Int)
	case k == MaxFloat:
		a.Float = max(a.Float, b.Float)
	case k == MinInt:
		a.Int = min(a.Int, b.Int)
	case k == MinFloat:
		a.Float = min(a.Float, b.Float)
	}
}

// Tally holds what one attempt of a task added, by accumulator. One goroutine at a time.
type Tally struct {
	of    []*Accumulator
	cells []Amount
}

// NewTally is an empty tally for a plan's accumulators, nil if there is none.
func NewTally(of []*Accumulator) *Tally {
	if len(of) == 0 {
		return nil
	}
	return &Tally{of, make([]Amount, len(of))}
}

// Anew is an empty tally for the same accumulators.
func (t *Tally) Anew() *Tally {
	if t == nil {
		return nil
	}
	return NewTally(t.of)
}

// Delta is what a task added to the accumulator of that number.
type Delta struct {
	ID     int    `cbor:"1,keyasint"`
	Amount Amount `cbor:"2,keyasint"`
}

// Deltas are what was added, ascending, without accumulators that nothing was added to.
func (t *Tally) Deltas() []Delta {
	if t == nil {
		return nil
	}
	var list []Delta
	for i, c := range t.cells {
		if c.Set {
			list = append(list, Delta{i, c})
		}
	}
	return list
}

// Cell is what the task added to a so far, for functions to fold more into; nil outside of a task.
func (t Task) Cell(a *Accumulator) *Amount {
	if t.ctx == nil || t.ctx.Tally == nil {
		return nil
	}
	if y := t.ctx.Tally; a.ID < len(y.of) && y.of[a.ID] == a {
		return &y.cells[a.ID]
	}
	return t.ctx.Tally.find(a)
}

// find is Cell for an accumulator that another call of the job function declared.
func (y *Tally) find(a *Accumulator) *Amount {
	if a.ID >= len(y.of) || !y.of[a.ID].same(a) {
		panic(userstack.Misuse{Err: fmt.Errorf("accumulator %q belongs to another job", a.Name)})
	}
	return &y.cells[a.ID]
}

// same tells whether b is a as another call of the same job function declared it.
func (a *Accumulator) same(b *Accumulator) bool { return a.Name == b.Name && a.Kind == b.Kind }
