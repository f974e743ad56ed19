package kafkatx

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/kafkatest"
)

type bench struct {
	cl    *kgo.Client
	addr  string
	topic string
}

func open(t testing.TB, partitions int32) *bench {
	t.Helper()
	addr := kafkatest.Addr(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.MaxVersions(Versions()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	topic := fmt.Sprintf("tx-%s-%d", t.Name(), time.Now().UnixNano())
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	return &bench{cl, addr, topic}
}

func (b *bench) producer(t testing.TB, id string) *Producer {
	t.Helper()
	p, err := Open(t.Context(), b.cl, clock.System{}, b.topic, b.topic+id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) marker(t testing.TB, group string) string {
	t.Helper()
	resp, err := kadm.NewClient(b.cl).FetchOffsets(kadm.RequireStable(t.Context()), group)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := resp.Lookup(b.topic, 0)
	return o.Metadata
}

// read is what a read_committed consumer sees: "key=value" by partition and offset.
func (b *bench) read(t testing.TB, want int) []string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.ConsumeTopics(b.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(got) < want && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = append(got, string(r.Key)+"="+string(r.Value)) })
	}
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = append(got, "more: "+string(r.Key)+"="+string(r.Value)) })
	return got
}

func recs(part int32, kv ...string) map[int32]*Records {
	r := &Records{}
	for i := 0; i < len(kv); i += 2 {
		r.Add([]byte(kv[i]), []byte(kv[i+1]), 1_700_000_000_000+int64(i))
	}
	return map[int32]*Records{part: r}
}

func TestWriteAndMarker(t *testing.T) {
	b := open(t, 2)
	p := b.producer(t, "a")
	group := b.topic + ".marker"
	for i := range 5 {
		err := p.Write(t.Context(), recs(int32(i%2), "k", fmt.Sprint(i), "l", fmt.Sprint(i)), Marker{group, 0, int64(i), fmt.Sprint("batch ", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := b.read(t, 10); len(got) != 10 {
		t.Errorf("a reader sees %v, want 10 records", got)
	}
	if m := b.marker(t, group); m != "batch 4" {
		t.Errorf("marker %q", m)
	}
}

func TestTakeOverFencesAndAborts(t *testing.T) {
	b := open(t, 1)
	group := b.topic + ".marker"
	old := b.producer(t, "a")
	if err := old.Write(t.Context(), recs(0, "a", "1"), Marker{group, 0, 1, "1"}); err != nil {
		t.Fatal(err)
	}
	// The old owner dies in the middle: records and marker are sent, the end is not.
	if err := old.addPartitions(t.Context(), recs(0)); err != nil {
		t.Fatal(err)
	}
	if err := old.addOffsets(t.Context(), Marker{Group: group}); err != nil {
		t.Fatal(err)
	}
	if err := old.produce(t.Context(), recs(0, "a", "lost")); err != nil {
		t.Fatal(err)
	}
	if err := old.commitMarker(t.Context(), Marker{group, 0, 2, "lost"}); err != nil {
		t.Fatal(err)
	}
	next := b.producer(t, "a")
	if m := b.marker(t, group); m != "1" {
		t.Errorf("marker after takeover is %q, want that of the committed batch", m)
	}
	if err := old.end(t.Context(), true); !errors.Is(err, ErrFenced) {
		t.Errorf("the old owner's commit: %v, want ErrFenced", err)
	}
	if err := old.Renew(t.Context()); !errors.Is(err, ErrFenced) {
		t.Errorf("the old owner renews itself: %v, want ErrFenced", err)
	}
	if err := next.Write(t.Context(), recs(0, "a", "2"), Marker{group, 0, 2, "2"}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(b.read(t, 2)); got != "[a=1 a=2]" {
		t.Errorf("a reader sees %s", got)
	}
}

// TestRenewEndsWhatIsOpen gives up a transaction that has records, and one that has a marker too.
func TestRenewEndsWhatIsOpen(t *testing.T) {
	b := open(t, 1)
	group := b.topic + ".marker"
	p := b.producer(t, "a")
	for i := range 2 {
		err := errors.Join(p.addPartitions(t.Context(), recs(0)), p.addOffsets(t.Context(), Marker{Group: group}), p.produce(t.Context(), recs(0, "a", "lost")))
		if err == nil && i > 0 {
			err = p.commitMarker(t.Context(), Marker{group, 0, 1, "lost"})
		}
		if err := errors.Join(err, p.Renew(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if m := b.marker(t, group); m != "" {
		t.Errorf("marker %q", m)
	}
	if err := p.Write(t.Context(), recs(0, "a", "1"), Marker{group, 0, 2, "2"}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(b.read(t, 1)); got != "[a=1]" {
		t.Errorf("a reader sees %s", got)
	}
}

func TestManyBatchesInOneTransaction(t *testing.T) {
	b := open(t, 3)
	p := b.producer(t, "a")
	all := map[int32]*Records{}
	val := make([]byte, 1000)
	for part := range int32(3) {
		all[part] = &Records{}
		for range 2500 {
			all[part].Add(nil, val, 5)
		}
	}
	for i := range 2 {
		if err := p.Write(t.Context(), all, Marker{b.topic + ".marker", 0, int64(i), "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(b.read(t, 15000)); got != 15000 {
		t.Errorf("a reader sees %d records, want 15000", got)
	}
}

func BenchmarkTransaction(b *testing.B) {
	x := open(b, 8)
	ps := [2]*Producer{x.producer(b, "0"), x.producer(b, "1")}
	i := 0
	for b.Loop() {
		err := ps[i%2].Write(b.Context(), recs(int32(i%8), "k", "v"), Marker{x.topic + ".marker", 0, int64(i), "x"})
		if err != nil {
			b.Fatal(err)
		}
		i++
	}
}
