package driver_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// windowCount is what a window gave: the time of its batch, and the count.
type windowCount struct {
	at time.Time
	n  int64
}

// TestWindowsUnderAsap runs a window of batch time under asap, twice with a pause between: it ends at each multiple of its slide, rows or not, and none is
// missing but those of empty windows in the pause (P31).
func TestWindowsUnderAsap(t *testing.T) {
	const slide, length = 20 * time.Millisecond, 60 * time.Millisecond
	var got []windowCount
	feed := source.NewFeed[string](2)
	job := func(job *dstream.Job) {
		dstream.From(job, feed.Source("rows")).CountByWindow("last", length, slide).
			ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.RDD[int64]) error {
				for n, err := range rows.Rows(ctx) {
					if err != nil {
						return err
					}
					got = append(got, windowCount{b.Time, n})
				}
				return nil
			})
	}
	cfg := driver.Config{Name: "window", Master: "local[2]", Asap: true, Checkpoint: filepath.Join(t.TempDir(), "checkpoint"), Batches: 12, Log: quiet()}
	for range 2 {
		feed.Push(0, "a", "b")
		feed.Push(1, "c")
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if err := driver.Run(ctx, job, cfg); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if len(got) < 8 {
		t.Fatalf("%d windows in 24 batches", len(got))
	}
	rows := int64(0)
	for i, c := range got {
		if c.at.UnixMicro()%slide.Microseconds() != 0 {
			t.Errorf("a window ends at %v, between the multiples of %v", c.at, slide)
		}
		if i > 0 {
			missed := c.at.Sub(got[i-1].at) - slide
			if missed < 0 || missed > 0 && got[i-1].n > 0 {
				t.Errorf("a window of %d rows ends at %v, and the next at %v", got[i-1].n, got[i-1].at, c.at)
			}
		}
		rows = max(rows, c.n)
	}
	if rows == 0 {
		t.Error("no window holds a row")
	}
}

// A window that does not fit the interval is refused before anything runs.
func TestWindowThatDoesNotFit(t *testing.T) {
	cfg := driver.Config{Name: "window", Interval: 100 * time.Millisecond, Log: quiet()}
	err := driver.Run(t.Context(), func(job *dstream.Job) {
		dstream.From(job, source.Memory([]string{"a"})).CountByWindow("last", 250*time.Millisecond, 100*time.Millisecond).
			ForeachBatch(func(context.Context, dstream.Batch, rdd.RDD[int64]) error { return errors.New("it runs") })
	}, cfg)
	if err == nil || !strings.Contains(err.Error(), "window_test.go:") || !strings.Contains(err.Error(), "window 250ms is not a multiple of --interval 100ms") {
		t.Errorf("got %v", err)
	}
}
