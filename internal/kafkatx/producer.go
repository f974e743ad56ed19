package kafkatx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
)

// ErrFenced is returned when another owner of the transactional id has taken over (I9).
var ErrFenced = errors.New("fenced: another owner has taken over the output")

// ErrUncertain is returned when it is unknown whether a transaction was committed; renew the producer and read the marker.
var ErrUncertain = errors.New("the transaction's outcome is unknown")

// Timeout is after how long the broker aborts a transaction that its producer does not end.
const Timeout = 60 * time.Second

// retryFor bounds the retries of one request of a transaction.
const retryFor = 30 * time.Second

// Versions pins the transaction requests to their form before KIP-890; pass it to kgo.MaxVersions.
func Versions() *kversion.Versions {
	v := kversion.V3_9_0()
	for key, version := range map[int16]int16{
		int16(kmsg.Produce):            9,
		int16(kmsg.InitProducerID):     4,
		int16(kmsg.AddPartitionsToTxn): 3,
		int16(kmsg.AddOffsetsToTxn):    3,
		int16(kmsg.EndTxn):             3,
		int16(kmsg.TxnOffsetCommit):    3,
	} {
		v.SetMaxKeyVersion(key, version)
	}
	return v
}

// RetryBackoff is how long the client waits before it sends a request again that the broker turned away, as it does while it is busy with the same transaction: that takes a
// millisecond or a few. The client's own first wait of 250 would be that of a whole batch. Behind ten tries it waits as
// long as the client would: a broker that is started anew takes seconds.
func RetryBackoff(tries int) time.Duration {
	return min(time.Millisecond<<min(max(tries-1, 0), 12), 2500*time.Millisecond)
}

// Producer is one transactional id. One goroutine at a time.
type Producer struct {
	cl        *kgo.Client
	clock     clock.Clock
	txn       string
	id        int64
	epoch     int16
	sequences map[int32]int32 // next sequence by partition
	leaders   map[int32]int32
	topic     string
}

// Open takes the transactional id over: an open transaction of an earlier owner is aborted, and that owner is fenced.
func Open(ctx context.Context, cl *kgo.Client, ck clock.Clock, topic, txn string) (*Producer, error) {
	p := &Producer{cl: cl, clock: ck, txn: txn, topic: topic}
	return p, p.init(ctx, -1, -1)
}

// Renew continues after an error: what is open is aborted, and later transactions have a higher epoch, unless another owner has taken the id over since (ErrFenced).
func (p *Producer) Renew(ctx context.Context) error {
	if fault.Planted("I9-kafka") {
		return p.init(ctx, -1, -1)
	}
	// A broker that is asked for a new epoch while a transaction is open aborts it under one that nobody is told, and calls who asks again fenced. Most errors here say that none
	// is open; if it was not for that, the next request fails too.
	if err := p.end(ctx, false); errors.Is(err, ErrFenced) {
		return err
	}
	return p.init(ctx, p.id, p.epoch)
}

func (p *Producer) init(ctx context.Context, id int64, epoch int16) error {
	err := p.retry(ctx, "take over", func() error {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = &p.txn
		req.TransactionTimeoutMillis = int32(Timeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = id, epoch
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			return err
		}
		p.id, p.epoch = resp.ProducerID, resp.ProducerEpoch
		return nil
	})
	p.sequences = map[int32]int32{}
	return err
}

// Marker is the offset and its metadata that is committed with the records.
type Marker struct {
	Group     string
	Partition int32 // of the producer's topic
	Offset    int64
	Metadata  string
}

// Write writes all records and the marker in one transaction and returns when it is committed. After any error but ErrFenced the
// producer must be renewed, and the marker read to learn what became of the transaction.
func (p *Producer) Write(ctx context.Context, recs map[int32]*Records, m Marker) error {
	began := p.clock.Now()
	err := p.write(ctx, recs, m)
	if errors.Is(err, ErrFenced) && p.clock.Now().Sub(began) > Timeout*9/10 {
		return fmt.Errorf("%w: it took longer than the broker's limit of %s: %v", ErrUncertain, Timeout, err)
	}
	return err
}

func (p *Producer) write(ctx context.Context, recs map[int32]*Records, m Marker) error {
	// The coordinator takes one change of a transaction at a time and answers CONCURRENT_TRANSACTIONS to a second; records
	// go to the partitions' leaders meanwhile.
	if err := p.addPartitions(ctx, recs); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.produce(gctx, recs) })
	g.Go(func() error { return p.addOffsets(gctx, m) })
	if err := g.Wait(); err != nil {
		return err
	}
	// Not beside the records: leaders ask the coordinator whether they belong to an open transaction, and of two that ask for the same one at
	// a time the first is turned away, to try again.
	if !fault.Planted("P9-marker") {
		if err := p.commitMarker(ctx, m); err != nil {
			return err
		}
	}
	return p.end(ctx, true)
}

func (p *Producer) addPartitions(ctx context.Context, recs map[int32]*Records) error {
	return p.retry(ctx, "add partitions", func() error {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.txn, p.id, p.epoch
		t := kmsg.NewAddPartitionsToTxnRequestTopic()
		t.Topic = p.topic
		for part := range recs {
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					return fmt.Errorf("partition %d: %w", part.Partition, err)
				}
			}
		}
		return nil
	})
}

func (p *Producer) addOffsets(ctx context.Context, m Marker) error {
	return p.retry(ctx, "add the marker's group", func() error {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.txn, p.id, p.epoch, m.Group
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

func (p *Producer) commitMarker(ctx context.Context, m Marker) error {
	return p.retry(ctx, "write the marker", func() error {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.txn, p.id, p.epoch, m.Group
		req.Generation = -1
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic = p.topic
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = m.Partition, m.Offset, -1, &m.Metadata
		t.Partitions = append(t.Partitions, part)
		req.Topics = append(req.Topics, t)
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// end commits or aborts. An error of the connection leaves the outcome open.
func (p *Producer) end(ctx context.Context, commit bool) error {
	sent := false
	err := p.retry(ctx, "end the transaction", func() error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.txn, p.id, p.epoch, commit
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			sent = true
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil && (sent || ctx.Err() != nil) {
		return fmt.Errorf("%w: %v", ErrUncertain, err)
	}
	return err
}

// retry runs f until it succeeds, fails for good, or retryFor has passed. The broker answers CONCURRENT_TRANSACTIONS while it still writes the
// markers of the transaction before.
func (p *Producer) retry(ctx context.Context, what string, f func() error) error {
	deadline := p.clock.Now().Add(retryFor)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := f()
		switch {
		case err == nil:
			return nil
		case (errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)) && !fault.Planted("I9-kafka"):
			return fmt.Errorf("kafka topic %s, transactional id %s: %s: %w: %v", p.topic, p.txn, what, ErrFenced, err)
		case !kerr.IsRetriable(err) && !errors.Is(err, kerr.ConcurrentTransactions), p.clock.Now().After(deadline):
			return fmt.Errorf("kafka topic %s, transactional id %s: %s: %w", p.topic, p.txn, what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka topic %s: %s: %w", p.topic, what, ctx.Err())
		case <-p.clock.After(wait):
		}
	}
}
