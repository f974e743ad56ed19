package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/kafkatx"
)

// kafkaLane publishes every batch in one transaction. Two transactional ids are used in turn: while the broker writes the end of one batch's
// transaction into its partitions, the next batch's runs under the other id.
type kafkaLane struct {
	out      *kafkaOutput
	n, lanes int32
	owner    Owner
	group    string
	enc      *encoder
	tx       [2]*kafkatx.Producer
	turn     int
	marker   Marker
	found    bool
	staged   []kafkaStaged        // ascending by batch
	free     [][]*kafkatx.Records // memory of batches that are published
	key      []byte               // scratch
	failed   int64                // the last batch that was not written at the first try
}

// kafkaStaged is a batch's rows by partition, nil where there are none.
type kafkaStaged struct {
	batch int64
	recs  []*kafkatx.Records
}

// part is the records of a partition.
func (s *kafkaStaged) part(n int32) *kafkatx.Records {
	if s.recs[n] == nil {
		s.recs[n] = &kafkatx.Records{}
	}
	return s.recs[n]
}

// filled are the partitions that have rows.
func (s *kafkaStaged) filled() map[int32]*kafkatx.Records {
	m := map[int32]*kafkatx.Records{}
	for n, r := range s.recs {
		if r != nil && r.Len() > 0 {
			m[int32(n)] = r
		}
	}
	return m
}

// Marker is what the broker knows to be published last.
func (l *kafkaLane) Marker() (Marker, bool) { return l.marker, l.found }

// Stage keeps the rows in memory, encoded; nothing is sent (P8).
func (l *kafkaLane) Stage(_ context.Context, b Batch, rows []arrow.Record) error {
	if err := l.Discard(b.Number - 1); err != nil {
		return err
	}
	s := kafkaStaged{batch: b.Number, recs: l.empty()}
	row := int64(0)
	for _, rec := range rows {
		if keys, values := encodedRows(rec); values != nil {
			l.stageEncoded(&s, keys, values, row, b.Time/1000)
		} else if err := l.enc.bind(rec); err != nil {
			return fmt.Errorf("kafka topic %s lane %d batch %d: %w", l.out.topic, l.n, b.Number, err)
		} else {
			l.stage(&s, int(rec.NumRows()), row, b.Time/1000)
		}
		row += rec.NumRows()
	}
	l.enc.unbind()
	l.staged = append(l.staged, s)
	return nil
}

// stage writes the n rows that the encoder is bound to, the first of which is the batch's row first, into the record batches that are sent.
func (l *kafkaLane) stage(s *kafkaStaged, n int, first, millis int64) {
	keyed := l.out.schema.Keys > 0
	for i := range n {
		var key []byte
		if keyed {
			key = l.enc.key.bytes(&l.key, i)
		}
		r := s.part(l.partition(key, s.batch, first+int64(i)))
		if l.enc.val.null(i) {
			r.Add(key, nil, millis)
			continue
		}
		r.Finish(l.enc.val.append(r.Begin(key, millis), i))
	}
}

// stageEncoded is stage for rows that are encoded already.
func (l *kafkaLane) stageEncoded(s *kafkaStaged, keys, values *array.Binary, first, millis int64) {
	for i := range values.Len() {
		key := bytesAt(keys, i)
		s.part(l.partition(key, s.batch, first+int64(i))).Add(key, bytesAt(values, i), millis)
	}
}

// partition is where a batch's row goes, whose key (nil where rows have none) is encoded.
func (l *kafkaLane) partition(key []byte, batch, row int64) int32 {
	if l.out.schema.Keys > 0 {
		return int32(commitlog.PartitionOf(key, int(l.out.partitions)))
	}
	return l.roundRobin(batch, row)
}

// keepFree is the memory of one published batch that a lane keeps for the next, at most two of them.
const keepFree = 16 << 20

// empty is memory for a batch.
func (l *kafkaLane) empty() []*kafkatx.Records {
	if n := len(l.free); n > 0 {
		recs := l.free[n-1]
		l.free = l.free[:n-1]
		return recs
	}
	return make([]*kafkatx.Records, l.out.partitions)
}

func (l *kafkaLane) release(s *kafkaStaged) {
	size := int64(0)
	for _, r := range s.recs {
		if r != nil {
			size += r.Bytes()
			r.Reset()
		}
	}
	if len(l.free) < 2 && size <= keepFree {
		l.free = append(l.free, s.recs)
	}
}

// roundRobin spreads rows without a key over the lane's own partitions: those whose number is n modulo the number of lanes.
func (l *kafkaLane) roundRobin(batch, row int64) int32 {
	own := (l.out.partitions - l.n + l.lanes - 1) / l.lanes
	return l.n + l.lanes*int32((batch+row/kafkaRun)%int64(own))
}

// Publish writes rows and marker in one transaction. A batch without rows writes nothing. When the outcome of a transaction is unknown,
// the marker decides.
func (l *kafkaLane) Publish(ctx context.Context, b Batch) error {
	if l.found && l.marker.UUID == l.owner.UUID && l.marker.Batch >= b.Number && !fault.Planted("I5-kafka") {
		return l.Discard(0) // published before, by an owner that did not live to say so
	}
	if len(l.staged) == 0 || l.staged[0].batch != b.Number {
		return fmt.Errorf("kafka topic %s lane %d: batch %d is to be published but is not the first that is staged", l.out.topic, l.n, b.Number)
	}
	s := l.staged[0]
	recs := s.filled()
	if len(recs) > 0 {
		if err := l.write(ctx, b, recs); err != nil {
			return fmt.Errorf("kafka topic %s lane %d batch %d: %w", l.out.topic, l.n, b.Number, err)
		}
	}
	l.staged[0] = kafkaStaged{}
	l.staged = l.staged[1:]
	if l.failed != b.Number { // what failed may still be on its way out
		l.release(&s)
	}
	return nil
}

func (l *kafkaLane) write(ctx context.Context, b Batch, recs map[int32]*kafkatx.Records) error {
	m := Marker{UUID: l.owner.UUID, Timeline: l.owner.Timeline, Batch: b.Number, PlanHash: b.PlanHash}
	meta, err := json.Marshal(m)
	if err != nil {
		return err
	}
	mark := kafkatx.Marker{Group: l.group, Partition: l.n, Offset: b.Number, Metadata: string(meta)}
	for range 3 {
		fault.Crash("kafka-before-commit")
		err = l.tx[l.turn].Write(ctx, recs, mark)
		fault.Crash("kafka-after-commit")
		l.turn = 1 - l.turn
		if err == nil {
			l.marker, l.found = m, true
			return nil
		}
		l.failed = b.Number
		if errors.Is(err, kafkatx.ErrFenced) || ctx.Err() != nil {
			return err
		}
		if rerr := l.renew(ctx); rerr != nil {
			return errors.Join(err, rerr)
		}
		if l.found && l.marker.UUID == m.UUID && l.marker.Batch == m.Batch {
			return nil
		}
	}
	return err
}

// renew brings both producers back after an error. It fails if another owner has fenced them since (I9).
func (l *kafkaLane) renew(ctx context.Context) error {
	for _, p := range l.tx {
		if err := p.Renew(ctx); err != nil {
			return err
		}
	}
	return l.readMarker(ctx)
}

// Discard drops what is staged above after.
func (l *kafkaLane) Discard(after int64) error {
	n := len(l.staged)
	for n > 0 && l.staged[n-1].batch > after {
		n--
	}
	l.staged = l.staged[:n]
	return nil
}

// Flush has nothing to do: what is published is visible.
func (l *kafkaLane) Flush(context.Context) error { return nil }

// Close leaves the transactional ids to the next owner.
func (l *kafkaLane) Close() error { return nil }
