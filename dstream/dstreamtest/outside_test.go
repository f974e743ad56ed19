package dstreamtest

import (
	"context"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// TestOutside: what Check takes for the world keeps the contract of sinks, exactly once included.
func TestOutside(t *testing.T) {
	var mu sync.Mutex
	worlds := map[string]*outside{}
	sinktest.Run(t, func(_ testing.TB, dir string) sinktest.Subject {
		mu.Lock()
		defer mu.Unlock()
		o := worlds[dir]
		if o == nil {
			o = newOutside(1)
			worlds[dir] = o
		}
		spec := o.sink("out")
		spec.Open = func(context.Context, sink.Env, sink.Schema) (sink.Output, error) { return byKey{o}, nil }
		return sinktest.Subject{Spec: spec, EpochsRefused: true, Read: func() ([]sinktest.Row, error) { return o.all(), nil }}
	})
}

// byKey routes rows by their keys, which the kit's cases, streams without keys, have no use for.
type byKey struct{ *outside }

// Route implements sink.Output.
func (byKey) Route(_ int, _ int64, rec rdd.Record, lanes int, lane []int32) {
	keys := rec.Column(0).(*array.String)
	for i := range int(rec.NumRows()) {
		lane[i] = int32(len(keys.Value(i))+int(keys.Value(i)[0])) % int32(lanes)
	}
}

// all are the rows of all batches, lane by lane.
func (o *outside) all() []sinktest.Row {
	var out []sinktest.Row
	for lane := range o.places {
		for b := int64(1); b <= o.last(); b++ {
			for _, rec := range o.published(b)[lane] {
				keys, vals := rec.Column(0).(*array.String), rec.Column(1).(*array.Int64)
				for i := range int(rec.NumRows()) {
					out = append(out, sinktest.Row{Key: keys.Value(i), Value: vals.Value(i)})
				}
			}
		}
	}
	return out
}
