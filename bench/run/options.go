package run

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/bench/store"
	"github.com/millrace/millrace/examples/workloads"
)

// Options say what is measured.
type Options struct {
	Work     string
	Form     string
	Source   string
	Records  int
	Profiles int
	Keys     int
	Rate     float64 // above 0: paced
	Seconds  float64
	Interval string
	Master   string
	Brokers  string
	Lab      string
	Window   time.Duration
	Python   string // plugin: an interpreter that has the Python SDK
	JobFlags []string
	Keep     bool     // use the data that is there without asking
	Stages   bool     // CPU by stage
	Profile  string   // file for a CPU profile of the job
	Quiet    *os.File `json:"-"` // what the job says goes here; nil: to standard error
}

// Defaults are the options that flags change.
func Defaults() Options {
	return Options{
		Work: "w4", Form: "closures", Source: "log", Records: 1_000_000, Profiles: 1_000_000, Keys: 1_000_000, Seconds: 20,
		Brokers: "127.0.0.1:9092", Lab: filepath.Join(os.TempDir(), "millrace-bench"), Window: 10 * time.Second,
	}
}

// Register adds flags for the options to fs.
func (o *Options) Register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringVar(&o.Work, "work", o.Work, "w1 to w5, q0 to q8, empty, idle, start, state, closures, window, sessions, close or plugin")
	fs.StringVar(&o.Form, "form", o.Form, "w1 to w5: closures or frame: how the job says what it computes, in functions of Go or in expressions over columns")
	fs.StringVar(&o.Source, "source", o.Source, "log or kafka: where rows come from and go to")
	fs.IntVarP(&o.Records, "records", "n", o.Records, "records to drain")
	fs.IntVar(&o.Profiles, "profiles", o.Profiles, "w5: profiles that are loaded first")
	fs.IntVar(&o.Keys, "keys", o.Keys, "state, sessions, close: keys that are there before the measurement begins")
	fs.Float64Var(&o.Rate, "rate", o.Rate, "paced: records a second")
	fs.Float64Var(&o.Seconds, "seconds", o.Seconds, "paced, empty, idle: how long")
	fs.StringVar(&o.Interval, "interval", o.Interval, "batch interval of the job (default: the engine's; w3: 1s)")
	fs.StringVar(&o.Master, "master", o.Master, "where the job runs (default: the engine's)")
	fs.DurationVar(&o.Window, "window", o.Window, "w4: length of a window of event time; window: length of the window")
	fs.StringVar(&o.Python, "python", o.Python, "plugin: an interpreter that has the package millrace_plugin; without it Python is left out")
	fs.StringVar(&o.Profile, "cpuprofile", o.Profile, "file for a CPU profile of the job's process")
	fs.BoolVar(&o.Stages, "stages", o.Stages, "tell from a CPU profile how the job's CPU divides into stages")
	fs.StringSliceVar(&o.JobFlags, "job-flag", o.JobFlags, "a further flag for the job, name=value; may be repeated")
	fs.BoolVar(&o.Keep, "keep", o.Keep, "use the data that is loaded without looking at it (data known to be the same is used in any case)")
	o.RegisterPlace(fs)
}

// RegisterPlace adds the flags that say where data is.
func (o *Options) RegisterPlace(fs *pflag.FlagSet) {
	fs.StringVar(&o.Brokers, "brokers", o.Brokers, "Kafka brokers")
	fs.StringVar(&o.Lab, "lab", o.Lab, "folder for data and checkpoints")
}

// Check says what is wrong with the options.
func (o *Options) Check() error {
	switch {
	case o.Source != "log" && o.Source != "kafka":
		return fmt.Errorf("--source %q: want log or kafka", o.Source)
	case o.Form != "closures" && o.Form != "frame":
		return fmt.Errorf("--form %q: want closures or frame", o.Form)
	case !workloads.Known(o.job()):
		return fmt.Errorf("--work %q: want w1 to w5, q0 to q8, empty, idle, start, state, closures, window, sessions, close or plugin", o.Work)
	case o.Records < 1 || o.Keys < 1 || o.Seconds <= 0 || o.Rate < 0:
		return fmt.Errorf("--records, --keys, --seconds and --rate: want more than 0")
	case o.Rate > 0 && o.Work != "state" && len(workloads.Inputs(o.Work)) == 0:
		return fmt.Errorf("--rate: %s makes its rows itself", o.Work)
	}
	return nil
}

// job is the job that the work is measured with.
func (o *Options) job() string {
	if o.Work == "idle" || o.Work == "start" {
		return "w4"
	}
	return o.Work
}

// nexmark tells whether the work is one of Nexmark's queries.
func (o *Options) nexmark() bool { return slices.Contains(workloads.Inputs(o.job()), "bid") }

func (o *Options) interval() string {
	if o.Work == "w3" && o.Interval == "" {
		return "1s"
	}
	return o.Interval
}

func (o *Options) path(name string) string { return filepath.Join(o.Lab, name) }

// jobArgs are the arguments of the process under test.
func (o *Options) jobArgs(extra ...string) []string {
	args := []string{"--work", o.job(), "--form", o.Form, "--source", o.Source, "--name", "bench-" + o.Work, "--brokers", o.Brokers,
		"--log", store.LogDir(o.Lab), "--checkpoint", o.path("checkpoint"), "--summary", o.path("summary.json"),
		"--window", o.Window.String(), "--campaigns", o.path("campaigns.csv")}
	if i := o.interval(); i != "" {
		args = append(args, "--interval", i)
		if o.Work == "w3" {
			args = append(args, "--slide", i)
		}
	}
	if o.Master != "" {
		args = append(args, "--master", o.Master)
	}
	for _, f := range o.JobFlags {
		args = append(args, "--"+f)
	}
	return append(args, extra...)
}
