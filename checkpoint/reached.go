package checkpoint

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/fault"
)

// reached is what event-time inputs have come to, by name.
type reached map[string]*reachedInput

type reachedInput struct {
	watermark int64
	highs     map[SourcePartition]int64
}

// take takes in what a batch changed.
func (r reached) take(list []Reached) {
	for _, c := range list {
		in := r[c.Input]
		if in == nil {
			in = &reachedInput{highs: map[SourcePartition]int64{}}
			r[c.Input] = in
		}
		in.watermark = c.Watermark
		for _, p := range c.Partitions {
			in.highs[SourcePartition{p.Source, p.Partition}] = p.Micros
		}
	}
}

// list is all of it, by input and partition.
func (r reached) list() []Reached {
	if fault.Planted("P1-watermark") {
		return nil
	}
	var list []Reached
	for _, name := range slices.Sorted(maps.Keys(r)) {
		in := r[name]
		c := Reached{Input: name, Watermark: in.watermark}
		for _, id := range slices.SortedFunc(maps.Keys(in.highs), compareIDs) {
			c.Partitions = append(c.Partitions, PartitionHigh{id.Source, id.Partition, in.highs[id]})
		}
		list = append(list, c)
	}
	return list
}
