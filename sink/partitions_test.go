package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// TestPartitions publishes batches in two lanes: each has calls of its own, in order, with its rows, and again after a failure.
func TestPartitions(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	fail := errors.New("not now")
	out := openOutput(t, sink.Partitions("p", func(_ context.Context, b sink.Batch, recs []arrow.Record) error {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range recs {
			calls = append(calls, fmt.Sprintf("%d %v", b.Number, r.Column(1)))
		}
		if b.Number == 2 && b.Attempt == 0 {
			return fail
		}
		return nil
	}, sink.CallbackRows(3), sink.CallbackSite("job.go:7")), sinktest.Schema)
	var lanes []sink.Lane
	for i := range 2 {
		l, err := out.Lane(context.Background(), i, 2, sink.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		lanes = append(lanes, l)
	}
	ctx := context.Background()
	for n := int64(1); n <= 3; n++ {
		for i, l := range lanes {
			b := sink.Batch{Number: n}
			if err := l.Stage(ctx, b, pairs("k", n*10+int64(i))); err != nil {
				t.Fatal(err)
			}
			err := l.Publish(ctx, b)
			if (n == 2) != errors.Is(err, fail) {
				t.Fatalf("batch %d lane %d: %v", n, i, err)
			}
			if err == nil {
				continue
			}
			if !strings.Contains(err.Error(), "foreachPartition") || !strings.Contains(err.Error(), "job.go:7") {
				t.Errorf("%v", err)
			}
			for range 2 { // published once more: it is known
				if err := l.Publish(ctx, sink.Batch{Number: n, Attempt: 1}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := lanes[0].Stage(ctx, sink.Batch{Number: 4}, pairs("k", 1, 2, 3, 4)); err == nil || !strings.Contains(err.Error(), "at most 3") {
		t.Errorf("row limit: %v", err)
	}
	want := []string{"1 [10]", "1 [11]", "2 [20]", "2 [20]", "2 [21]", "2 [21]", "3 [30]", "3 [31]"}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
	for _, l := range lanes {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPartitionsRoute sends all rows of a key to one lane, and rows without keys with their task.
func TestPartitionsRoute(t *testing.T) {
	nothing := func(context.Context, sink.Batch, []arrow.Record) error { return nil }
	keyed := openOutput(t, sink.Partitions("p", nothing), sinktest.Schema)
	seen := map[int32]bool{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		lane := make([]int32, 3)
		keyed.Route(1, 5, pairs(key, 1, 2, 3)[0], 4, lane)
		other := make([]int32, 1)
		keyed.Route(9, 0, pairs(key, 4)[0], 4, other)
		if !slices.Equal(lane, []int32{other[0], other[0], other[0]}) {
			t.Errorf("rows of %s go to lanes %v and %v", key, lane, other)
		}
		seen[other[0]] = true
	}
	if len(seen) < 2 {
		t.Errorf("all keys go to lanes %v", seen)
	}
	plain := sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{{Name: "value", Type: arrow.PrimitiveTypes.Int64}}, nil), ScalarValue: true}
	lane := make([]int32, 2)
	openOutput(t, sink.Partitions("p", nothing), plain).Route(6, 0, parse(t, plain.Arrow, `[{"value":1},{"value":2}]`)[0], 4, lane)
	if !slices.Equal(lane, []int32{2, 2}) {
		t.Errorf("rows of task 6 go to lanes %v of 4", lane)
	}
	for lanes, s := range map[int]sink.Sink{5: sink.Partitions("p", nothing), 3: sink.Partitions("p", nothing, sink.CallbackLanes(3))} {
		if n, err := openOutput(t, s, plain).Lanes(context.Background(), 5); n != lanes || err != nil {
			t.Errorf("%d lanes, want %d (%v)", n, lanes, err)
		}
	}
	if err := sink.Partitions("p", nothing, sink.CallbackLanes(-1)).Spec().Err; err == nil {
		t.Error("-1 lanes")
	}
}

// TestPartitionsTimeout cancels a call that takes too long, in its lane alone.
func TestPartitionsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := openOutput(t, sink.Partitions("p", func(ctx context.Context, b sink.Batch, recs []arrow.Record) error {
			if b.Number == 1 && recs[0].Column(1).ValueStr(0) == "1" {
				<-ctx.Done()
			}
			return nil
		}, sink.CallbackTimeout(time.Second)), sinktest.Schema)
		slow, quick := openLane(t, out, 1), openLane(t, out, 1)
		ctx := context.Background()
		for i, l := range []sink.Lane{slow, quick} {
			if err := l.Stage(ctx, sink.Batch{Number: 1}, pairs("k", int64(i)+1)); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		if err := slow.Publish(ctx, sink.Batch{Number: 1}); err == nil || !strings.Contains(err.Error(), "takes longer than 1s") || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if err := quick.Publish(ctx, sink.Batch{Number: 1}); err != nil {
			t.Error(err)
		}
	})
}
