package run

import (
	"fmt"

	"github.com/millrace/millrace/bench/machine"
	"github.com/millrace/millrace/bench/store"
)

// Result is what a measurement prints. Times are of the job's processes alone.
type Result struct {
	Work       string  `json:"work"`
	Form       string  `json:"form,omitempty"`
	Source     string  `json:"source"`
	Master     string  `json:"master"`
	Interval   string  `json:"interval"`
	Rate       float64 `json:"rate,omitempty"`
	Records    int     `json:"records"`
	Keys       int     `json:"keys,omitempty"` // state: keys that have one
	EventsPerS float64 `json:"events_per_s"`   // from the first plan to the last output

	CPU       float64   `json:"cpu_s_per_million"`                  // user + system of all of the job's processes, start included
	Steady    float64   `json:"steady_cpu_s_per_million,omitempty"` // the same from 30% of the rows on; one process only
	CPUUser   float64   `json:"cpu_user_s"`
	CPUSystem float64   `json:"cpu_system_s"`
	Cores     float64   `json:"cores_busy"`
	PeakMB    float64   `json:"peak_rss_mb"`          // of the job's largest process
	Allocs    float64   `json:"allocs_per_event"`     // objects, from 30% of the rows on; one process only
	GCShare   float64   `json:"gc_cpu_share"`         // of the process's CPU, from 30% of the rows on, as the runtime estimates it
	Startup   float64   `json:"startup_s"`            // from the start of the process to the first published batch
	StartAll  []float64 `json:"startups_s,omitempty"` // start: of each process

	Batches    int64   `json:"batches"`
	BatchP50   float64 `json:"batch_p50_ms"` // from plan to published
	BatchP99   float64 `json:"batch_p99_ms"`
	LatencyP50 float64 `json:"latency_p50_ms,omitempty"` // paced: readable minus due, by the newest event of an output row
	LatencyP90 float64 `json:"latency_p90_ms,omitempty"`
	LatencyP99 float64 `json:"latency_p99_ms,omitempty"`
	LatencyMax float64 `json:"latency_max_ms,omitempty"`
	Cut        float64 `json:"cut_us"`
	Launch     float64 `json:"launch_us"`
	Commit     float64 `json:"commit_us"`

	Stages  map[string]float64 `json:"stages,omitempty"`                 // share of each stage of the process's sampled CPU
	Floor   float64            `json:"floor_ns_per_event,omitempty"`     // bench/floor, right before
	GrepCPU float64            `json:"grep_cpu_s_per_million,omitempty"` // w2: grep -cF over the same lines in a file, right before

	Correct    bool   `json:"correct"`
	Why        string `json:"why_not,omitempty"`
	Partitions int    `json:"partitions"`
	Sink       string `json:"sink"`
	Fsyncs     string `json:"fsyncs"`
	Checksums  bool   `json:"checksums"`

	Machine machine.Info `json:"machine"`
	Version string       `json:"version"` // commit of the binary

	rowsRead int64
}

// fresh is the result of a measurement with these options, without figures.
func (o *Options) fresh() *Result {
	r := &Result{
		Work: o.Work, Form: o.Form, Source: o.Source, Master: o.Master, Interval: o.interval(), Rate: o.Rate,
		Partitions: store.Partitions, Sink: o.Source + ", exactly once", Checksums: true, Machine: machine.Here(), Version: machine.Commit(),
		Fsyncs: "one a batch of the batch log, and one a batch of the embedded log for all output partitions (one a partition for over 64 KiB)",
	}
	if o.Source == "kafka" {
		r.Fsyncs = "one a batch of the batch log; the broker's are its own"
	}
	if o.nexmark() {
		r.Form = "frame"
	}
	if r.Master == "" {
		r.Master = "local"
	}
	if r.Interval == "" {
		r.Interval = "100ms"
	}
	return r
}

func (r *Result) verdict(err error) {
	r.Correct = err == nil
	if err != nil {
		r.Why = err.Error()
	}
}

// keepsUp says of a wrong output of a paced run that the job had not read all when it was stopped, if that is so.
func (r *Result) keepsUp(n int) {
	if !r.Correct && r.rowsRead < int64(n) {
		r.verdict(fmt.Errorf("the job does not keep up: it had read %d of %d records when it was stopped, a second behind the last", r.rowsRead, n))
	}
}
