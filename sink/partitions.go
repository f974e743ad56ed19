package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
)

// CallbackLanes is how many lanes Partitions has: calls of one batch that may run at once. The default is one a slot of the job. A new
// number takes effect with the first batch that is not planned yet. Callback, which has one lane, ignores it.
func CallbackLanes(n int) CallbackOption { return func(o *callbackOptions) { o.lanes = n } }

// Partitions calls f on the executors: once for each lane and batch that has rows there, when the batch is published, at least once (P12). Calls of one lane
// come one at a time and in order of batches; those of different lanes at once, in different processes where executors are, so that f must be safe for that.
// All rows of a key go through one lane; rows without keys stay together with those of their task. Limits, panics and errors are those of Callback. A lane
// may move to another executor; a call that does not return when its context is cancelled may then run beside the lane's next one.
func Partitions(name string, f func(ctx context.Context, b Batch, rows []arrow.Record) error, opts ...CallbackOption) Sink {
	o := callbackOptions{timeout: time.Minute, rows: 10_000_000}
	for _, opt := range opts {
		opt(&o)
	}
	spec := &Spec{Name: name, Kind: "callback", Text: "callback on executors"}
	switch {
	case f == nil:
		spec.Err = fmt.Errorf("callback %q: the function is nil", name)
	case o.lanes < 0:
		spec.Err = fmt.Errorf("callback %q: CallbackLanes(%d): at least one", name, o.lanes)
	}
	spec.Open = func(_ context.Context, env Env, s Schema) (Output, error) {
		return &partitions{name: name, f: f, opts: o, clock: env.Clock, schema: s}, nil
	}
	return New(spec)
}

// partitions is the output of Partitions in one process.
type partitions struct {
	name   string
	f      func(context.Context, Batch, []arrow.Record) error
	opts   callbackOptions
	clock  clock.Clock
	schema Schema
}

func (o *partitions) Lanes(_ context.Context, slots int) (int, error) {
	if o.opts.lanes > 0 {
		return o.opts.lanes, nil
	}
	return max(1, slots), nil
}

func (o *partitions) Route(task int, _ int64, rec arrow.Record, lanes int, lane []int32) {
	if o.schema.Keys > 0 && lanes > 1 {
		routeByKey(o.schema, rec, lanes, lane)
		return
	}
	for i := range lane {
		lane[i] = int32(task % lanes)
	}
}

func (o *partitions) Lane(context.Context, int, int, Owner) (Lane, error) {
	c := &caller{op: "foreachPartition", name: o.name, f: o.f, opts: o.opts, clock: o.clock}
	out := &memoryOutput{deliver: c.call, limit: o.opts.rows}
	return &partitionLane{memoryLane{out: out, staged: map[int64][]arrow.Record{}}, c}, nil
}

func (o *partitions) Close() error { return nil }

// partitionLane is a lane with a call of its own.
type partitionLane struct {
	memoryLane
	c *caller
}

func (l *partitionLane) Close() error { return l.c.wait() }
