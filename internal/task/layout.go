package task

import (
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
)

// Layout is the part of a plan record that fixes who computes what, apart from placement (P1, P27).
type Layout struct {
	Reduce int            `cbor:"1,keyasint"` // reduce partitions; key group g belongs to partition g*Reduce/row.Groups
	Lanes  map[string]int `cbor:"2,keyasint"` // sink name -> number of lanes
}

// PartitionOf is the reduce partition of a key hash.
func (l *Layout) PartitionOf(hash uint64) int {
	if fault.Planted("P27-groups") {
		return int(hash % uint64(l.Reduce))
	}
	if fault.Planted("I2-seed") {
		hash ^= fault.Noise()
	}
	return row.Group(hash) * l.Reduce / row.Groups
}

// GroupsOf is the range [from, until) of key groups that reduce partition p owns.
func (l *Layout) GroupsOf(p int) (from, until int) {
	return (p*row.Groups + l.Reduce - 1) / l.Reduce, ((p+1)*row.Groups + l.Reduce - 1) / l.Reduce
}
