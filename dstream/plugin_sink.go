package dstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/sink"
)

// Sink writes through an operator that is compiled into the program, of kind sink, which config configures. Its name is the operator's. Rows are there exactly once, because the
// operator writes the engine's marker with them in one atomic write; the job needs a checkpoint. There is a lane for each slot of a new layout. Rows with keys go to the lane of
// their key, others in turn.
func Sink(op plugins.Operator, config ...[]byte) sink.Sink {
	o, err := compiledIn(op, config)
	return pluginSink(o, err)
}

// SinkVia is Sink for an operator of a plugin that runs in processes of its own: those of the executors that own lanes, and the driver's.
func SinkVia(ref plugins.Ref) sink.Sink {
	o, err := inProcess(ref)
	return pluginSink(o, err)
}

func pluginSink(o offer, err error) sink.Sink {
	if err == nil {
		err = o.of("sink")
	}
	spec := &sink.Spec{Name: sourceName(o), Kind: "plugin", Text: "plugin: " + o.facts(), Err: err, Durable: true}
	if err == nil {
		spec.Check = o.checkSink
		spec.Open = func(_ context.Context, _ sink.Env, s sink.Schema) (sink.Output, error) {
			return &sinkOutput{offer: o, schema: s}, nil
		}
	}
	return sink.New(spec)
}

// checkSink asks the operator whether it can write rows.
func (o offer) checkSink(s sink.Schema) error {
	v, err := o.op.Sink(o.config)
	if err != nil {
		return err
	}
	if c, ok := v.(io.Closer); ok {
		defer c.Close() // it has written nothing
	}
	return v.Check(s.Arrow, s.Keys)
}

// sinkOutput writes through a plugins.Sink, which is made when the first lane is opened: who only routes needs none.
type sinkOutput struct {
	offer
	schema sink.Schema
	keys   sync.Pool // *row.Keys

	mu sync.Mutex // guards s: one lane is opened at a time
	s  plugins.Sink
}

// laneFailed is an error of a lane: sink.ErrFenced too where another owner has it.
func (o *sinkOutput) laneFailed(lane int, doing string, err error) error {
	if plugins.IsFenced(err) {
		err = fmt.Errorf("%w: %w", sink.ErrFenced, err)
	}
	return o.failed(err, "lane %d%s", lane, doing)
}

// Lanes implements sink.Output.
func (o *sinkOutput) Lanes(_ context.Context, slots int) (int, error) { return max(slots, 1), nil }

// Route implements sink.Output.
func (o *sinkOutput) Route(task int, first int64, rec arrow.Record, lanes int, lane []int32) {
	if o.schema.Keys == 0 || lanes == 1 {
		for i := range lane {
			lane[i] = int32((int64(task) + first + int64(i)) % int64(lanes))
		}
		return
	}
	fields := o.schema.Arrow.Fields()[:o.schema.Keys]
	key, err := row.OfSchema(arrow.NewSchema(fields, nil))
	assert.True(err == nil, "keys of a sink: %v", err)
	k, _ := o.keys.Get().(*row.Keys)
	if k == nil {
		k = &row.Keys{}
	}
	k.Reset()
	err = key.AppendKeyColumns(rec.Columns()[:o.schema.Keys], k)
	assert.True(err == nil, "keys of the schema that the sink was opened with: %v", err)
	for i, h := range k.Hash {
		lane[i] = int32(h % uint64(lanes))
	}
	o.keys.Put(k)
}

// Lane implements sink.Output.
func (o *sinkOutput) Lane(ctx context.Context, n, lanes int, owner sink.Owner) (sink.Lane, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.s == nil {
		s, err := o.op.Sink(o.config)
		if err != nil {
			return nil, o.laneFailed(n, "", err)
		}
		if err := s.Check(o.schema.Arrow, o.schema.Keys); err != nil {
			return nil, o.laneFailed(n, "", err)
		}
		o.s = s
	}
	l, err := o.s.Lane(ctx, n, lanes, plugins.Owner{ID: fmt.Sprintf("%s/%d", owner.UUID, owner.Timeline), Epoch: owner.Epoch}) // epochs count within a timeline (P5)
	if err != nil {
		return nil, o.laneFailed(n, "", err)
	}
	lane := &sinkLane{out: o, n: n, l: l, owner: owner}
	if raw := l.Marker(); raw != nil {
		if err := cbor.Unmarshal(raw, &lane.marker); err != nil {
			return nil, errors.Join(o.laneFailed(n, "", fmt.Errorf("its last marker is not one of millrace's: %w; write to another place", err)), l.Close())
		}
		lane.found = true
	}
	return lane, nil
}

// Close implements sink.Output. Lanes are closed before.
func (o *sinkOutput) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, ok := o.s.(io.Closer); ok {
		o.s = nil
		return c.Close()
	}
	return nil
}

// sinkLane writes through a plugins.Lane.
type sinkLane struct {
	out    *sinkOutput
	n      int
	l      plugins.Lane
	owner  sink.Owner
	marker sink.Marker // of what was published last
	found  bool
}

func (l *sinkLane) failed(verb string, b sink.Batch, err error) error {
	if err == nil {
		return nil
	}
	return l.out.laneFailed(l.n, fmt.Sprintf(", %s batch %d", verb, b.Number), err)
}

func (l *sinkLane) batch(b sink.Batch) plugins.Batch {
	return plugins.Batch{Number: b.Number, Time: b.Time, Partition: l.n, Final: b.Final}
}

// published tells whether the marker says so (I5).
func (l *sinkLane) published(b sink.Batch) bool { return l.found && b.Number <= l.marker.Batch }

// Marker implements sink.Lane.
func (l *sinkLane) Marker() (sink.Marker, bool) { return l.marker, l.found }

// Stage implements sink.Lane. What was staged before for the batch and behind it, the operator lets go of.
func (l *sinkLane) Stage(ctx context.Context, b sink.Batch, rows []arrow.Record) error {
	if l.published(b) {
		return nil
	}
	return l.failed("stage", b, l.l.Stage(ctx, l.batch(b), rows))
}

// Publish implements sink.Lane.
func (l *sinkLane) Publish(ctx context.Context, b sink.Batch) error {
	if l.published(b) {
		return nil
	}
	m := sink.Marker{UUID: l.owner.UUID, Timeline: l.owner.Timeline, Batch: b.Number, PlanHash: b.PlanHash}
	raw, err := cbor.Marshal(m)
	if err == nil {
		err = l.l.Publish(ctx, l.batch(b), raw)
	}
	if err != nil {
		return l.failed("publish", b, err)
	}
	l.marker, l.found = m, true
	return nil
}

// Discard implements sink.Lane. What is dropped is staged again before it could be published, and that replaces it.
func (l *sinkLane) Discard(int64) error { return nil }

// Flush implements sink.Lane.
func (l *sinkLane) Flush(ctx context.Context) error {
	if err := l.l.Flush(ctx); err != nil {
		return l.out.laneFailed(l.n, ", flush", err)
	}
	return nil
}

// Close implements sink.Lane.
func (l *sinkLane) Close() error { return l.l.Close() }
