package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
)

// seed of all data.
const seed = 1

// childEnv marks the process that runs the job.
const childEnv = "MILLRACE_BENCH_JOB"

type settings struct {
	work, source string
	n            int
	profiles     int
	rate         float64
	seconds      float64
	interval     string
	master       string
	brokers      string
	lab          string
	window       int64
	more         []string // further flags for the job
	keep         bool
}

func main() {
	switch os.Getenv(childEnv) {
	case "":
	case closingEnv:
		if err := runClosing(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	default:
		if err := startProfile(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		driver.Main(job)
		return
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func flags() *settings {
	var s settings
	pflag.IntVarP(&s.n, "records", "n", 1_000_000, "records to drain")
	pflag.IntVar(&s.profiles, "profiles", 1_000_000, "w5: profiles that are loaded first")
	pflag.Float64Var(&s.rate, "rate", 0, "paced: records a second")
	pflag.Float64Var(&s.seconds, "seconds", 20, "paced and empty: how long")
	pflag.StringVar(&s.interval, "interval", "", "batch interval of the job (default: the engine's; w3: 1s)")
	pflag.StringVar(&s.master, "master", "", "where the job runs (default: the engine's)")
	pflag.StringVar(&s.brokers, "brokers", "127.0.0.1:9092", "Kafka brokers")
	pflag.StringVar(&s.lab, "lab", filepath.Join(os.TempDir(), "millrace-bench"), "folder for data and checkpoints")
	pflag.StringSliceVar(&s.more, "job-flag", nil, "a further flag for the job, name=value; may be repeated")
	pflag.BoolVar(&s.keep, "keep", false, "use the data that is loaded already")
	pflag.Parse()
	s.work, s.source, s.window = *jobWork, *jobSource, *jobWindow
	if s.work == "w3" && s.interval == "" {
		s.interval = "1s"
	}
	return &s
}

// run loads, runs the job, checks, and prints the result.
func run(ctx context.Context) error {
	s := flags()
	if s.work == "window" {
		r, err := s.windows(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	if s.work == "sessions" || s.work == "close" {
		r, err := s.closing(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	if s.source != "log" && s.source != "kafka" {
		return fmt.Errorf("--source %q: want log or kafka", s.source)
	}
	st, err := openStore(s.source, filepath.Join(s.lab, "log"), s.brokers)
	if err != nil {
		return err
	}
	defer st.close()
	r, err := s.measure(ctx, st)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (s *settings) measure(ctx context.Context, st store) (*result, error) {
	switch {
	case s.work == "empty":
		return s.empty(ctx, st)
	case s.work == "state":
		return s.touched(ctx, st)
	case s.work == "closures":
		return s.typed(ctx, st)
	case !slices.Contains([]string{"w1", "w2", "w3", "w4", "w5"}, s.work):
		return nil, fmt.Errorf("--work %q: want w1 to w5, state, closures or empty", s.work)
	case *jobForm != "closures" && *jobForm != "frame":
		return nil, fmt.Errorf("--form %q: want closures or frame", *jobForm)
	case s.rate > 0:
		return s.paced(ctx, st)
	}
	return s.drain(ctx, st)
}

// inputs are the data sets of a workload, the one that is counted last.
func (s *settings) inputs() []string {
	switch s.work {
	case "w1", "w2", "w3":
		return []string{"lines"}
	case "w5":
		return []string{"profiles", "pageviews"}
	case "state":
		return []string{"touches"}
	case "closures":
		return nil
	}
	return []string{"ads"}
}

// outputs are the topics that it writes.
func (s *settings) outputs() []string {
	if s.work == "empty" {
		return []string{"out-w4", "out-empty"}
	}
	return []string{"out-" + s.work}
}

// jobArgs are the arguments of the process under test.
func (s *settings) jobArgs(extra ...string) []string {
	args := []string{"--work", s.work, "--form", *jobForm, "--source", s.source, "--name", "bench-" + s.work, "--brokers", s.brokers,
		"--log", filepath.Join(s.lab, "log"), "--checkpoint", s.checkpoint(), "--summary", s.summary(),
		"--window", fmt.Sprint(s.window), "--keys", fmt.Sprint(*jobKeys)}
	if s.interval != "" {
		args = append(args, "--interval", s.interval, "--slide", s.interval)
	}
	if s.master != "" {
		args = append(args, "--master", s.master)
	}
	for _, f := range s.more {
		args = append(args, "--"+f)
	}
	return append(args, extra...)
}

func (s *settings) checkpoint() string { return filepath.Join(s.lab, "checkpoint") }
func (s *settings) summary() string    { return filepath.Join(s.lab, "summary.json") }

// pacer spaces records at a rate and gives each the time at which it was due, so that a late loader counts as latency.
func pacer(ctx context.Context, rate float64) (func(i int) (int64, error), time.Time) {
	start := time.Now()
	return func(i int) (int64, error) {
		due := start.Add(time.Duration(float64(i) / rate * 1e9))
		if wait := time.Until(due); wait > 500*time.Microsecond {
			time.Sleep(wait)
		}
		return due.UnixMilli(), ctx.Err()
	}, start
}
