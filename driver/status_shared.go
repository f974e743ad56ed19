package driver

import (
	"math"
	"strconv"

	"github.com/millrace/millrace/rdd"
)

// AccumulatorStatus is an accumulator's total over the batches that are published and recorded.
type AccumulatorStatus struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`  // "sum of int64", …
	Value any    `json:"value"` // a number; "NaN", "+Inf" or "-Inf" where JSON has none

	amount rdd.Amount
	float  bool
}

// BroadcastStatus is a broadcast.
type BroadcastStatus struct {
	Name     string `json:"name"`
	Version  int64  `json:"version"`         // with which batches are planned now
	Bytes    int64  `json:"bytes,omitempty"` // of it, once it was loaded
	Failures int64  `json:"failures"`        // loads that failed
	Error    string `json:"error,omitempty"` // why the last load failed; absent if it did not
}

// sharedStatus adds accumulators and broadcasts.
func (e *engine) sharedStatus(s *Status) {
	for _, a := range e.plan.Accumulators {
		x := AccumulatorStatus{Name: a.Name, Kind: a.Kind.String(), amount: a.Total(), float: a.Kind.Float()}
		switch f := x.amount.Float; {
		case !x.float:
			x.Value = x.amount.Int
		case math.IsNaN(f) || math.IsInf(f, 0):
			x.Value = strconv.FormatFloat(f, 'g', -1, 64)
		default:
			x.Value = f
		}
		s.Accumulators = append(s.Accumulators, x)
	}
	for _, b := range e.machine.broadcasts {
		s.Broadcasts = append(s.Broadcasts, BroadcastStatus{b.name, b.pin.Version, b.bytes, b.failures, b.why})
	}
}

// number is the total as metrics have it.
func (a *AccumulatorStatus) number() float64 {
	if a.float {
		return a.amount.Float
	}
	return float64(a.amount.Int)
}
