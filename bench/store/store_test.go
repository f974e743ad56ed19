package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/kafkatest"
)

func TestLog(t *testing.T) { conforms(t, "log", "") }

func TestKafka(t *testing.T) { conforms(t, "kafka", kafkatest.Addr(t)) }

// conforms: what is loaded is counted and read, once and in each partition's order; a topic that is made anew has nothing of the old one.
func conforms(t *testing.T, kind, brokers string) {
	st, err := Open(kind, t.TempDir(), brokers)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ctx, topic := t.Context(), "bench-store-test"
	if n, err := st.Count(ctx, topic+"-none"); n != 0 || err != nil {
		t.Errorf("a topic that there is not has %d records, %v", n, err)
	}
	for round, n := range []int{3000, 2000} {
		if err := st.Recreate(ctx, topic); err != nil {
			t.Fatal(err)
		}
		if got := read(t, st, topic); len(got) != 0 {
			t.Fatalf("%d records of a new topic", len(got))
		}
		if err := st.Load(ctx, n, round > 0, func(i int) (Record, error) {
			return Record{Topic: topic, Val: fmt.Append(nil, round, " ", i), Micros: int64(i)}, nil
		}); err != nil {
			t.Fatal(err)
		}
		got, count := read(t, st, topic), int64(0)
		if count, err = st.Count(ctx, topic); count != int64(n) || err != nil || len(got) != n {
			t.Fatalf("round %d: %d counted, %d read, want %d; %v", round, count, len(got), n, err)
		}
		slices.Sort(got)
		if got[0] != fmt.Sprint(round, " ", 0) || len(slices.Compact(got)) != n {
			t.Errorf("round %d begins with %q, or a record came twice", round, got[0])
		}
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	followed := 0
	if err := st.Follow(short, topic, func(_, _ []byte) {
		if followed++; followed == 2000 {
			cancel()
		}
	}); err != nil || followed != 2000 {
		t.Errorf("%d followed, %v", followed, err)
	}
}

func read(t *testing.T, st Store, topic string) (values []string) {
	t.Helper()
	if err := st.Read(t.Context(), topic, func(_, val []byte) { values = append(values, string(val)) }); err != nil {
		t.Fatal(err)
	}
	return values
}

// Records without a key are spread evenly, whatever the turn.
func TestSpread(t *testing.T) {
	for _, chunk := range []int{turn, pacedTurn} {
		var got [Partitions]int
		for i := range Partitions * turn {
			got[spread(nil, i, chunk)]++
		}
		if slices.Min(got[:]) != turn || slices.Max(got[:]) != turn {
			t.Errorf("turns of %d: %v", chunk, got)
		}
	}
}
