package driver_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// heard is a listener that notes everything. Its fields may be read when the job has stopped.
type heard struct {
	events  []string // without numbers that differ between runs
	batches []driver.BatchCompleted
	rows    map[string]int64
	failed  []driver.BatchFailed
	stopped error
}

func (h *heard) listener() driver.Listener {
	h.rows = map[string]int64{}
	say := func(format string, args ...any) { h.events = append(h.events, fmt.Sprintf(format, args...)) }
	return driver.Listener{
		JobStarted:      func(e driver.JobStarted) { say("job %s, committed %d", e.Job, e.Committed) },
		BatchSubmitted:  func(e driver.BatchSubmitted) { say("submitted %d", e.Batch) },
		BatchStarted:    func(e driver.BatchStarted) { say("started %d", e.Batch) },
		OutputPublished: func(e driver.OutputPublished) { say("output %d %s", e.Batch, e.Sink) },
		BatchCompleted: func(e driver.BatchCompleted) {
			say("completed %d", e.Batch)
			h.batches = append(h.batches, e)
			for _, s := range e.Sources {
				h.rows[s.Source] += s.Rows
			}
		},
		BatchFailed:    func(e driver.BatchFailed) { say("failed %d", e.Batch); h.failed = append(h.failed, e) },
		ExecutorJoined: func(e driver.ExecutorJoined) { say("joined %s, %d slots", e.Name, e.Slots) },
		ExecutorLost:   func(e driver.ExecutorLost) { say("lost %s", e.Name) },
		JobStopped:     func(e driver.JobStopped) { say("stopped"); h.stopped = e.Err },
	}
}

// TestListener hears a job from its first executor to its end.
func TestListener(t *testing.T) {
	h := &heard{}
	cfg := lifeConfig(t)
	cfg.Listeners = []driver.Listener{{}, h.listener()}
	cfg.Batches = 2
	feed := source.NewFeed[string](2)
	feed.Push(0, "a", "b")
	feed.Push(1, "c")
	r := start(t, func(job *dstream.Job) {
		words := dstream.From(job, feed.Source("words"))
		words.To(sink.Console(sink.ConsoleTo(io.Discard)))
		words.Map(func(w string) string { feed.Push(0, "d"); return w }).To(sink.Console(sink.ConsoleTo(io.Discard)).Named("second"))
	}, cfg)
	if err := r.AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	want := []string{"joined local, 2 slots", "job life, committed 0"}
	for b := 1; b <= 2; b++ {
		for _, what := range []string{"submitted %d", "started %d", "output %d console", "output %d second", "output %d dead:words", "completed %d"} {
			want = append(want, fmt.Sprintf(what, b))
		}
	}
	// A batch is launched while the one before it is published: only what belongs to one batch is in order.
	got := slices.Clone(h.events)
	for _, s := range [][]string{want, got} {
		slices.SortStableFunc(s[2:min(len(s), 14)], func(a, b string) int {
			return strings.Compare(strings.Fields(a)[1], strings.Fields(b)[1])
		})
	}
	if d := cmp.Diff(append(want, "stopped"), got); d != "" {
		t.Errorf("%s\nheard: %q", d, h.events)
	}
	status := r.Status()
	if rows := h.rows["words"]; rows != status.Figures.Rows || rows == 0 || status.Figures.EventsDropped != 0 {
		t.Errorf("rows %d, figures %+v", rows, status.Figures)
	}
	for _, b := range h.batches {
		if b.SchedulingDelay() < 0 || b.ProcessingDelay() <= 0 || b.TotalDelay() != b.SchedulingDelay()+b.ProcessingDelay() || !b.Submitted.Equal(b.Time) || len(b.Outputs) != 3 {
			t.Errorf("%+v", b)
		}
	}
}

// TestListenersFailures hears of attempts that fail, and of the error that ends the job.
func TestListenersFailures(t *testing.T) {
	h := &heard{}
	cfg := lifeConfig(t)
	cfg.Listeners, cfg.Retries = []driver.Listener{h.listener()}, 1
	feed := source.NewFeed[string](1)
	feed.Push(0, "a")
	r := start(t, func(job *dstream.Job) {
		dstream.From(job, feed.Source("words")).Map(func(string) string { panic("boom") }).To(sink.Console(sink.ConsoleTo(io.Discard)))
	}, cfg)
	err := r.AwaitTermination(soon(t))
	if err == nil || h.stopped == nil || err.Error() != h.stopped.Error() || !strings.Contains(err.Error(), "boom") {
		t.Errorf("the job ends with %v, the listener hears %v", err, h.stopped)
	}
	if len(h.failed) != 2 || h.failed[0].Final || !h.failed[1].Final || h.failed[1].Attempt != 1 || h.failed[0].Batch != 1 || !strings.Contains(h.failed[0].Err, "boom") {
		t.Errorf("failures: %+v", h.failed)
	}
}

// TestSlowListener has a listener hang over more events than wait for it. The job ends without it; what it did not hear is wordJob.
func TestSlowListener(t *testing.T) {
	const batches, each = 400, 5 // submitted, started, two outputs (one for dead letters), completed
	goOn, stopped := make(chan struct{}), make(chan struct{})
	count := int64(0)
	hear := func() {
		if count++; count == 1 {
			<-goOn
		}
	}
	cfg := lifeConfig(t)
	cfg.Checkpoint, cfg.Asap, cfg.Batches = "", true, batches
	cfg.Listeners = []driver.Listener{{
		BatchSubmitted:  func(driver.BatchSubmitted) { hear() },
		BatchStarted:    func(driver.BatchStarted) { hear() },
		OutputPublished: func(driver.OutputPublished) { hear() },
		BatchCompleted:  func(driver.BatchCompleted) { hear() },
		JobStopped:      func(driver.JobStopped) { close(stopped) },
	}}
	r := start(t, func(job *dstream.Job) {
		dstream.From(job, source.Rate(5000)).Count().To(sink.Console(sink.ConsoleTo(io.Discard)))
	}, cfg)
	if err := r.AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stopped:
		t.Error("the listener hangs and has heard of the end")
	default:
	}
	close(goOn)
	<-stopped
	dropped := r.Status().Figures.EventsDropped
	if s := r.Status(); s.Committed != batches || count+dropped != batches*each || count != 1024+1 {
		t.Errorf("%d batches, heard %d, dropped %d", s.Committed, count, dropped)
	}
}

// TestListenerPanics: it is told in the log once, and harms neither the job nor other listeners.
func TestListenerPanics(t *testing.T) {
	var log bytes.Buffer
	h := &heard{}
	completed := 0
	cfg := lifeConfig(t)
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	cfg.Listeners = []driver.Listener{{
		BatchStarted:   func(driver.BatchStarted) { panic("a mistake of the listener") },
		BatchSubmitted: func(driver.BatchSubmitted) { panic("a mistake of the listener") },
		BatchCompleted: func(driver.BatchCompleted) { completed++ },
	}, h.listener()}
	c := newWordJob()
	c.feed.Push(0, "a")
	c.feed.End()
	if err := start(t, c.job, cfg).AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	c.want(t, map[string]int64{"a": 1})
	if n := strings.Count(log.String(), "a mistake of the listener"); n != 1 {
		t.Errorf("the panic is logged %d times:\n%s", n, log.String())
	}
	if completed == 0 || completed != len(h.batches) {
		t.Errorf("the listener that panics hears of %d batches, the other of %d", completed, len(h.batches))
	}
}

// TestEndFromListener ends jobs from within a listener, starts the same job again from within another, and counts what came of it.
func TestEndFromListener(t *testing.T) {
	for name, end := range map[string]func(*driver.Running){"stop": (*driver.Running).Stop, "abort": (*driver.Running).Abort} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "local[2]")
			lines, want := text(3000)
			f.write(lines...)
			f.cfg.MaxRate = 100_000 // some batches
			starts, ended := 0, make(chan error)
			var listener driver.Listener
			var r *driver.Running
			listener = driver.Listener{
				JobStarted: func(e driver.JobStarted) { r = e.Running },
				BatchStarted: func(e driver.BatchStarted) {
					if starts%2 == 0 && e.Batch%2 == 0 {
						end(r)
					}
				},
				BatchCompleted: func(e driver.BatchCompleted) {
					if starts%2 == 1 && e.Batch%3 == 0 {
						end(r)
					}
				},
				JobStopped: func(e driver.JobStopped) {
					if starts++; starts == 6 || e.Err != nil && !errors.Is(e.Err, driver.ErrAborted) {
						ended <- e.Err
						return
					}
					if _, err := driver.Start(soon(t), logWords, f.cfg); err != nil {
						ended <- err
					}
				},
			}
			f.cfg.Listeners = []driver.Listener{listener}
			if _, err := driver.Start(soon(t), logWords, f.cfg); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil && !errors.Is(err, driver.ErrAborted) {
				t.Fatal(err)
			}
			f.cfg.Listeners, f.cfg.MaxRate = nil, 0
			f.run()
			if d := cmp.Diff(want, f.last()); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestListenersExecutors hears of a process that is killed, and of the one in its place.
func TestListenersExecutors(t *testing.T) {
	f := newFixture(t, "procs[2,1]")
	lines, want := text(3000)
	f.write(lines...)
	f.cfg.Env = append(f.cfg.Env, "DRIVER_TEST_DRIVER="+f.dir)
	h := &heard{}
	killed := atomic.Bool{}
	f.cfg.MaxRate, f.cfg.UntilCaughtUp = 20_000, false
	var r *driver.Running
	lost, joined := "", 0
	f.cfg.Listeners = []driver.Listener{h.listener(), {
		JobStarted: func(e driver.JobStarted) { r = e.Running },
		BatchCompleted: func(driver.BatchCompleted) {
			if pids := driver.ChildrenIn(f.dir); len(pids) > 0 && !killed.Swap(true) {
				p, err := os.FindProcess(pids[0])
				if err = errors.Join(err, p.Kill()); err != nil {
					t.Error(err)
				}
			}
		},
		ExecutorLost: func(e driver.ExecutorLost) { lost = e.Name },
		ExecutorJoined: func(e driver.ExecutorJoined) {
			if joined++; joined == 3 {
				r.Stop()
			}
		},
	}}
	if err := start(t, logWords, f.cfg).AwaitTermination(soon(t)); err != nil {
		t.Fatal(err)
	}
	if joined != 3 || lost == "" || !slices.Contains(h.events, "lost "+lost) {
		t.Errorf("%d joined, %q was lost; heard: %q", joined, lost, h.events)
	}
	f.cfg.Listeners, f.cfg.MaxRate, f.cfg.UntilCaughtUp = nil, 0, true
	f.run()
	if d := cmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
}
