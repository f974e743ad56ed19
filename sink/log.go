package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/commitlog"
)

// LogOption is a setting of a sink to the embedded log.
type LogOption func(*logOptions)

type logOptions struct {
	settings commitlog.Settings
	err      error
}

// DefaultLogPartitions is how many partitions a topic is made with that does not exist.
const DefaultLogPartitions = 4

// LogPartitions is how many partitions the topic is made with, if it does not exist; the default is DefaultLogPartitions.
func LogPartitions(n int) LogOption {
	return func(o *logOptions) {
		if n < 1 {
			o.err = fmt.Errorf("LogPartitions(%d): want at least 1", n)
		}
		o.settings.Partitions = n
	}
}

// LogCompacted makes the topic, if it does not exist, one that keeps the last row of each key only.
func LogCompacted() LogOption { return func(o *logOptions) { o.settings.Compact = true } }

// LogJSON writes rows to a topic of the embedded log (--log), values as JSON, exactly once: a batch's rows of one partition and its marker
// are one durable commit (P11). A row with a key goes to the partition that Kafka's clients would choose; rows without go round
// robin. A record's time is that of its batch. With Sink.Atomic all rows go to partition 0.
func LogJSON(topic string, opts ...LogOption) Sink { return logSink(topic, JSON, opts) }

// LogText is LogJSON with the bare text of scalar values.
func LogText(topic string, opts ...LogOption) Sink { return logSink(topic, Text, opts) }

func logSink(topic string, f Format, opts []LogOption) Sink {
	o := logOptions{settings: commitlog.Settings{Partitions: DefaultLogPartitions}}
	for _, opt := range opts {
		opt(&o)
	}
	spec := &Spec{Name: "log:" + topic, Kind: "log", Text: fmt.Sprintf("log %s %s", topic, f), Durable: true, OnDisk: true, Err: o.err, Encoded: &f}
	if topic == "" {
		spec.Err = errors.Join(spec.Err, errors.New("a sink to the embedded log needs a topic"))
	}
	spec.Check = func(s Schema) error { _, err := newEncoder(s, f); return err }
	spec.Open = func(_ context.Context, env Env, s Schema) (Output, error) { return openLog(env, s, topic, f, o) }
	return New(spec)
}

// logOutput is a topic of the embedded log in one process.
type logOutput struct {
	env    Env
	log    *commitlog.Log // nil elsewhere (Env.Elsewhere)
	topic  string
	schema Schema
	format Format
	opts   logOptions
	keys   keyRouters // for Route
}

func openLog(env Env, s Schema, topic string, f Format, o logOptions) (Output, error) {
	if env.Elsewhere {
		return &logOutput{env: env, topic: topic, schema: s, format: f, opts: o}, nil
	}
	l, err := commitlog.Create(env.LogDir, commitlog.Options{Clock: env.Clock, Log: env.Log})
	if err != nil {
		return nil, fmt.Errorf("sink log %s: %w", topic, err)
	}
	return &logOutput{env: env, log: l, topic: topic, schema: s, format: f, opts: o}, nil
}

// Lanes is one a partition of the topic, which is made if it does not exist.
func (l *logOutput) Lanes(context.Context, int) (int, error) {
	t, err := l.log.Ensure(l.topic, l.opts.settings)
	if err != nil {
		return 0, fmt.Errorf("sink log %s: %w", l.topic, err)
	}
	n, err := t.Partitions()
	if err != nil {
		return 0, fmt.Errorf("sink log %s: %w", l.topic, err)
	}
	return n, nil
}

// Route sends a key to its partition, and rows without a key in turn. Lane n is partition n.
func (l *logOutput) Route(task int, first int64, rec arrow.Record, lanes int, lane []int32) {
	if l.schema.Keys == 0 || lanes == 1 {
		for i := range lane {
			lane[i] = int32((int64(task) + first + int64(i)) % int64(lanes))
		}
		return
	}
	l.keys.route("sink log", l.topic, l.schema, rec, lanes, lane)
}

// Lane takes partition n over: an earlier owner's next append is refused (I9).
func (l *logOutput) Lane(_ context.Context, n, _ int, o Owner) (Lane, error) {
	t, err := l.log.Ensure(l.topic, l.opts.settings)
	if err != nil {
		return nil, fmt.Errorf("sink log %s: %w", l.topic, err)
	}
	enc, err := newEncoder(l.schema, l.format)
	if err != nil {
		return nil, fmt.Errorf("sink log %s: %w", l.topic, err)
	}
	w, err := t.Own(n, commitlog.Owner{Job: fmt.Sprintf("%s/%d", o.UUID, o.Timeline), Epoch: o.Epoch}) // epochs count within a timeline (P5)
	if err != nil {
		return nil, logError(err)
	}
	lane := &logLane{owner: o, w: w, enc: enc, name: fmt.Sprintf("sink log %s partition %d", l.topic, n), keyed: l.schema.Keys > 0}
	if err := lane.readMarker(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return lane, nil
}

// Close releases the log. Lanes are closed before.
func (l *logOutput) Close() error {
	if l.log == nil {
		return nil
	}
	return l.log.Close()
}
