package commitlog

import (
	"context"
	"errors"
)

// Producer writes to all partitions of a topic: a record with a key to the partition that Kafka's clients would choose for it, others in turn.
// One goroutine at a time.
type Producer struct {
	writers []*Writer
	turn    int
}

// Producer opens writers for all partitions that the topic has now; see Writer.
func (t *Topic) Producer() (*Producer, error) {
	n, err := t.Partitions()
	if err != nil {
		return nil, err
	}
	p := &Producer{}
	for i := range n {
		w, err := t.Writer(i)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.writers = append(p.writers, w)
	}
	return p, nil
}

// Send appends a record; see Writer.Add. A nil key goes round robin.
func (p *Producer) Send(key, value []byte, micros int64) error {
	if key != nil {
		return p.writers[PartitionOf(key, len(p.writers))].Add(key, value, micros)
	}
	w := p.writers[p.turn]
	p.turn = (p.turn + 1) % len(p.writers)
	return w.Add(nil, value, micros)
}

// Writer is the writer of partition i.
func (p *Producer) Writer(i int) *Writer { return p.writers[i] }

// Sync waits until everything sent is durable.
func (p *Producer) Sync(ctx context.Context) error {
	var errs []error
	for _, w := range p.writers {
		errs = append(errs, w.Sync(ctx))
	}
	return errors.Join(errs...)
}

// Close syncs and closes all writers.
func (p *Producer) Close() error {
	var errs []error
	for _, w := range p.writers {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
