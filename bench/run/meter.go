package run

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/metrics"
	"runtime/pprof"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/examples/workloads"
	"github.com/millrace/millrace/plugins"
)

// IsJob tells whether this process is a job that a measurement has started, or the plugin of one; main then calls RunJob.
func IsJob() bool { return os.Getenv(jobEnv) == "1" || plugins.Started() }

// RunJob is the main function of such a process: the public example, run as its own command would run it, with a listener that looks at this process.
func RunJob() {
	if plugins.Started() {
		plugins.ServePlugin(workloads.Plugin)
	}
	m := &meter{}
	if path := os.Getenv(profileEnv); path != "" && !driver.IsChild() {
		f, err := os.Create(path)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		m.profile = f
	}
	driver.Main(workloads.Register(pflag.CommandLine).Job, driver.With(m.listener()))
}

// meterFigures are what a job's process measures of itself, from 30% of its rows on, so that its start is left out.
type meterFigures struct {
	CPU     float64 `json:"cpu_s_per_million"`
	Allocs  float64 `json:"allocs_per_event"`
	GCShare float64 `json:"gc_cpu_share"`
}

// sample is what the process has used by the end of a batch.
type sample struct {
	rows            int64
	cpu, gc, allCPU float64
	allocs          uint64
}

// meter samples at the end of each batch. The first 100,000 batches are kept: 4 MB.
type meter struct {
	profile *os.File
	samples []sample
	rows    int64
}

const samplesKept = 100_000

func (m *meter) listener() driver.Listener {
	return driver.Listener{
		JobStarted: func(driver.JobStarted) {
			if err := os.WriteFile(os.Getenv(startedEnv), nil, 0o644); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		},
		BatchCompleted: func(b driver.BatchCompleted) {
			m.rows += b.Rows
			if len(m.samples) < samplesKept {
				m.samples = append(m.samples, take(m.rows))
			}
		},
		JobStopped: func(driver.JobStopped) {
			if m.profile != nil {
				pprof.StopCPUProfile()
				m.profile.Close()
			}
			data, err := json.Marshal(m.figures())
			if err == nil {
				err = os.WriteFile(os.Getenv(meterEnv), data, 0o644)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		},
	}
}

func take(rows int64) sample {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(s)
	out := sample{rows: rows, allocs: s[0].Value.Uint64(), gc: s[1].Value.Float64(), allCPU: s[3].Value.Float64() - s[2].Value.Float64()}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		out.cpu = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	return out
}

// figures are of the batches from 30% of the rows on. The runtime brings its CPU classes up to date at the end of each of the
// collector's cycles: the share is of what it knew by then.
func (m *meter) figures() meterFigures {
	from := 0
	for from < len(m.samples)-1 && m.samples[from].rows*10 < m.rows*3 {
		from++
	}
	if from >= len(m.samples)-1 {
		return meterFigures{}
	}
	a, z := m.samples[from], m.samples[len(m.samples)-1]
	var f meterFigures
	if n := float64(z.rows - a.rows); n > 0 {
		f.CPU, f.Allocs = (z.cpu-a.cpu)/n*1e6, float64(z.allocs-a.allocs)/n
	}
	if d := z.allCPU - a.allCPU; d > 0 {
		f.GCShare = (z.gc - a.gc) / d
	}
	return f
}
