package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/commitlog"
)

const (
	partitions = 8
	// turn is how many records without a key go to one partition before the next takes over: every partition gets the same number.
	turn = 1000
)

// store is where a run's topics are: the embedded log or Kafka.
type store interface {
	// recreate makes an empty topic.
	recreate(ctx context.Context, topic string) error
	// load writes records 0 to n-1 of a data set; pace, where not nil, is called before each record and returns its event time in ms.
	load(ctx context.Context, topic string, mk gen.Maker, n int, pace func(i int) (int64, error)) error
	// follow calls each with every readable record until ctx ends or each returns false. With idle above 0 it also ends when nothing new has come for so long.
	follow(ctx context.Context, topic string, idle time.Duration, each func(key, val []byte) bool) error
	close() error
}

func openStore(kind, dir, brokers string) (store, error) {
	if kind == "kafka" {
		cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(20*time.Millisecond),
			kgo.ProducerBatchMaxBytes(1<<19), kgo.MaxBufferedRecords(200_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
		return &kafkaStore{cl, brokers}, err
	}
	l, err := commitlog.Create(dir, commitlog.Options{})
	return &logStore{l, dir}, err
}

// spread chooses the partition of record i as every engine's loader does.
func spread(key []byte, i, chunk int) int {
	if key != nil {
		return commitlog.PartitionOf(key, partitions)
	}
	return i / chunk % partitions
}

type logStore struct {
	log *commitlog.Log
	dir string
}

func (s *logStore) recreate(_ context.Context, topic string) error {
	if err := os.RemoveAll(filepath.Join(s.dir, topic)); err != nil {
		return err
	}
	_, err := s.log.Create(topic, commitlog.Settings{Partitions: partitions})
	return err
}

func (s *logStore) load(ctx context.Context, topic string, mk gen.Maker, n int, pace func(int) (int64, error)) error {
	t, err := s.log.Topic(topic)
	if err != nil {
		return err
	}
	p, err := t.Producer()
	if err != nil {
		return err
	}
	for i := range n {
		ms := gen.EventMillis(i)
		if pace != nil {
			if ms, err = pace(i); err != nil {
				break
			}
		}
		key, val := mk(i, ms)
		if err = p.Send(key, val, ms*1000); err != nil {
			break
		}
	}
	return errors.Join(err, p.Sync(ctx), p.Close())
}

func (s *logStore) follow(ctx context.Context, topic string, idle time.Duration, each func(key, val []byte) bool) error {
	t, err := s.log.Topic(topic)
	if err != nil {
		return err
	}
	n, err := t.Partitions()
	if err != nil {
		return err
	}
	return followAll(ctx, n, idle, func(ctx context.Context, part int, out func(key, val []byte)) error {
		r, err := t.Reader(part, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		for {
			b, err := r.Next(ctx)
			if err != nil {
				return err
			}
			for i := range b.Len() {
				out(b.Key(i), b.Value(i))
			}
		}
	}, each)
}

func (s *logStore) close() error { return s.log.Close() }

type kafkaStore struct {
	cl      *kgo.Client
	brokers string
}

func (s *kafkaStore) recreate(ctx context.Context, topic string) error {
	adm := kadm.NewClient(s.cl)
	if _, err := adm.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("delete topic %s: %w", topic, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := adm.CreateTopic(ctx, partitions, 1, nil, topic)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
}

func (s *kafkaStore) load(ctx context.Context, topic string, mk gen.Maker, n int, pace func(int) (int64, error)) error {
	chunk := turn
	if pace != nil {
		chunk = 10
	}
	var failed error
	for i := range n {
		ms, err := gen.EventMillis(i), error(nil)
		if pace != nil {
			if ms, err = pace(i); err != nil {
				return err
			}
		}
		key, val := mk(i, ms)
		r := &kgo.Record{Topic: topic, Partition: int32(spread(key, i, chunk)), Key: key, Value: val}
		s.cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	return errors.Join(s.cl.Flush(ctx), failed)
}

func (s *kafkaStore) follow(ctx context.Context, topic string, idle time.Duration, each func(key, val []byte) bool) error {
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

func (s *kafkaStore) close() error {
	s.cl.Close()
	return nil
}
