package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/kafkatx"
)

type kafkaStore struct {
	cl      *kgo.Client
	brokers string
}

// recreateLimit is how long a broker may take to forget a topic and to know the new one.
const recreateLimit = time.Minute

func (s *kafkaStore) Recreate(ctx context.Context, topic string) error {
	adm := kadm.NewClient(s.cl)
	if _, err := adm.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("delete topic %s: %w", topic, err)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) { // until the old one is gone
		made, err := adm.CreateTopic(ctx, Partitions, 1, nil, topic)
		if err == nil {
			return s.await(ctx, adm, topic, made.ID)
		}
		if time.Since(began) > recreateLimit {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
}

// await waits until the broker says of the topic what the controller has made. Before, records would go to the old one's partitions, and be lost.
func (s *kafkaStore) await(ctx context.Context, adm *kadm.Client, topic string, id kadm.TopicID) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		listed, err := adm.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		t := listed[topic]
		led := 0
		for _, p := range t.Partitions {
			if p.Err == nil && p.Leader >= 0 {
				led++
			}
		}
		if t.Err == nil && t.ID == id && led == Partitions {
			return nil
		}
		if time.Since(began) > recreateLimit {
			return fmt.Errorf("topic %s: the broker does not know it after %v", topic, recreateLimit)
		}
	}
}

func (s *kafkaStore) Load(ctx context.Context, n int, paced bool, next func(int) (Record, error)) error {
	chunk, linger := turn, 10*time.Millisecond
	if paced {
		chunk, linger = pacedTurn, syncEvery
	}
	// A client of its own: one that is older may know a topic of the same name that is gone.
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(20*time.Millisecond), kgo.UnknownTopicRetries(-1),
		kgo.ProducerBatchMaxBytes(1<<19), kgo.MaxBufferedRecords(200_000), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(linger))
	if err != nil {
		return err
	}
	defer cl.Close()
	var failed atomic.Pointer[error]
	sent := map[string]int{}
	for i := range n {
		rec, err := next(i)
		if err != nil {
			return errors.Join(err, cl.Flush(ctx))
		}
		r := &kgo.Record{Topic: rec.Topic, Partition: int32(spread(rec.Key, sent[rec.Topic], chunk)), Key: rec.Key, Value: rec.Val}
		sent[rec.Topic]++
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	err = cl.Flush(ctx)
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

// settleLimit is how long markers of transactions may take behind the answer to their end.
const settleLimit = 10 * time.Second

// ends are the offsets behind all records that can be read, of the partitions that have some.
func (s *kafkaStore) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	ends, err := kafkatx.Settled(ctx, clock.System{}, kadm.NewClient(s.cl), topic, settleLimit)
	maps.DeleteFunc(ends, func(_ int32, end int64) bool { return end <= 0 })
	return ends, err
}

// Read ends where ends says. Markers of transactions take offsets too, so the client keeps them.
func (s *kafkaStore) Read(ctx context.Context, topic string, each func(key, val []byte)) error {
	left, err := s.ends(ctx, topic)
	if err != nil {
		return err
	}
	cl, err := s.consumer(topic, kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetched := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetched.EachRecord(func(r *kgo.Record) {
			end, more := left[r.Partition]
			if !more {
				return
			}
			if !r.Attrs.IsControl() {
				each(r.Key, r.Value)
			}
			if r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}

func (s *kafkaStore) Follow(ctx context.Context, topic string, each func(key, val []byte)) error {
	cl, err := s.consumer(topic)
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { each(r.Key, r.Value) })
	}
	return nil
}

func (s *kafkaStore) consumer(topic string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(s.brokers), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))...)
}

func (s *kafkaStore) ID() string { return "kafka " + s.brokers }

func (s *kafkaStore) Close() error {
	s.cl.Close()
	return nil
}
