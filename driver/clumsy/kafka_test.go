package clumsy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/kafkatest"
	"github.com/millrace/millrace/internal/kafkatx"
)

// broker is a real one, with two topics of the test's own.
type broker struct {
	t       *testing.T
	addr    string
	in, out string
	client  *kgo.Client
	admin   *kadm.Client
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, addr: kafkatest.Addr(t)}
	name := fmt.Sprintf("clumsy-%d", time.Now().UnixNano())
	b.in, b.out = name+"-in", name+"-out"
	b.connect()
	t.Cleanup(func() {
		_, _ = b.admin.DeleteTopics(context.Background(), b.in, b.out)
		b.client.Close()
	})
	return b
}

// connect makes a client that knows the topics as they are now.
func (b *broker) connect() {
	b.t.Helper()
	if b.client != nil {
		b.client.Close()
	}
	var err error
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		b.t.Fatal(err)
	}
	b.admin = kadm.NewClient(b.client)
}

func (b *broker) create(topic string, partitions int) {
	b.t.Helper()
	if r, err := b.admin.CreateTopic(b.t.Context(), int32(partitions), 1, nil, topic); err != nil || r.Err != nil {
		b.t.Fatal(err, r.Err)
	}
}

func (b *broker) produce(partition int, values ...string) {
	b.t.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: b.in, Partition: int32(partition), Value: []byte(v)})
	}
	if err := b.client.ProduceSync(b.t.Context(), records...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// totals are the last counts in the output, as a reader of committed records sees them. Counts may not fall or come twice.
func (b *broker) totals() map[string]int {
	b.t.Helper()
	ends, err := kafkatx.Settled(b.t.Context(), clock.System{}, b.admin, b.out, 5*time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.ConsumeTopics(b.out), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	missing := map[int32]int64{}
	for p, end := range ends {
		if end > 0 {
			missing[p] = end
		}
	}
	last := map[string]int{}
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	defer cancel()
	for len(missing) > 0 {
		f := c.PollFetches(ctx)
		if err := f.Err(); err != nil {
			b.t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				b.count(last, r)
			}
			if r.Offset+1 >= missing[r.Partition] {
				delete(missing, r.Partition)
			}
		})
	}
	return last
}

func (b *broker) count(last map[string]int, r *kgo.Record) {
	b.t.Helper()
	var n int
	word := strings.Trim(string(r.Key), `"`)
	if err := json.Unmarshal(r.Value, &n); err != nil {
		b.t.Fatalf("%s %s: %v", r.Key, r.Value, err)
	}
	if n <= last[word] {
		b.t.Errorf("count of %s goes from %d to %d", word, last[word], n)
	}
	last[word] = n
}

// TestKafka is the life of a job between two topics: a missing topic, records, more partitions, records that are removed before they were read,
// and a topic that is made anew.
func TestKafka(t *testing.T) {
	b := newBroker(t)
	p := newPlace(t)
	args := []string{"--from", "kafka:" + b.in, "--to", "kafka:" + b.out, "--brokers", b.addr, "--checkpoint", "ck", "--until-caught-up", "--name", b.in}
	p.run("words", args...).refused(t, 1, "does not exist on "+b.addr, "create it, or check its name")
	b.create(b.in, 2)
	b.produce(0, "a b", "a")
	b.produce(1, "c")
	p.ok("words", append(args, "--master", "procs[2,1]")...)
	want := map[string]int{"a": 2, "b": 1, "c": 1}
	check := func(after string) {
		t.Helper()
		var d string
		eventually(t, func() bool { // a broker shows what was committed when it has written the markers, a moment behind its answer
			d = cmp.Diff(want, b.totals())
			return d == ""
		}, func() string { return "after " + after + ": " + d })
	}
	check("a first run")

	if _, err := b.admin.UpdatePartitions(t.Context(), 4, b.in); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		topics, err := b.admin.ListTopics(t.Context(), b.in)
		return err == nil && len(topics[b.in].Partitions) == 4
	}, func() string { return "no new partitions" })
	b.connect()
	b.produce(3, "a d")
	p.ok("words", args...)
	want["a"], want["d"] = 3, 1
	check("new partitions")

	b.produce(0, "lost", "lost", "e")
	offsets := kadm.Offsets{}
	offsets.AddOffset(b.in, 0, 4, -1)
	if _, err := b.admin.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	p.run("words", args...).refused(t, 1, "partition 0: offset 2", "--on-offset-gone reset")
	r := p.ok("words", append(args, "--on-offset-gone", "reset")...)
	if strings.Count(r.err, "offsets skipped") != 1 || !strings.Contains(r.err, "from=2 until=4 records=2") {
		t.Errorf("the reset is not told:\n%s", r.err)
	}
	want["e"] = 1
	check("a reset")

	if _, err := b.admin.DeleteTopic(t.Context(), b.in); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		topics, err := b.admin.ListTopics(t.Context(), b.in)
		return err == nil && topics[b.in].Err != nil
	}, func() string { return "the topic is not deleted" })
	b.create(b.in, 4)
	p.run("words", args...).refused(t, 1, "it ends at 0, and batches up to offset 5 were planned", "made anew")
	check("a topic that was made anew")
}

// TestKafkaOutputOfAnother: a job with a fresh checkpoint does not write behind what another wrote.
func TestKafkaOutputOfAnother(t *testing.T) {
	b := newBroker(t)
	p := newPlace(t)
	p.produce("lines", "a")
	args := []string{"--to", "kafka:" + b.out, "--brokers", b.addr, "--until-caught-up", "--name", b.in, "--checkpoint"}
	p.ok("words", append(args, "ck1")...)
	p.ok("words", append(args, "ck1")...)
	p.run("words", append(args, "ck2")...).refused(t, 1, "was last written by batch 1", "another output", "--sink-adopt")
	if d := cmp.Diff(map[string]int{"a": 1}, b.totals()); d != "" {
		t.Errorf("two checkpoints wrote to one topic: %s", d)
	}
}
