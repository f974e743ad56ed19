package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/source"
)

// kept is a value of a table: of each kind of column, and of a struct that is taken apart.
type kept struct {
	Name *string
	N    int32
	At   time.Time
	Tags []string
	OK   bool
}

type keptDeep struct {
	Kept kept
	F    float64
}

// A table whose changes nobody reads takes columns as they come, others go key by key: both remember the same, key by key what came last.
func TestTableLoadsColumns(t *testing.T) {
	loadsColumns(t, func(r *rand.Rand) kept { return someKept(r) })
	loadsColumns(t, func(r *rand.Rand) keptDeep { return keptDeep{someKept(r), float64(r.IntN(4))} })
	loadsColumns(t, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1000)) })
}

func someKept(r *rand.Rand) kept {
	v := kept{N: int32(r.IntN(100)), At: time.UnixMicro(r.Int64N(1e15)).UTC(), OK: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		v.Name = new(fmt.Sprint(r.IntN(1e6)))
	}
	for range r.IntN(3) {
		v.Tags = append(v.Tags, fmt.Sprint(r.IntN(9)))
	}
	return v
}

func loadsColumns[V any](t *testing.T, some func(*rand.Rand) V) {
	t.Helper()
	in := dstreamtest.Input[source.Change[V]]("in")
	job := dstreamtest.Run(t, func(j *dstream.Job) {
		changes := dstream.From(j, in.Source())
		dstream.Latest("loaded", changes)
		dstream.Latest("read", changes).Changes().To(dstreamtest.Sink("changes"))
	}, dstreamtest.Partitions(2))
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 30 {
		var rows []dstreamtest.Rows
		for p := range 3 {
			var changes []source.Change[V]
			for range r.IntN(30) {
				c := source.Change[V]{Key: fmt.Sprint(r.IntN(40)), Value: some(r)}
				if n%3 == 2 && r.IntN(3) == 0 {
					c = source.Change[V]{Key: c.Key, Deleted: true}
				}
				changes = append(changes, c)
			}
			rows = append(rows, in.Part(p, changes...))
		}
		job.Batch(rows...)
		if n == 15 {
			job.Restart(3)
		}
		if diff := cmp.Diff(job.StateJSON("read"), job.StateJSON("loaded")); diff != "" {
			t.Fatalf("batch %d: %s", n, diff)
		}
	}
}
