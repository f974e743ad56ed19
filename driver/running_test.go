package driver_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
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

// wordJob is a job that counts the words of a feed, and what its callback saw.
type wordJob struct {
	feed *source.Feed[string]
	each func(batch int64) // called in the callback, before the batch counts

	mu     sync.Mutex // guards what follows
	counts map[string]int64
}

func newWordJob() *wordJob {
	return &wordJob{feed: source.NewFeed[string](2), counts: map[string]int64{}, each: func(int64) {}}
}

func (c *wordJob) job(job *dstream.Job) {
	dstream.From(job, c.feed.Source("words")).KeyBy(dstream.Self).RunningCount("count").
		ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.Keyed[string, int64]) error {
			seq, err := rows.Rows(ctx)
			if err != nil {
				return err
			}
			c.each(b.Number)
			c.mu.Lock()
			defer c.mu.Unlock()
			maps.Insert(c.counts, seq)
			return nil
		})
}

func (c *wordJob) want(t *testing.T, want map[string]int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := cmp.Diff(want, c.counts); d != "" {
		t.Error(d)
	}
}

func lifeConfig(t *testing.T) driver.Config {
	return driver.Config{Name: "life", Master: "local[2]", Interval: 5 * time.Millisecond, Checkpoint: filepath.Join(t.TempDir(), "checkpoint"), Log: quiet()}
}

// soon is a context for what has to happen.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, job func(*dstream.Job), cfg driver.Config) *driver.Running {
	t.Helper()
	r, err := driver.Start(soon(t), job, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Abort()
		_ = r.AwaitTermination(context.Background())
	})
	return r
}

// TestStop stops a job while a batch is computed: that batch is finished and recorded, and the next start goes on behind it.
func TestStop(t *testing.T) {
	c := newWordJob()
	cfg := lifeConfig(t)
	inBatch, goOn := make(chan int64), make(chan struct{})
	c.each = func(b int64) { inBatch <- b; <-goOn }
	c.feed.Push(0, "a", "b", "a")
	r := start(t, c.job, cfg)
	if b := <-inBatch; b != 1 {
		t.Fatalf("the first batch is %d", b)
	}
	if s := r.State(); s != driver.Active {
		t.Errorf("while a batch runs the state is %v", s)
	}
	r.Stop()
	r.Stop()
	if ended, err := r.AwaitTerminationOrTimeout(time.Millisecond); ended || err != nil {
		t.Errorf("ended %v, %v, with a batch that runs", ended, err)
	}
	cut, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.AwaitTermination(cut); !errors.Is(err, context.Canceled) {
		t.Errorf("awaited with a context that is done: %v", err)
	}
	close(goOn)
	if err := r.AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	if ended, err := r.AwaitTerminationOrTimeout(0); !ended || err != nil {
		t.Errorf("behind the end: %v, %v", ended, err)
	}
	r.Stop()
	r.Abort()
	if s := r.Status(); r.State() != driver.Stopped || s.State != "ended" || s.Committed != 1 || s.InFlight != 0 {
		t.Errorf("behind the end: %v, %+v", r.State(), s)
	}
	c.want(t, map[string]int64{"a": 2, "b": 1})

	c.each = func(b int64) {
		if b == 1 {
			t.Error("batch 1 comes again though it is recorded")
		}
	}
	c.feed.Push(1, "a", "c")
	c.feed.End()
	if err := start(t, c.job, cfg).AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	c.want(t, map[string]int64{"a": 3, "b": 1, "c": 1})
}

// TestStopFromCallback stops a job, or aborts it, out of the batch that it runs.
func TestStopFromCallback(t *testing.T) {
	for _, how := range []struct {
		name string
		end  func(*driver.Running)
		want error
	}{
		{"stop", (*driver.Running).Stop, nil},
		{"abort", (*driver.Running).Abort, driver.ErrAborted},
		{"both", func(r *driver.Running) { r.Stop(); r.Abort() }, driver.ErrAborted},
	} {
		t.Run(how.name, func(t *testing.T) {
			c := newWordJob()
			cfg := lifeConfig(t)
			running := make(chan *driver.Running, 1)
			c.each = func(int64) { how.end(<-running) }
			c.feed.Push(0, "a", "b", "a")
			r := start(t, c.job, cfg)
			running <- r
			if err := r.AwaitTermination(soon(t)); !errors.Is(err, how.want) {
				t.Errorf("it ended with %v, want %v", err, how.want)
			}
			if s := r.State(); s != driver.Stopped {
				t.Errorf("state %v", s)
			}
			c.each = func(int64) {} // an aborted batch comes again
			c.feed.Push(1, "a")
			c.feed.End()
			if err := start(t, c.job, cfg).AwaitTermination(soon(t)); err != nil {
				t.Fatal(err)
			}
			c.want(t, map[string]int64{"a": 3, "b": 1})
		})
	}
}

// TestEndBeforeTheBeginning ends a job that waits for executors, and nobody joins.
func TestEndBeforeTheBeginning(t *testing.T) {
	for want, end := range map[error]func(*driver.Running){nil: (*driver.Running).Stop, driver.ErrAborted: (*driver.Running).Abort} {
		cfg := lifeConfig(t)
		cfg.Master, cfg.TokenFile, cfg.LogDir = "listen:127.0.0.1:0", filepath.Join(t.TempDir(), "token"), t.TempDir()
		if err := os.WriteFile(cfg.TokenFile, []byte("0123456789abcdef"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := start(t, emptyJob, cfg)
		if s := r.Status(); r.State() != driver.Initialized || s.State != "waiting" {
			t.Errorf("nobody has joined, and the state is %v, %s", r.State(), s.State)
		}
		end(r)
		if err := r.AwaitTermination(soon(t)); !errors.Is(err, want) {
			t.Errorf("it ended with %v, want %v", err, want)
		}
	}
}

// TestStartsContext stops a job by the end of its context.
func TestStartsContext(t *testing.T) {
	c := newWordJob()
	ctx, cancel := context.WithCancel(soon(t))
	c.each = func(int64) { cancel() }
	c.feed.Push(0, "a")
	r, err := driver.Start(ctx, c.job, lifeConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	c.want(t, map[string]int64{"a": 1})
}

// TestStartRefuses finds mistakes before anything runs, those too that show when addresses are opened.
func TestStartRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for want, change := range map[string]func(*driver.Config){
		"--master":           func(c *driver.Config) { c.Master = "procs[0]" },
		"the port is in use": func(c *driver.Config) { c.HTTP = busy.Addr().String() },
	} {
		cfg := lifeConfig(t)
		change(&cfg)
		c := newWordJob()
		if _, err := driver.Start(t.Context(), c.job, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start gives %v, want %q in it", err, want)
		}
		change = func(c *driver.Config) { c.HTTP, c.Master = "", "local[1]" }
		change(&cfg)
		c.feed.End()
		if err := driver.Run(soon(t), c.job, cfg); err != nil { // what the refused start had opened is free
			t.Error(err)
		}
	}
}

// TestTwoJobs runs two jobs in one process, each with its checkpoint; a third on a checkpoint that is in use is refused and harms nobody.
func TestTwoJobs(t *testing.T) {
	first, second := newWordJob(), newWordJob()
	cfgs := []driver.Config{lifeConfig(t), lifeConfig(t)}
	a, b := start(t, first.job, cfgs[0]), start(t, second.job, cfgs[1])
	for _, name := range []string{cfgs[0].Checkpoint, filepath.Join(cfgs[0].Checkpoint, "..", "checkpoint")} {
		cfg := cfgs[0]
		cfg.Checkpoint = name
		if _, err := driver.Start(t.Context(), first.job, cfg); err == nil || !strings.Contains(err.Error(), `job "life" of this process is using it: stop that one`) {
			t.Errorf("a second job on checkpoint %s: %v", name, err)
		}
	}
	first.feed.Push(0, "a")
	second.feed.Push(1, "b", "b")
	first.feed.End()
	second.feed.End()
	if err := errors.Join(a.AwaitTermination(soon(t)), b.AwaitTermination(soon(t))); err != nil {
		t.Fatal(err)
	}
	first.want(t, map[string]int64{"a": 1})
	second.want(t, map[string]int64{"b": 2})
}
