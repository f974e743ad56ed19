package rdd

import "github.com/millrace/millrace/internal/task"

// What accumulators and broadcasts are made of, see package task. Jobs declare them with package dstream.
type (
	// Task is what a function of a job may know of the task that it runs in: its batch and partition. With it functions reach
	// accumulators and broadcasts.
	Task = task.Task

	// Accumulator is a sum, or the like, over all rows that functions of a job see.
	Accumulator = task.Accumulator

	// AccumulatorKind says how amounts are folded, and of which type they are.
	AccumulatorKind = task.AccumulatorKind

	// Amount is a value of an accumulator.
	Amount = task.Amount

	// Delta is what a task added to an accumulator.
	Delta = task.Delta

	// Tally holds what one attempt of a task added.
	Tally = task.Tally

	// Broadcast is a value that changes while a job runs.
	Broadcast = task.Broadcast

	// Version is one version of a broadcast in a process.
	Version = task.Version
)

// The kinds of accumulator; each is followed by its twin for floats.
const (
	SumInt   = task.SumInt
	SumFloat = task.SumFloat
	MaxInt   = task.MaxInt
	MinInt   = task.MinInt
)

// MaxBroadcastBytes bounds a version, encoded.
const MaxBroadcastBytes = task.MaxBroadcastBytes

// Shared is what functions of a job share beside its rows.
type Shared struct {
	Values       []Value
	Accumulators []*Accumulator
	Broadcasts   []*Broadcast
}

// NewTally is an empty tally for a task of the plan, nil if it has no accumulators.
func (p *Plan) NewTally() *Tally { return task.NewTally(p.Accumulators) }

// NewVersion is a version made of its bytes, which must not change any more.
func NewVersion(name string, data []byte) *Version { return task.NewVersion(name, data) }

// Broadcast is the broadcast of that name, nil if there is none.
func (p *Plan) Broadcast(name string) *Broadcast {
	for _, b := range p.Broadcasts {
		if b.Name == name {
			return b
		}
	}
	return nil
}
