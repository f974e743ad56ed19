package driver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// byHand is a job under a manual clock, with an interval of a second: what its batches gave.
type byHand struct {
	t     *testing.T
	feed  *source.Feed[string]
	clock *driver.ManualClock
	cfg   driver.Config
	r     *driver.Running

	mu  sync.Mutex // guards out
	out []string   // batch, seconds since the start, rows
}

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newByHand(t *testing.T, checkpoint bool) *byHand {
	h := &byHand{t: t, feed: source.NewFeed[string](3), clock: driver.NewManualClock(epoch)}
	h.cfg = lifeConfig(t)
	h.cfg.Interval, h.cfg.Clock = time.Second, h.clock
	if !checkpoint {
		h.cfg.Checkpoint = ""
	}
	h.r = start(t, h.job, h.cfg)
	return h
}

// job counts visits; one that has not come for three seconds says so.
func (h *byHand) job(job *dstream.Job) {
	dstream.From(job, h.feed.Source("visits")).KeyBy(dstream.Self).
		Stateful("seen", func(who string, visits []string, s *dstream.State[int]) []string {
			if s.Expired() {
				return []string{fmt.Sprintf("%s gone after %d", who, s.Get())}
			}
			s.Set(s.Get() + len(visits))
			s.ExpireAfter(3 * time.Second)
			return []string{fmt.Sprintf("%s %d", who, s.Get())}
		}).
		ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.Keyed[string, string]) error {
			seq, err := rows.Rows(ctx)
			if err != nil {
				return err
			}
			var out []string
			for _, r := range seq {
				out = append(out, r)
			}
			slices.Sort(out)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.out = append(h.out, fmt.Sprintf("%d at %v: %s", b.Number, b.Time.Sub(epoch), strings.Join(out, ", ")))
			return nil
		})
}

// step pushes rows over all partitions, moves the clock and waits for batch n.
func (h *byHand) step(n int64, d time.Duration, rows ...string) {
	h.t.Helper()
	for i, r := range rows {
		h.feed.Push(i%3, r)
	}
	if err := h.r.WaitRead(soon(h.t)); err != nil {
		h.t.Fatal(err)
	}
	h.clock.Advance(d)
	if err := h.r.WaitBatch(soon(h.t), n); err != nil {
		h.t.Fatal(err)
	}
}

func (h *byHand) want(lines ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := cmp.Diff(lines, h.out); d != "" {
		h.t.Error(d)
	}
	h.out = nil
}

// TestManualClock moves a job on by hand: its ticks, batch times and timers follow, and nothing comes by itself.
func TestManualClock(t *testing.T) {
	h := newByHand(t, false)
	h.feed.Push(0, "ann", "bob")
	if err := h.r.WaitRead(soon(t)); err != nil {
		t.Fatal(err)
	}
	if s := h.r.Status(); s.Planned != 0 {
		t.Errorf("batch %d is planned before the first tick", s.Planned)
	}
	h.clock.Advance(999 * time.Millisecond)
	if s := h.r.Status(); s.Planned != 0 {
		t.Errorf("batch %d is planned before the first tick", s.Planned)
	}
	h.step(1, time.Millisecond, "ann")
	h.want("1 at 1s: ann 2, bob 1")

	h.clock.Advance(time.Second) // idle
	if s := h.r.Status(); s.Planned != 1 {
		t.Errorf("an idle tick has planned batch %d", s.Planned)
	}
	h.step(2, time.Second, "ann")
	h.want("2 at 3s: ann 3")
	h.step(3, time.Second) // no rows: bob's timer
	h.want("3 at 4s: bob gone after 1")
	h.step(4, 10*time.Second, "cat") // ticks that were missed merge, and ann's timer is long due
	h.want("4 at 14s: ann gone after 3, cat 1")
}

// TestManualClockTakesAll pushes rows and moves the clock many times: each batch has exactly what was pushed before it.
func TestManualClockTakesAll(t *testing.T) {
	h := newByHand(t, false)
	for n := int64(1); n <= 100; n++ {
		h.step(n, time.Second, "a", "b", "c", "a")
		h.want(fmt.Sprintf("%d at %v: a %d, b %d, c %d", n, time.Duration(n)*time.Second, 2*n, n, n))
	}
}

// TestManualClockRestart goes on with a checkpoint under the same clock, and waits for what does not come.
func TestManualClockRestart(t *testing.T) {
	h := newByHand(t, true)
	h.step(1, time.Second, "ann")
	h.r.Stop()
	if err := h.r.WaitBatch(soon(t), 2); err == nil || !strings.Contains(err.Error(), "batch 2 does not come: the job has ended behind batch 1") {
		t.Errorf("a batch of a stopped job: %v", err)
	}
	if err := h.r.WaitRead(soon(t)); err == nil || !strings.Contains(err.Error(), "the job has ended") {
		t.Errorf("rows of a stopped job: %v", err)
	}
	h.r = start(t, h.job, h.cfg)
	if err := h.r.WaitBatch(soon(t), 1); err != nil {
		t.Errorf("a batch of an earlier start: %v", err)
	}
	h.step(2, time.Second, "bob", "ann")
	h.want("1 at 1s: ann 1", "2 at 2s: ann 2, bob 1")

	done, cancel := context.WithCancel(soon(t))
	cancel()
	if err := h.r.WaitBatch(done, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a context that is done: %v", err)
	}
	h.r.Abort()
	if err := h.r.WaitBatch(soon(t), 3); !errors.Is(err, driver.ErrAborted) {
		t.Errorf("a batch of an aborted job: %v", err)
	}
}

// TestManualClockProcesses moves a job with executors in other processes on by hand, over more than their lease.
func TestManualClockProcesses(t *testing.T) {
	f := newFixture(t, "procs[2,1]")
	lines, want := text(300)
	clock := driver.NewManualClock(epoch)
	f.cfg.Clock, f.cfg.Interval, f.cfg.UntilCaughtUp = clock, time.Minute, false
	f.write(lines[:100]...)
	r := start(t, logWords, f.cfg)
	for i := 1; i <= 3; i++ {
		if i > 1 {
			f.write(lines[(i-1)*100 : i*100]...)
		}
		if err := r.WaitRead(soon(t)); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
		if err := r.WaitBatch(soon(t), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.Stop()
	if err := r.AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	if s := r.Status(); s.Committed != 3 || s.Figures.Rows != 300 || s.Figures.Lost != 0 {
		t.Errorf("figures: %+v", s.Figures)
	}
	if d := cmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
}
