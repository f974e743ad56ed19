package sink_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/kafkatest"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

func TestKafkaConforms(t *testing.T) {
	addr := kafkatest.Addr(t)
	stamp := time.Now().UnixNano()
	sinktest.Run(t, func(t testing.TB, dir string) sinktest.Subject {
		topic := fmt.Sprintf("sink-%d-%s", stamp, strings.NewReplacer("/", "-", "#", "-").Replace(filepath.Base(filepath.Dir(dir))+"-"+filepath.Base(dir)))
		return sinktest.Subject{
			Spec: sink.KafkaJSON(topic, sink.KafkaPartitions(2), sink.KafkaLanes(2)).Spec(),
			Env:  sink.Env{Brokers: []string{addr}},
			Read: func() ([]sinktest.Row, error) { return readTopic(t, addr, topic) },
		}
	})
}

// readTopic reads what a read_committed consumer sees now, partition by partition.
func readTopic(t testing.TB, addr, topic string) ([]sinktest.Row, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	// Ended transactions become readable when their markers are written, shortly after EndTxn returns: wait until nothing is open.
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	want := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			want[o.Partition] = o.Offset
		}
	})
	open := len(want)
	byPart := map[int32][]sinktest.Row{}
	for open > 0 && ctx.Err() == nil {
		// The end may be an open transaction's that nobody ends: then the last stable offset is all that can be seen.
		short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		fs := cl.PollFetches(short)
		idle := short.Err() != nil
		stop()
		var bad error
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= want[r.Partition] {
				open--
			}
			if r.Attrs.IsControl() {
				return
			}
			v, err := strconv.ParseInt(string(r.Value), 10, 64)
			if err != nil {
				bad = err
			}
			byPart[r.Partition] = append(byPart[r.Partition], sinktest.Row{Key: string(r.Key), Value: v})
		})
		if bad != nil {
			return nil, bad
		}
		if idle {
			break
		}
	}
	return append(byPart[0], byPart[1]...), nil
}

func TestKafkaForeignMarkerIsFound(t *testing.T) {
	addr := kafkatest.Addr(t)
	topic := fmt.Sprintf("sink-marker-%d", time.Now().UnixNano())
	spec := sink.KafkaJSON(topic, sink.KafkaPartitions(1)).Spec()
	env := sink.Env{Job: topic, Brokers: []string{addr}, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
	for i, uuid := range []string{"first", "second"} {
		out, err := spec.Open(t.Context(), env, sinktest.Schema)
		if err != nil {
			t.Fatal(err)
		}
		lane, err := out.Lane(t.Context(), 0, 1, sink.Owner{UUID: uuid, Timeline: 1, Epoch: 1, Sink: spec.Name})
		if err != nil {
			t.Fatal(err)
		}
		m, ok := lane.Marker()
		if i == 1 && (!ok || m.UUID != "first" || m.Batch != 7) {
			t.Errorf("another checkpoint's marker: %+v, %v", m, ok)
		}
		if i == 0 {
			b := sink.Batch{Number: 7, Time: 1, PlanHash: []byte("x")}
			if err := lane.Stage(t.Context(), b, oneRow()); err != nil {
				t.Fatal(err)
			}
			if err := lane.Publish(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func oneRow() []arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, sinktest.Schema.Arrow)
	b.Field(0).(*array.StringBuilder).Append("a")
	b.Field(1).(*array.Int64Builder).Append(1)
	return []arrow.Record{b.NewRecord()}
}
