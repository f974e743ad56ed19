// Package store is where a run's topics are, in the embedded log or in Kafka: it empties, loads, counts and follows them.
package store

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/commitlog"
)

// Partitions is how many every topic has.
const Partitions = 8

// How many records without a key go to one partition before the next takes over: all together get the same number. Loaders that keep to a rate change
// more often, so that no partition waits.
const (
	turn      = 1000
	pacedTurn = 10
)

// Record is one that is loaded.
type Record struct {
	Topic    string
	Key, Val []byte
	Micros   int64 // event time, since 1970
}

// Store is a place of topics.
type Store interface {
	// Recreate makes an empty topic, also where there is one.
	Recreate(ctx context.Context, topic string) error
	// Load writes the records 0 to n-1 that next gives. paced tells that next keeps to a rate.
	Load(ctx context.Context, n int, paced bool, next func(i int) (Record, error)) error
	// Count is how many records a topic holds, 0 if there is none.
	Count(ctx context.Context, topic string) (int64, error)
	// Read calls each with every record that is readable now.
	Read(ctx context.Context, topic string, each func(key, val []byte)) error
	// Follow calls each with every record that is or becomes readable, until ctx ends.
	Follow(ctx context.Context, topic string, each func(key, val []byte)) error
	// ID names the place in the list of what is loaded.
	ID() string
	Close() error
}

// Open opens a store of a kind: log, in lab, or kafka.
func Open(kind, lab, brokers string) (Store, error) {
	if kind == "kafka" {
		cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.MetadataMinAge(20*time.Millisecond))
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), pingLimit)
		defer cancel()
		if err := cl.Ping(ctx); err != nil {
			cl.Close()
			return nil, fmt.Errorf("no broker answers at %s: %w; start one (make kafka-start: 127.0.0.1:19092), or name it with --brokers", brokers, err)
		}
		return &kafkaStore{cl, brokers}, nil
	}
	return OpenLog(lab)
}

// pingLimit is how long a broker may take to answer.
const pingLimit = 10 * time.Second

// LogDir is the folder of the embedded log in a lab.
func LogDir(lab string) string { return filepath.Join(lab, "log") }

// OpenLog opens the embedded log in lab.
func OpenLog(lab string) (Store, error) {
	l, err := commitlog.Create(LogDir(lab), commitlog.Options{})
	return &logStore{l, LogDir(lab)}, err
}

// spread chooses the partition of the record that is number i of its topic, as every engine's loader does.
func spread(key []byte, i, chunk int) int {
	if key != nil {
		return commitlog.PartitionOf(key, Partitions)
	}
	return i / chunk % Partitions
}
