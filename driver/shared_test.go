package driver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// TestAccumulatorsAreExact fails each task now and then, behind some of its rows, in two runs: each row counts once, and the second run goes on where the
// first one ended.
func TestAccumulatorsAreExact(t *testing.T) {
	f := newFixture(t, "local[2]")
	f.cfg.MaxRate = 20_000
	var words, groups *dstream.Acc[int64]
	var calls, failures atomic.Int64
	fail := func() {
		if calls.Add(1)%701 == 0 {
			failures.Add(1)
			panic("now and then")
		}
	}
	job := func(job *dstream.Job) {
		words, groups = dstream.Accumulator[int64](job, "words"), dstream.Accumulator[int64](job, "groups")
		dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).
			MapTask(func(t dstream.Task, w string) string { words.Add(t, 1); fail(); return w }).
			KeyBy(dstream.Self).CountByKey().
			MapValuesTask(func(t dstream.Task, _ string, n int64) int64 { groups.Add(t, n); fail(); return n }).
			To(sink.LogJSON("counts"))
	}
	lines, _ := text(2000)
	for i := range 2 {
		f.write(lines[i*1000 : (i+1)*1000]...)
		f.cfg.Retries = 100
		if err := driver.Run(t.Context(), job, f.cfg); err != nil {
			t.Fatal(err)
		}
		if want := int64(i+1) * 3000; words.Value() != want || groups.Value() != want {
			t.Errorf("run %d: %d words in front of the shuffle, %d behind it, want %d", i+1, words.Value(), groups.Value(), want)
		}
	}
	if failures.Load() < 5 {
		t.Error("nothing failed")
	}
	err := driver.Run(t.Context(), func(job *dstream.Job) {
		rows := dstream.Accumulator[float64](job, "words")
		dstream.From(job, source.LogText("lines")).Accumulate(rows, func(string) float64 { return 1 }).To(sink.LogJSON("counts"))
	}, f.cfg)
	if err == nil || !strings.Contains(err.Error(), `accumulator "words" is a sum of float64, and a sum of int64 in checkpoint`) {
		t.Errorf("another kind of accumulator: %v", err)
	}
}

// TestBroadcastOfPlannedBatch stops a job with a batch that is planned and not published. Started again with another value, the job finishes that batch
// with the value that it was planned with, and goes on with the new one (P1).
func TestBroadcastOfPlannedBatch(t *testing.T) {
	f := newFixture(t, "local[2]")
	f.cfg.Retries = -1
	var fails atomic.Bool
	job := func(value string) func(*dstream.Job) {
		return func(job *dstream.Job) {
			bc := dstream.Broadcast(job, "suffix", func(context.Context) (string, error) { return value, nil })
			dstream.From(job, source.LogText("lines")).MapTask(func(t dstream.Task, line string) string {
				if fails.Load() && line == "second" {
					panic("not now")
				}
				return line + bc.Get(t)
			}).KeyBy(dstream.Self).RunningCount("lines").To(sink.LogJSON("counts"))
		}
	}
	run := func(value string) error { return driver.Run(t.Context(), job(value), f.cfg) }
	f.write("first")
	if err := run(" v1"); err != nil {
		t.Fatal(err)
	}
	f.write("second")
	fails.Store(true)
	if err := run(" v2"); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Fatalf("the run does not fail: %v", err)
	}
	f.write("third")
	fails.Store(false)
	if err := run(" v3"); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, rows := range f.counts() {
		for _, r := range rows {
			got[r] = true
		}
	}
	want := map[string]bool{"first v1 1": true, "second v2 1": true, "third v3 1": true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestBroadcastUpdates has a callback change a broadcast behind each batch. Versions only move on, and each batch, computed again from its record, sees the
// version that it saw at first.
func TestBroadcastUpdates(t *testing.T) {
	f := newFixture(t, "local[2]")
	f.cfg.MaxRate = 40_000
	lines, _ := text(3000)
	f.write(lines...)
	s := &spy{sums: map[string]uint64{}}
	var mu sync.Mutex
	seen := map[int64]int64{} // version by batch
	job := func(job *dstream.Job) {
		bc := dstream.Broadcast(job, "number", func(context.Context) (int64, error) { return 0, nil })
		words := dstream.From(job, source.LogText("lines")).MapTask(func(t dstream.Task, line string) string {
			mu.Lock()
			defer mu.Unlock()
			n := bc.Get(t)
			if old, ok := seen[t.Batch()]; ok && old != n {
				panic(fmt.Sprintf("batch %d sees %d and %d", t.Batch(), old, n))
			}
			seen[t.Batch()] = n
			return fmt.Sprint(line, n)
		})
		words.KeyBy(dstream.Self).RunningCount("lines").To(s.sink())
		words.Count().ForeachBatch(func(ctx context.Context, b dstream.Batch, _ rdd.RDD[int64]) error { return bc.Update(ctx, b.Number) })
	}
	if err := driver.Run(t.Context(), job, f.cfg); err != nil {
		t.Fatal(err)
	}
	last, newest := f.committed(), int64(0)
	for b := int64(1); b <= last; b++ {
		n, ok := seen[b]
		if ok && (n >= b || n < newest) {
			t.Errorf("batch %d sees version %d behind %d", b, n, newest)
		}
		newest = max(newest, n)
	}
	if newest == 0 {
		t.Fatalf("no update was seen in %d batches", last)
	}
	f.replays(job, last, s.sums)
}

// TestBroadcastReloads loads a value that fails to come for a while: status and metrics tell, and rows go on with the version before.
func TestBroadcastReloads(t *testing.T) {
	f := newFixture(t, "local[1]")
	f.cfg.UntilCaughtUp, f.cfg.HTTP, f.cfg.Interval = false, "0", 2*time.Millisecond
	out := &lockedText{}
	f.cfg.Log = slog.New(slog.NewTextHandler(out, nil))
	var value atomic.Value
	value.Store("a")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	f.write("x")
	go func() {
		ended <- driver.Run(ctx, func(job *dstream.Job) {
			bc := dstream.Broadcast(job, "word", func(context.Context) (string, error) {
				if v := value.Load().(string); v != "" {
					return v, nil
				}
				return "", errors.New("no word")
			}, dstream.ReloadEvery(time.Millisecond))
			rows := dstream.MaxAccumulator[float64](job, "longest")
			dstream.From(job, source.LogText("lines")).MapTask(func(t dstream.Task, line string) string {
				rows.Add(t, float64(len(line)))
				return line + bc.Get(t)
			}).KeyBy(dstream.Self).RunningCount("lines").To(sink.LogJSON("counts"))
		}, f.cfg)
	}()
	until(t, "status page", nil, func() bool { return out.find(`addr=(\S+)`) != "" })
	addr := "http://" + out.find(`addr=(\S+)`)
	status := func() (s driver.Status) {
		if err := json.Unmarshal([]byte(get(t, addr+"/status")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	until(t, "first row", nil, func() bool { return status().Figures.Rows == 1 })
	if s := status(); len(s.Accumulators) != 1 || s.Accumulators[0].Value != 1.0 || len(s.Broadcasts) != 1 || s.Broadcasts[0].Version != 1 {
		t.Errorf("status: %+v %+v", s.Accumulators, s.Broadcasts)
	}
	value.Store("")
	until(t, "failures", nil, func() bool { return status().Broadcasts[0].Failures > 3 })
	f.write("yy")
	until(t, "second row", nil, func() bool { return status().Figures.Rows == 2 })
	if s := status().Broadcasts[0]; s.Version != 1 || !strings.Contains(s.Error, "no word") {
		t.Errorf("status with a load that fails: %+v", s)
	}
	value.Store("b")
	until(t, "version 2", nil, func() bool { return status().Broadcasts[0].Version == 2 })
	f.write("zzz")
	until(t, "third row", nil, func() bool { return status().Figures.Rows == 3 })
	metrics := get(t, addr+"/metrics")
	for _, line := range []string{`millrace_accumulator{name="longest"} 3`, `millrace_broadcast_version{name="word"} 2`, `millrace_broadcast_load_failures_total{name="word"} `} {
		if !strings.Contains(metrics, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{"xa": 1, "yya": 1, "zzzb": 1}, f.last()); d != "" {
		t.Error(d)
	}
	if n := strings.Count(out.text(), "broadcast not loaded"); n != 1 {
		t.Errorf("a load that fails in one way is warned of %d times", n)
	}
}

// TestBroadcastCannotBegin stops a job whose broadcast has no first version, with the place of its function.
func TestBroadcastCannotBegin(t *testing.T) {
	for want, load := range map[string]func(context.Context) (any, error){
		"no such table":              func(context.Context) (any, error) { return nil, errors.New("no such table") },
		"panic: nil":                 func(context.Context) (any, error) { panic("nil") },
		"unsupported type":           func(context.Context) (any, error) { return make(chan int), nil },
		"has 67108870 bytes encoded": func(context.Context) (any, error) { return make([]byte, 64<<20+1), nil },
	} {
		f := newFixture(t, "local[1]")
		f.write("x")
		err := driver.Run(t.Context(), func(job *dstream.Job) {
			bc := dstream.Broadcast(job, "table", load)
			dstream.From(job, source.LogText("lines")).MapTask(func(t dstream.Task, line string) string { return fmt.Sprint(line, bc.Get(t)) }).To(sink.LogJSON("counts"))
		}, f.cfg)
		if err == nil || !strings.Contains(err.Error(), `broadcast "table": `) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// rated marks words with the version of a file, and counts them in an accumulator.
func rated(job *dstream.Job) {
	type big struct {
		Mark string
		Fill []byte // more than fits into a piece
	}
	rate := dstream.Broadcast(job, "rate", func(context.Context) (big, error) {
		if driver.IsChild() {
			return big{}, errors.New("an executor loads a broadcast")
		}
		data, err := os.ReadFile(filepath.Join(os.Getenv(envDriver), "rate"))
		return big{"/" + string(data), make([]byte, 700_000)}, err
	}, dstream.ReloadEvery(2*time.Millisecond))
	words := dstream.Accumulator[int64](job, "words")
	dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).
		MapTask(func(t dstream.Task, w string) string { words.Add(t, 1); return w + rate.Get(t).Mark }).
		KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}

// TestSharedValuesOfProcesses changes a broadcast while executors, and once the driver, are killed: no word is counted twice or not at all, and each is
// marked with a version that there was.
func TestSharedValuesOfProcesses(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	rate := func(v string) {
		path := filepath.Join(f.dir, "rate")
		if err := errors.Join(os.WriteFile(path+".new", []byte(v), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	rate("0")
	lines, want := text(6000)
	f.write(lines[:1000]...)
	start := func() *process { return f.startDriver("DRIVER_TEST_MASTER=procs[2,1]", "DRIVER_TEST_JOB=rated") }
	total := func(p *process) int64 {
		in, err := checkpoint.Inspect(f.cfg.Checkpoint)
		if err != nil || len(in.Totals) == 0 {
			return 0
		}
		return in.Totals[0].Amount.Int
	}
	p := start()
	for i := 1; i < 6; i++ {
		until(t, "children", p, func() bool { return len(driver.ChildrenIn(f.dir)) == 2 })
		until(t, "total", p, func() bool { return total(p) >= int64(i)*3000 })
		rate(fmt.Sprint(i))
		if i == 3 {
			p.kill()
			p = start()
		} else {
			kill(driver.ChildrenIn(f.dir)[i%2])
		}
		f.write(lines[i*1000 : (i+1)*1000]...)
	}
	until(t, "last total", p, func() bool { return total(p) >= 6*3000 })
	p.kill()
	if n := total(p); n != 6*3000 {
		t.Errorf("%d words were counted, want %d", n, 6*3000)
	}
	got := map[string]int64{}
	for marked, n := range f.last() {
		word, version, _ := strings.Cut(marked, "/")
		if len(version) != 1 || version[0] < '0' || version[0] > '5' {
			t.Errorf("%q is of no version that there was", marked)
		}
		got[word] += n
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// lockedText is what a driver logs.
type lockedText struct {
	mu  sync.Mutex // guards buf
	buf strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lockedText) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// find is what the pattern's group matches first, "" if nothing.
func (l *lockedText) find(pattern string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(l.text())
	if m == nil {
		return ""
	}
	return m[1]
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLineageOfBroadcasts computes state again, in a run that has another version of a broadcast: batches see those of their plans. Batches of a program
// without the broadcast see the newest.
func TestLineageOfBroadcasts(t *testing.T) {
	for name, first := range map[string]string{"another version": "/v1", "another program": ""} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "local[2]")
			f.cfg.CheckpointEvery = 100 // no state file in such a short run
			run := func(value string) {
				f.write("x")
				err := driver.Run(t.Context(), func(job *dstream.Job) {
					lines := dstream.From(job, source.LogText("lines"))
					if value != "" {
						bc := dstream.Broadcast(job, "suffix", func(context.Context) (string, error) { return value, nil })
						lines = lines.MapTask(func(t dstream.Task, line string) string { return line + bc.Get(t) })
					}
					lines.KeyBy(dstream.Self).RunningCount("lines").To(sink.LogJSON("counts"))
				}, f.cfg)
				if err != nil {
					t.Fatal(err)
				}
			}
			run(first)
			run("/v2")
			run("/v2")
			want := map[string]int64{"x/v1": 1, "x/v2": 2}
			if first == "" {
				want = map[string]int64{"x": 1, "x/v2": 3}
			}
			if d := cmp.Diff(want, f.last()); d != "" {
				t.Error(d)
			}
		})
	}
}
