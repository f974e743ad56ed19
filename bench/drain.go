package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/bench/gen"
)

// result is what a run prints.
type result struct {
	Work        string  `json:"work"`
	Form        string  `json:"form"`
	Source      string  `json:"source"`
	Master      string  `json:"master"`
	Interval    string  `json:"interval"`
	Records     int     `json:"records"`
	Keys        int     `json:"keys,omitempty"`    // state: keys that have one
	EventsPerS  float64 `json:"events_per_s"`      // from the first plan to the last output
	CPU         float64 `json:"cpu_s_per_million"` // user + system of all of the job's processes, start included
	PeakMB      float64 `json:"peak_rss_mb"`       // of the job's largest process
	Startup     float64 `json:"startup_s"`         // from the start of the process to the first published batch
	Batches     int64   `json:"batches"`
	BatchP50    float64 `json:"batch_p50_ms"` // from plan to published
	BatchP99    float64 `json:"batch_p99_ms"`
	LatencyP50  float64 `json:"latency_p50_ms,omitempty"` // paced: readable minus due, by the newest event of an output row
	LatencyP99  float64 `json:"latency_p99_ms,omitempty"`
	LatencyMax  float64 `json:"latency_max_ms,omitempty"`
	Cut         float64 `json:"cut_us"`
	Launch      float64 `json:"launch_us"`
	Commit      float64 `json:"commit_us"`
	Cores       float64 `json:"cores_busy"`
	Correct     bool    `json:"correct"`
	Why         string  `json:"why_not,omitempty"`
	Partitions  int     `json:"partitions"`
	Sink        string  `json:"sink"`
	Fsyncs      string  `json:"fsyncs"`
	Checksums   bool    `json:"checksums"`
	cpuSeconds  float64
	wallSeconds float64
}

// summary is what the job writes with --summary.
type summary struct {
	Rows         int64   `json:"rows"`
	Batches      int64   `json:"batches"`
	FirstPlanned int64   `json:"first_planned"` // µs since 1970
	FirstOutput  int64   `json:"first_published"`
	LastOutput   int64   `json:"last_published"`
	CutMicros    float64 `json:"cut_us"`
	LaunchMicros float64 `json:"launch_us"`
	CommitMicros float64 `json:"commit_us"`
	BatchP50     int64   `json:"batch_p50"` // ns
	BatchP99     int64   `json:"batch_p99"`
}

// load fills the workload's topics and empties its output.
func (s *settings) load(ctx context.Context, st store) error {
	if err := os.RemoveAll(s.checkpoint()); err != nil {
		return err
	}
	for _, out := range s.outputs() {
		if err := st.recreate(ctx, out); err != nil {
			return err
		}
	}
	if s.keep {
		return nil
	}
	for _, data := range s.inputs() {
		if err := st.recreate(ctx, data); err != nil {
			return err
		}
		n := s.n
		if data == "profiles" {
			n = s.profiles
		} else if s.rate > 0 || s.work == "empty" || s.work == "state" {
			continue
		}
		mk, err := gen.New(data, seed)
		if err != nil {
			return err
		}
		if err := st.load(ctx, data, mk, n, nil); err != nil {
			return fmt.Errorf("load %s: %w", data, err)
		}
	}
	return nil
}

// start runs the job in a process of its own.
func (s *settings) start(args []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd, cmd.Start()
}

// finish waits for the job and takes its figures.
func (s *settings) finish(cmd *exec.Cmd, began time.Time, records int) (*result, error) {
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("the job: %w", err)
	}
	wall := time.Since(began).Seconds()
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	data, err := os.ReadFile(s.summary())
	if err != nil {
		return nil, err
	}
	var m summary
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("the job's summary: %w", err)
	}
	cpu := cmd.ProcessState.UserTime().Seconds() + cmd.ProcessState.SystemTime().Seconds()
	if s.work == "closures" {
		records = int(m.Rows) // how many there were is known at the end only
	}
	r := &result{
		Work: s.work, Form: *jobForm, Source: s.source, Master: s.master, Interval: s.interval, Records: records,
		CPU: cpu / float64(max(records, 1)) * 1e6, PeakMB: float64(usage.Maxrss) / 1024,
		Startup: float64(m.FirstOutput-began.UnixMicro()) / 1e6, Batches: m.Batches,
		BatchP50: float64(m.BatchP50) / 1e6, BatchP99: float64(m.BatchP99) / 1e6,
		Cut: m.CutMicros, Launch: m.LaunchMicros, Commit: m.CommitMicros, Cores: cpu / wall,
		Partitions: partitions, Sink: s.source + ", exactly once", Fsyncs: "one a batch, and one a batch and lane of the embedded log", Checksums: true,
		cpuSeconds: cpu, wallSeconds: wall,
	}
	if d := m.LastOutput - m.FirstPlanned; d > 0 {
		r.EventsPerS = float64(records) / (float64(d) / 1e6)
	}
	return r, nil
}

// drain loads everything first and measures how the job catches up.
func (s *settings) drain(ctx context.Context, st store) (*result, error) {
	if err := s.load(ctx, st); err != nil {
		return nil, err
	}
	began := time.Now()
	end := "--until-caught-up"
	if s.work == "w3" {
		end = "--finish" // shows the window that is open
	}
	cmd, err := s.start(s.jobArgs(end))
	if err != nil {
		return nil, err
	}
	r, err := s.finish(cmd, began, s.n)
	if err != nil {
		return nil, err
	}
	c, err := newChecker(s.work, s.n, s.profiles, s.window, gen.EventMillis)
	if err != nil {
		return nil, err
	}
	if err := st.follow(ctx, "out-"+s.work, time.Second, func(key, val []byte) bool { c.take(key, val); return true }); err != nil {
		return nil, err
	}
	r.verdict(c.done())
	return r, nil
}

func (r *result) verdict(err error) {
	r.Correct = err == nil
	if err != nil {
		r.Why = err.Error()
	}
}

// empty lets the job run without data: batches are cut at every tick.
func (s *settings) empty(ctx context.Context, st store) (*result, error) {
	r, err := s.runAwhile(ctx, st, "--batches", fmt.Sprint(int(s.seconds*1000)))
	if err != nil {
		return nil, err
	}
	r.CPU = 0
	r.verdict(nil)
	return r, nil
}

// runAwhile lets the job run for the time of --seconds and drains it.
func (s *settings) runAwhile(ctx context.Context, st store, args ...string) (*result, error) {
	if err := s.load(ctx, st); err != nil {
		return nil, err
	}
	began := time.Now()
	cmd, err := s.start(s.jobArgs(args...))
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(s.seconds * float64(time.Second)))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return nil, err
	}
	return s.finish(cmd, began, 0)
}

// paced sends records at a rate while the job runs and measures when their results can be read.
func (s *settings) paced(ctx context.Context, st store) (*result, error) {
	if s.inputs()[0] == "lines" {
		return nil, fmt.Errorf("--rate: lines have no event time to measure latency by; use w4 or w5")
	}
	if err := s.load(ctx, st); err != nil {
		return nil, err
	}
	began := time.Now()
	cmd, err := s.start(s.jobArgs())
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Second) // start-up is reported by drains
	n := int(s.rate * s.seconds)
	data := s.inputs()[len(s.inputs())-1]
	mk, err := gen.New(data, seed)
	if err != nil {
		return nil, err
	}
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pace, start := pacer(pctx, s.rate)
	event := func(i int) int64 { return start.Add(time.Duration(float64(i) / s.rate * 1e9)).UnixMilli() }
	c, err := newChecker(s.work, n, s.profiles, s.window, event)
	if err != nil {
		return nil, err
	}
	var lat []float64
	g, gctx := errgroup.WithContext(pctx)
	g.Go(func() error {
		warm := event(int(s.rate * min(3, s.seconds/4)))
		return st.follow(gctx, "out-"+s.work, 0, func(key, val []byte) bool {
			if ms := newest(val); ms > warm {
				lat = append(lat, float64(time.Now().UnixMicro())/1000-float64(ms))
			}
			c.take(key, val)
			return true
		})
	})
	err = st.load(ctx, data, mk, n, pace)
	if err == nil {
		time.Sleep(time.Second)
		err = cmd.Process.Signal(os.Interrupt)
	}
	if err != nil {
		return nil, err
	}
	r, err := s.finish(cmd, began, n)
	time.Sleep(500 * time.Millisecond)
	cancel()
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	sort.Float64s(lat)
	if len(lat) > 0 {
		r.LatencyP50, r.LatencyP99, r.LatencyMax = lat[len(lat)/2], lat[len(lat)*99/100], lat[len(lat)-1]
	}
	r.verdict(c.done())
	return r, nil
}

// newest is the time of the newest event of an output row, in ms.
func newest(val []byte) int64 {
	var v struct {
		Newest    int64 `json:"newest"`
		EventTime int64 `json:"event_time"`
	}
	if json.Unmarshal(val, &v) != nil {
		return 0
	}
	return max(v.Newest, v.EventTime)
}
