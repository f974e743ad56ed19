package kafkatx

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produce sends every partition's record batches to its leader: the i-th batch of all partitions in one request a broker, one request at a
// time, since a batch may only follow the one before it in sequence.
func (p *Producer) produce(ctx context.Context, recs map[int32]*Records) error {
	for round := 0; ; round++ {
		pending := map[int32][]byte{}
		for part, r := range recs {
			if round < len(r.batches) {
				pending[part] = r.seal(round, p.id, p.epoch, p.sequences[part])
			}
		}
		if len(pending) == 0 {
			return nil
		}
		err := p.retry(ctx, "produce", func() error { return p.sendRound(ctx, pending) })
		if err != nil {
			return err
		}
		for part, r := range recs {
			if round < len(r.batches) {
				p.sequences[part] = nextSequence(p.sequences[part], r.counts[round])
			}
		}
	}
}

// nextSequence wraps as Kafka's clients do.
func nextSequence(s, n int32) int32 {
	return int32((int64(s) + int64(n)) & 0x7fffffff)
}

// sendRound sends what is pending and removes from it what was accepted.
func (p *Producer) sendRound(ctx context.Context, pending map[int32][]byte) error {
	if p.leaders == nil {
		if err := p.findLeaders(ctx); err != nil {
			return err
		}
	}
	byLeader := map[int32][]int32{}
	for part := range pending {
		leader, ok := p.leaders[part]
		if !ok {
			p.leaders = nil
			return fmt.Errorf("partition %d: %w", part, kerr.LeaderNotAvailable)
		}
		byLeader[leader] = append(byLeader[leader], part)
	}
	var first error
	for leader, parts := range byLeader {
		if err := p.send(ctx, leader, parts, pending); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (p *Producer) send(ctx context.Context, leader int32, parts []int32, pending map[int32][]byte) error {
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis = &p.txn, -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = p.topic
	for _, part := range parts {
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = part, pending[part]
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	resp, err := p.cl.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		p.leaders = nil
		return err
	}
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for _, part := range t.Partitions {
			err := kerr.ErrorForCode(part.ErrorCode)
			if err == nil || errors.Is(err, kerr.DuplicateSequenceNumber) {
				delete(pending, part.Partition)
				continue
			}
			p.leaders = nil
			return fmt.Errorf("partition %d: %w", part.Partition, err)
		}
	}
	return nil
}

func (p *Producer) findLeaders(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &p.topic
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, p.cl)
	if err != nil {
		return err
	}
	leaders := map[int32]int32{}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return err
		}
		for _, part := range t.Partitions {
			if part.Leader >= 0 {
				leaders[part.Partition] = part.Leader
			}
		}
	}
	p.leaders = leaders
	return nil
}
