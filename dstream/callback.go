package dstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// callback ends in a sink that calls f when a batch is published.
func (j *Job) callback(at site, in *rdd.Node, kind string, f func(context.Context, Batch, []arrow.Record) error) {
	j.printed++
	name := fmt.Sprintf("%s-%d", kind, j.printed)
	j.output(at, in, sink.New(&sink.Spec{
		Name: name, Kind: "callback", Text: kind, OnDriver: true, Atomic: true, EveryBatch: kind == "callback",
		Open: func(context.Context, sink.Env, sink.Schema) (sink.Output, error) {
			return &callbackOutput{at: at, f: f}, nil
		},
	}))
}

// callbackOutput is a sink of one lane that keeps nothing: it has no marker, so a batch may be called again (P12).
type callbackOutput struct {
	at site
	f  func(context.Context, Batch, []arrow.Record) error
}

// Lanes is one: callbacks are called one at a time.
func (o *callbackOutput) Lanes(context.Context, int) (int, error) { return 1, nil }

// Route sends everything to the one lane.
func (o *callbackOutput) Route(_ int, _ int64, rec arrow.Record, _ int, lane []int32) {
	clear(lane[:rec.NumRows()])
}

// Lane opens the one lane.
func (o *callbackOutput) Lane(context.Context, int, int, sink.Owner) (sink.Lane, error) {
	return &callbackLane{out: o, staged: map[int64][]arrow.Record{}}, nil
}

// Close has nothing to release.
func (o *callbackOutput) Close() error { return nil }

type callbackLane struct {
	out    *callbackOutput
	staged map[int64][]arrow.Record // at most the pipeline's depth of batches
}

// Marker is none.
func (l *callbackLane) Marker() (sink.Marker, bool) { return sink.Marker{}, false }

// Stage keeps the rows until Publish.
func (l *callbackLane) Stage(_ context.Context, b sink.Batch, rows []arrow.Record) error {
	if err := l.Discard(b.Number - 1); err != nil {
		return err
	}
	total := int64(0)
	for _, rec := range rows {
		total += rec.NumRows()
	}
	if total > CallbackRows {
		return fmt.Errorf("%s: batch %d has %d rows for a callback, at most %d are allowed; reduce the rows, shorten the batches with --max-rate, or write to a sink",
			l.out.at, b.Number, total, CallbackRows)
	}
	l.staged[b.Number] = rows
	return nil
}

// Publish calls the function.
func (l *callbackLane) Publish(ctx context.Context, b sink.Batch) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s: batch %d: callback: panic: %v", l.out.at, b.Number, cause)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, CallbackTimeout)
	defer cancel()
	rows := l.staged[b.Number]
	batch := Batch{Number: b.Number, Time: time.UnixMicro(b.Time).UTC(), Attempt: b.Attempt, Final: b.Final}
	if err := l.out.f(ctx, batch, rows); err != nil {
		return fmt.Errorf("%s: batch %d: callback: %w", l.out.at, b.Number, err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: batch %d: callback took longer than %v", l.out.at, b.Number, CallbackTimeout)
	}
	delete(l.staged, b.Number)
	return nil
}

// Discard drops staged batches above after.
func (l *callbackLane) Discard(after int64) error {
	for b := range l.staged {
		if b > after {
			delete(l.staged, b)
		}
	}
	return nil
}

// Flush has nothing to do.
func (l *callbackLane) Flush(context.Context) error { return nil }

// Close drops what is staged.
func (l *callbackLane) Close() error { return l.Discard(-1) }
