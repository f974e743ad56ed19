package source_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/source"
)

// TestRateResumes restarts a job an hour later: rows keep their values and times, which are a function of the offset (P18).
func TestRateResumes(t *testing.T) {
	spec := source.Rate(3).Spec()
	start := time.Unix(1_700_000_000, 0).UTC()
	c := clock.NewManual(start)
	open := func() source.Connector {
		conn, err := spec.Open(t.Context(), source.Env{Clock: c})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := open()
	recorded, err := conn.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Second)
	third := time.Second / 3
	want := []source.Tick{{1, start.Add(third + time.Microsecond).Truncate(time.Microsecond)}, {2, start.Add(2*third + time.Microsecond).Truncate(time.Microsecond)}, {3, start.Add(time.Second)}}
	if got := ticks(t, conn, spec, recorded[0], 1); !cmp.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}

	c.Advance(time.Hour)
	conn = open()
	if err := conn.(source.Resumer).Resume(recorded); err != nil {
		t.Fatal(err)
	}
	parts, err := conn.Partitions(t.Context())
	if err != nil || !cmp.Equal(parts[0].Meta, recorded[0].Meta) || parts[0].End != 3601*3+1 {
		t.Errorf("%+v %v", parts, err)
	}
	if got := ticks(t, conn, spec, parts[0], 1)[:3]; !cmp.Equal(got, want) {
		t.Errorf("after a restart %v\nwant %v", got, want)
	}
	other, err := source.Rate(4).Spec().Open(t.Context(), source.Env{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.(source.Resumer).Resume(recorded); err == nil {
		t.Error("another rate goes on from a checkpoint")
	}
}

// ticks are the rows of one block.
func ticks(t *testing.T, conn source.Connector, spec *source.Spec, p source.Partition, from int64) []source.Tick {
	t.Helper()
	r, err := conn.Reader(t.Context(), p, from)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, _, _ := spec.NewDecoder().Decode(b, 0, b.Len())
	return rows.Vals.([]source.Tick)
}
