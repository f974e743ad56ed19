package dstream

import (
	"fmt"
	"math"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// Sample keeps about fraction of the rows, 0 to 1. Which ones follows from the operator's name (Name; its place in the plan if
// it has none), the batch, the partition and the row's place in it, and from nothing else: a batch that is computed again
// has the same sample (I2), one under another layout has another (P27).
func (s Stream[T]) Sample(fraction float64) Stream[T] {
	at := caller()
	if !(fraction >= 0 && fraction <= 1) {
		s.job.mistakef(at, "Sample(%v): a fraction of the rows is between 0 and 1", fraction)
	}
	var n *rdd.Node
	n = s.job.narrow(at, fmt.Sprintf("sample(%v)", fraction), []*rdd.Node{s.node}, nil, s.node.Val, func() rdd.Kernel {
		k := &sampler[T]{fraction: fraction, seed: seedOf(n)}
		return kernel(k.choose)
	})
	return Stream[T]{s.job, n}
}

// sampler decides row by row of one task.
type sampler[T any] struct {
	fraction float64
	seed     uint64
	row      uint64 // place of the next row in the task
	idx      []int32
}

func (k *sampler[T]) choose(ctx *rdd.Context, in rdd.Chunk) (rdd.Chunk, error) {
	rows := in.Vals.([]T)
	start := mix(mix(k.seed+uint64(ctx.Batch)) + uint64(ctx.Partition))
	limit := uint64(math.Ceil(k.fraction * (1 << 53)))
	k.idx = k.idx[:0]
	for i := range rows {
		if mix(start+k.row)>>11 < limit {
			k.idx = append(k.idx, int32(i))
		}
		k.row++
	}
	return rdd.Chunk{N: len(k.idx), Vals: take(rows, k.idx)}, nil
}

// seedOf is a number that follows from a node's name.
func seedOf(n *rdd.Node) uint64 {
	if fault.Planted("I2-sample-clock") {
		return uint64(clock.System{}.Now().UnixNano())
	}
	name := n.Name
	if name == "" {
		name = fmt.Sprintf("#%d", n.ID)
	}
	seed := uint64(len(name))
	for i := range len(name) {
		seed = mix(seed + uint64(name[i]))
	}
	return seed
}

// mix is a step of SplitMix64: numbers that follow each other become numbers that do not.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
