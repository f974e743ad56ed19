package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type kafkaStore struct {
	cl      *kgo.Client
	brokers string
}

func (s *kafkaStore) Recreate(ctx context.Context, topic string) error {
	adm := kadm.NewClient(s.cl)
	if _, err := adm.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("delete topic %s: %w", topic, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) { // until the old one is gone
		_, err := adm.CreateTopic(ctx, Partitions, 1, nil, topic)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
}

func (s *kafkaStore) Load(ctx context.Context, n int, paced bool, next func(int) (Record, error)) error {
	chunk := turn
	if paced {
		chunk = pacedTurn
	}
	var failed atomic.Pointer[error]
	sent := map[string]int{}
	for i := range n {
		rec, err := next(i)
		if err != nil {
			return errors.Join(err, s.cl.Flush(ctx))
		}
		r := &kgo.Record{Topic: rec.Topic, Partition: int32(spread(rec.Key, sent[rec.Topic], chunk)), Key: rec.Key, Value: rec.Val}
		sent[rec.Topic]++
		s.cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	err := s.cl.Flush(ctx)
	if p := failed.Load(); p != nil {
		err = errors.Join(err, *p)
	}
	return err
}

func (s *kafkaStore) Count(ctx context.Context, topic string) (int64, error) {
	adm := kadm.NewClient(s.cl)
	known, err := adm.ListTopics(ctx, topic)
	if err != nil || !known.Has(topic) {
		return 0, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	sum := int64(0)
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, errors.Join(err, ends.Error())
}

func (s *kafkaStore) Follow(ctx context.Context, topic string, idle time.Duration, each func(key, val []byte) bool) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	return followAll(ctx, 1, idle, func(ctx context.Context, _ int, out func(key, val []byte)) error {
		for ctx.Err() == nil {
			cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { out(r.Key, r.Value) })
		}
		return ctx.Err()
	}, each)
}

func (s *kafkaStore) ID() string { return "kafka " + s.brokers }

func (s *kafkaStore) Close() error {
	s.cl.Close()
	return nil
}
