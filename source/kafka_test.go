package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/kafkatest"
	"github.com/millrace/millrace/internal/records"
)

func kafkaTopic(t *testing.T, partitions int32) (env Env, topic string, cl *kgo.Client) {
	t.Helper()
	addr := kafkatest.Addr(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	topic = fmt.Sprintf("src-%s-%d", strings.ToLower(t.Name()), time.Now().UnixNano())
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	return Env{Job: "test", Brokers: []string{addr}, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}}, topic, cl
}

func produce(t *testing.T, cl *kgo.Client, topic string, part int32, from, until int) {
	t.Helper()
	for i := from; i < until; i++ {
		r := &kgo.Record{Topic: topic, Partition: part, Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, "v", i)}
		cl.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func openTopic(t *testing.T, env Env, topic string) Connector {
	t.Helper()
	c, err := openKafka(topic, Earliest, kafkaOptions{})(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// eachRecord reads to an end offset, and checks that blocks follow each other.
func eachRecord(t *testing.T, r Reader, from, end int64, f func(b *records.Block, i int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for at := from; at < end; {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("at %d of %d: %v", at, end, err)
		}
		if b.First != at {
			t.Fatalf("a block starts at %d, want %d", b.First, at)
		}
		for i := range b.Len() {
			f(b, i)
		}
		at = b.Next
		b.Free()
	}
}

// readUntil are the records up to an end offset.
func readUntil(t *testing.T, r Reader, from, end int64) (vals []string) {
	t.Helper()
	eachRecord(t, r, from, end, func(b *records.Block, i int) {
		vals = append(vals, fmt.Sprintf("%d:%s=%s", b.Offset(i), b.Key(i), b.Value(i)))
	})
	return vals
}

func TestKafkaReadsFromAnyOffset(t *testing.T) {
	env, topic, cl := kafkaTopic(t, 2)
	produce(t, cl, topic, 0, 0, 3000)
	produce(t, cl, topic, 1, 0, 10)
	c := openTopic(t, env, topic)
	parts, err := c.Partitions(t.Context())
	if err != nil || len(parts) != 2 || parts[0].End != 3000 || parts[1].End != 10 {
		t.Fatalf("partitions %+v, %v", parts, err)
	}
	// Two readers of one partition at once, and one of the other.
	for _, from := range []int64{0, 2990} {
		r, err := c.Reader(t.Context(), parts[0], from)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got := readUntil(t, r, from, 3000)
		if len(got) != int(3000-from) || got[len(got)-1] != "2999:k2999=v2999" {
			t.Errorf("from %d: %d records, last %s", from, len(got), got[len(got)-1])
		}
	}
	r, err := c.Reader(t.Context(), parts[1], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := readUntil(t, r, 0, 10); len(got) != 10 {
		t.Errorf("%d records of partition 1", len(got))
	}
	produce(t, cl, topic, 1, 10, 12)
	if got := readUntil(t, r, 10, 12); fmt.Sprint(got) != "[10:k10=v10 11:k11=v11]" {
		t.Errorf("later records %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next of a cancelled context: %v", err)
	}
}

// Aborted records are not seen, and the ends of transactions move the position: a bounded run reaches the partition's end.
func TestKafkaTransactions(t *testing.T) {
	env, topic, _ := kafkaTopic(t, 1)
	tx, err := kgo.NewClient(kgo.SeedBrokers(env.Brokers...), kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := tx.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	c := openTopic(t, env, topic)
	var parts []Partition
	for deadline := time.Now().Add(10 * time.Second); ; {
		if parts, err = c.Partitions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if parts[0].End == 6 || time.Now().After(deadline) {
			break
		}
	}
	r, err := c.Reader(t.Context(), parts[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := fmt.Sprint(readUntil(t, r, 0, parts[0].End)); got != "[0:=0 4:=2]" || parts[0].End != 6 {
		t.Errorf("records %s, end %d", got, parts[0].End)
	}
}

func TestKafkaOffsetGoneAndReset(t *testing.T) {
	env, topic, cl := kafkaTopic(t, 1)
	produce(t, cl, topic, 0, 0, 100)
	del := kadm.Offsets{}
	del.AddOffset(topic, 0, 40, -1)
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), del); err != nil {
		t.Fatal(err)
	}
	c := openTopic(t, env, topic)
	p := Partition{Key: "0"}
	next := func(c Connector, from int64) (string, error) {
		r, err := c.Reader(t.Context(), p, from)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		b, err := r.Next(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(b.First, " ", string(b.Value(0))), nil
	}
	if _, err := next(c, 10); !errors.Is(err, ErrOffsetGone) || !strings.Contains(err.Error(), "offset 10") || !strings.Contains(err.Error(), "earliest is 40") {
		t.Errorf("offset gone: %v", err)
	}
	if _, err := next(c, 1000); !errors.Is(err, ErrBeyondEnd) {
		t.Errorf("beyond the end: %v", err)
	}
	env.Reset = true
	if got, err := next(openTopic(t, env, topic), 10); err != nil || got != "40 v40" {
		t.Errorf("with reset: %q, %v", got, err)
	}
}

func TestKafkaPlainErrors(t *testing.T) {
	env, topic, _ := kafkaTopic(t, 1)
	c := openTopic(t, env, topic+"-missing")
	if _, err := c.Partitions(t.Context()); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing topic: %v", err)
	}
	env.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := openKafka(topic, Earliest, kafkaOptions{})(ctx, env); err == nil || !strings.Contains(err.Error(), "set --brokers") {
		t.Errorf("unreachable broker: %v", err)
	}
}

func TestKafkaCommitsLag(t *testing.T) {
	env, topic, cl := kafkaTopic(t, 1)
	env.Job = topic
	produce(t, cl, topic, 0, 0, 5)
	if err := openTopic(t, env, topic).(Progress).Committed(t.Context(), map[string]int64{"0": 3}); err != nil {
		t.Fatal(err)
	}
	os, err := kadm.NewClient(cl).FetchOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := os.Lookup(topic, 0); !ok || o.At != 3 {
		t.Errorf("group %s is at %+v", topic, o)
	}
}
