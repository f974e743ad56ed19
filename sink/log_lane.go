package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
)

// logLane is one partition of the topic. A batch is staged in memory and published as one commit whose marker says which batch it was:
// after a crash either both are there or neither is (I5, P11).
type logLane struct {
	owner  Owner
	w      *commitlog.Writer // nil once closed
	enc    *encoder
	name   string
	keyed  bool
	marker Marker
	found  bool
	staged []logStaged        // ascending by batch; at most as many as the driver has in flight
	free   []*commitlog.Batch // memory of batches that are published
	key    []byte             // scratch
	val    []byte             // scratch
	fenced error              // for ever (I9)
}

type logStaged struct {
	batch int64
	rows  *commitlog.Batch
}

func (l *logLane) readMarker() error {
	raw, err := l.w.Marker()
	if err != nil {
		return logError(err)
	}
	if raw == nil {
		return nil
	}
	if err := cbor.Unmarshal(raw, &l.marker); err != nil {
		return fmt.Errorf("%s: the last marker is not one of millrace's: %w; choose another topic", l.name, err)
	}
	l.found = true
	return nil
}

// Marker is what the partition knows to be published last.
func (l *logLane) Marker() (Marker, bool) { return l.marker, l.found }

// Stage keeps the rows in memory, encoded (P8).
func (l *logLane) Stage(_ context.Context, b Batch, rows []arrow.Record) error {
	if err := l.refusal(); err != nil {
		return err
	}
	if err := l.Discard(b.Number - 1); err != nil {
		return err
	}
	s := logStaged{batch: b.Number, rows: l.empty()}
	for _, rec := range rows {
		if err := l.encode(s.rows, rec, b.Time); err != nil {
			return fmt.Errorf("%s batch %d: %w", l.name, b.Number, err)
		}
	}
	l.enc.unbind()
	l.staged = append(l.staged, s)
	return nil
}

func (l *logLane) encode(dst *commitlog.Batch, rec arrow.Record, micros int64) error {
	if keys, values := encodedRows(rec); values != nil {
		return addEncoded(dst, keys, values, micros)
	}
	if err := l.enc.bind(rec); err != nil {
		return err
	}
	for i := range int(rec.NumRows()) {
		var key []byte
		if l.keyed {
			key = l.enc.key.bytes(&l.key, i)
		}
		if err := dst.Add(key, l.enc.val.bytes(&l.val, i), micros); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

// addEncoded adds rows that are encoded already.
func addEncoded(dst *commitlog.Batch, keys, values *array.Binary, micros int64) error {
	if keys == nil && values.NullN() == 0 {
		return dst.AddValues(values.ValueBytes(), values.ValueOffsets(), micros)
	}
	for i := range values.Len() {
		if err := dst.Add(bytesAt(keys, i), bytesAt(values, i), micros); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

func (l *logLane) empty() *commitlog.Batch {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b
	}
	return new(commitlog.Batch)
}

func (l *logLane) release(b *commitlog.Batch) {
	if len(l.free) < 2 && b.Bytes() <= keepFree {
		b.Reset()
		l.free = append(l.free, b)
	}
}

// Publish commits the rows and the marker. A batch without rows writes nothing. A batch that the marker says is published is dropped (I5).
func (l *logLane) Publish(ctx context.Context, b Batch) error {
	if err := l.refusal(); err != nil {
		return err
	}
	if l.published(b) && !fault.Planted("I5-log") {
		l.drop(b.Number)
		return nil
	}
	assert.True(len(l.staged) > 0 && l.staged[0].batch == b.Number, "%s: publish of batch %d, which is not staged first", l.name, b.Number)
	s := l.staged[0]
	if s.rows.Len() > 0 {
		m := Marker{UUID: l.owner.UUID, Timeline: l.owner.Timeline, Batch: b.Number, PlanHash: b.PlanHash}
		raw, err := cbor.Marshal(m)
		if err != nil {
			return fmt.Errorf("%s batch %d: %w", l.name, b.Number, err)
		}
		fault.Crash("log-before-publish")
		if _, err := l.w.Commit(ctx, s.rows, raw); err != nil {
			err = fmt.Errorf("%s batch %d: %w", l.name, b.Number, logError(err))
			if errors.Is(err, ErrFenced) {
				l.fenced = err
			}
			return err
		}
		fault.Crash("log-after-publish")
		l.marker, l.found = m, true
	}
	l.staged = l.staged[1:]
	l.release(s.rows)
	return nil
}

func (l *logLane) refusal() error {
	if l.w == nil {
		return fmt.Errorf("%s: %w", l.name, errLaneClosed)
	}
	return l.fenced
}

// published tells whether the marker covers b.
func (l *logLane) published(b Batch) bool {
	return l.found && l.marker.UUID == l.owner.UUID && l.marker.Timeline == l.owner.Timeline && l.marker.Batch >= b.Number
}

// drop forgets what is staged for batches up to n.
func (l *logLane) drop(n int64) {
	for len(l.staged) > 0 && l.staged[0].batch <= n {
		l.release(l.staged[0].rows)
		l.staged = l.staged[1:]
	}
}

// Discard drops what is staged above after.
func (l *logLane) Discard(after int64) error {
	n := len(l.staged)
	for n > 0 && l.staged[n-1].batch > after {
		n--
		l.release(l.staged[n].rows)
	}
	l.staged = l.staged[:n]
	return nil
}

// Flush has nothing to do: what is published is visible.
func (l *logLane) Flush(context.Context) error { return nil }

// Close gives the partition up.
func (l *logLane) Close() error {
	if l.w == nil {
		return nil
	}
	err := l.w.Close()
	l.w, l.staged = nil, nil
	return logError(err)
}

// logError gives a log's error this package's sentinel.
func logError(err error) error {
	if errors.Is(err, commitlog.ErrFenced) {
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return err
}
