package source

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/records"
)

// TestKafkaEqualsTheClient reads what a real broker has with a source and with the client's own consumer: compressed record batches of all kinds, records without
// key or value, with headers, large ones, transactions of two producers that are committed and aborted in between each other.
func TestKafkaEqualsTheClient(t *testing.T) {
	env, topic, _ := kafkaTopic(t, 1)
	client := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(env.Brokers...), kgo.DefaultProduceTopic(topic))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	send := func(cl *kgo.Client, from, n int) {
		for i := from; i < from+n; i++ {
			r := &kgo.Record{Key: fmt.Append(nil, "key", i), Value: bytes.Repeat([]byte(fmt.Sprint(i)), i%40), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i*7%13))}
			switch i % 11 {
			case 1:
				r.Key = nil
			case 2:
				r.Value = nil
			case 3:
				r.Key, r.Value = []byte{}, []byte{}
			case 4:
				r.Headers = []kgo.RecordHeader{{Key: "name", Value: []byte("value")}, {Key: "null"}}
			case 5:
				r.Value = bytes.Repeat([]byte{byte(i)}, 100_000)
			}
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
	at := 0
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		cl := client(kgo.ProducerBatchCompression(codec))
		for range 3 {
			send(cl, at, 40)
			at += 40
		}
	}
	one, two := client(kgo.TransactionalID(topic+"-1")), client(kgo.TransactionalID(topic+"-2"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 6 {
		for _, cl := range []*kgo.Client{one, two} {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			send(one, at, 7)
			send(two, at+7, 7)
			at += 14
		}
		for j, cl := range []*kgo.Client{two, one} {
			if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry((i>>j)&1 == 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	sameAsClient(t, env, topic)
}

// TestKafkaCompacted: offsets of a compacted topic have holes.
func TestKafkaCompacted(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker compacts every 15 s")
	}
	env, topic, cl := kafkaTopic(t, 1)
	text := func(s string) *string { return &s }
	conf := []kadm.AlterConfig{
		{Name: "cleanup.policy", Value: text("compact")}, {Name: "segment.ms", Value: text("100")}, {Name: "min.cleanable.dirty.ratio", Value: text("0.001")},
	}
	if _, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), conf, topic); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for deadline := time.Now().Add(60 * time.Second); ; {
		for i := range 50 {
			r := &kgo.Record{Topic: topic, Key: fmt.Append(nil, i%(1+sent%7)), Value: fmt.Append(nil, "value", sent)}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if n, same := sameAsClient(t, env, topic); same && n < sent {
			return
		}
		if time.Now().After(deadline) {
			t.Skip("the broker has compacted nothing for a minute")
		}
		<-time.After(500 * time.Millisecond)
	}
}

// sameAsClient reads a topic of one partition to its end both ways, from its beginning and from the middle, and says how many records
// there are. It is false if a broker compacted the topic meanwhile.
func sameAsClient(t *testing.T, env Env, topic string) (int, bool) {
	t.Helper()
	k := openTopic(t, env, topic)
	var parts []Partition
	for deadline := time.Now().Add(10 * time.Second); ; { // the end of the last transaction is written behind
		var err error
		if parts, err = k.Partitions(t.Context()); err != nil {
			t.Fatal(err)
		}
		latest, err := kadm.NewClient(k.(*kafkaConnector).admin).ListEndOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		if latest[topic][0].Offset == parts[0].End || time.Now().After(deadline) {
			break
		}
	}
	want := fromClient(t, env, topic, parts[0].End)
	half := parts[0].End / 2
	all, later := fromSource(t, k, 0, parts[0].End), fromSource(t, k, half, parts[0].End)
	if !slices.Equal(fromClient(t, env, topic, parts[0].End), want) {
		return len(want), false
	}
	for i := range max(len(all), len(want)) {
		if i >= min(len(all), len(want)) || all[i] != want[i] {
			t.Fatalf("%d records, want %d; they differ from record %d on: %.200v, want %.200v", len(all), len(want), i, all[min(i, len(all)-1)], want[min(i, len(want)-1)])
		}
	}
	if tail := want[slices.IndexFunc(want, func(r shownRow) bool { return r.offset >= half }):]; !slices.Equal(later, tail) {
		t.Fatalf("%d records from offset %d on, want %d", len(later), half, len(tail))
	}
	return len(want), true
}

// fromSource is a partition up to its end as a source reads it.
func fromSource(t *testing.T, k Connector, from, end int64) (rows []shownRow) {
	t.Helper()
	r, err := k.Reader(t.Context(), Partition{Key: "0"}, from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	eachRecord(t, r, from, end, func(b *records.Block, i int) { rows = append(rows, rowOf(b, i)) })
	return rows
}

// shownRow is a record in words.
type shownRow struct {
	offset              int64
	key, value, headers string
}

func rowOf(b *records.Block, i int) shownRow {
	r := shownRow{offset: b.Offset(i), key: fmt.Sprintf("%d %q %v", b.Times[i], b.Key(i), b.Key(i) == nil), value: fmt.Sprintf("%q %v", b.Value(i), b.Value(i) == nil)}
	if b.Headers != nil {
		for _, h := range b.Headers[i] {
			value := []byte(nil)
			if h.Value.Len != records.Null {
				value = b.Data[h.Value.Off : h.Value.Off+h.Value.Len]
			}
			r.headers += fmt.Sprintf("%q=%q %v,", b.Data[h.Name.Off:h.Name.Off+h.Name.Len], value, value == nil)
		}
	}
	return r
}

// fromClient is the topic up to an offset as the client's consumer reads it.
func fromClient(t *testing.T, env Env, topic string, end int64) (rows []shownRow) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(env.Brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for at := int64(0); at < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			w := shownRow{offset: r.Offset, key: fmt.Sprintf("%d %q %v", r.Timestamp.UnixMicro(), r.Key, r.Key == nil), value: fmt.Sprintf("%q %v", r.Value, r.Value == nil)}
			for _, h := range r.Headers {
				w.headers += fmt.Sprintf("%q=%q %v,", h.Key, h.Value, h.Value == nil)
			}
			rows = append(rows, w)
		})
	}
	return rows
}
