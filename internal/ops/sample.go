package ops

import (
	"math"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/task"
)

// Sample keeps about fraction of the rows, 0 to 1. Which ones follows from the seed, the batch, the partition and the row's place in it.
func Sample[T any](fraction float64, seed uint64) task.Kernel {
	k := &sampler[T]{fraction: fraction, seed: seed}
	return KernelFunc(k.choose)
}

// sampler decides row by row of one task.
type sampler[T any] struct {
	fraction float64
	seed     uint64
	row      uint64 // place of the next row in the task
	idx      []int32
}

func (k *sampler[T]) choose(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
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
	return task.Chunk{N: len(k.idx), Vals: Take(rows, k.idx)}, nil
}

// Seed is a number that follows from a name.
func Seed(name string) uint64 {
	if fault.Planted("I2-sample-clock") {
		return uint64(clock.System{}.Now().UnixNano())
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
