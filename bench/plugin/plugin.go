package plugin

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/bench/machine"
	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/examples/workloads"
	"github.com/millrace/millrace/internal/gctune"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
)

const (
	batchRows = 8192
	smallRows = 100
)

// How much is measured; tests are content with less.
var (
	passed = 3 * time.Second // how long rows go through an operator
	trips  = 5000            // of small record batches
	rounds = 3               // of W4, in turns
)

// Result is what the workload "plugin" prints.
type Result struct {
	Work    string       `json:"work"`
	Pass    []Pass       `json:"pass"`
	Trips   []Trip       `json:"trips"`
	W4      []Drain      `json:"w4"`
	Machine machine.Info `json:"machine"`
	Version string       `json:"version"`
}

// Pass is rows of three columns (a string and two int64), 8,192 in a record batch, through an operator and back, as many on their way as the channel takes.
type Pass struct {
	Operator string  `json:"operator"` // same: record batches as they are; again: each row as a Go struct
	Language string  `json:"language"`
	Path     string  `json:"path"`
	Rows     int64   `json:"rows"`
	Nanos    float64 `json:"cpu_ns_per_row"` // user + system of both processes
	PerCore  float64 `json:"rows_per_cpu_s"`
	Wall     float64 `json:"rows_per_s"`
}

// Trip is 100 rows there and back, one record batch after the other.
type Trip struct {
	Language string  `json:"language"`
	Path     string  `json:"path"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

// Drain is W4 as a Frame from the log, by where its filter is. Of the rounds, the one with the median of CPU.
type Drain struct {
	Filter string    `json:"filter"`
	CPU    float64   `json:"cpu_s_per_million"` // of all processes
	All    []float64 `json:"all"`
	Ratio  float64   `json:"ratio"` // to the operator that is compiled in
	PeakMB float64   `json:"peak_rss_mb"`
}

// paths are the two ways to a plugin.
var paths = []struct {
	name     string
	portable bool
}{{"memory", false}, {"grpc", true}}

// Measure measures all of it.
func Measure(ctx context.Context, o run.Options) (*Result, error) {
	defer gctune.Start()() // as in a job
	defer host.CloseDefault()
	r := &Result{Work: "plugin", Machine: machine.Here(), Version: machine.Commit()}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	refs := []struct {
		language string
		ref      plugins.Ref
		ops      []string
	}{{"go", plugins.Command(self), []string{"same", "again"}}}
	if o.Python != "" {
		script, err := writeScript(o.Lab)
		if err != nil {
			return nil, err
		}
		refs = append(refs, struct {
			language string
			ref      plugins.Ref
			ops      []string
		}{"python", plugins.Command(o.Python, script), []string{"same"}})
	}
	for _, path := range paths {
		for _, l := range refs {
			ref := l.ref.Set(plugins.Settings{Portable: path.portable})
			for _, op := range l.ops {
				p, err := pass(ctx, ref.Op(op))
				if err != nil {
					return nil, fmt.Errorf("%s, %s, %s: %w", l.language, path.name, op, err)
				}
				p.Operator, p.Language, p.Path = op, l.language, path.name
				r.Pass = append(r.Pass, *p)
			}
			t, err := trip(ctx, ref.Op("same"))
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", l.language, path.name, err)
			}
			t.Language, t.Path = l.language, path.name
			r.Trips = append(r.Trips, *t)
		}
	}
	r.W4, err = drains(ctx, o)
	return r, err
}

// operator is an instance of an operator of a plugin, for readings.
func operator(ctx context.Context, ref plugins.Ref, n int) (plugins.Pipelined, arrow.Record, error) {
	rows := make([]workloads.Reading, n)
	for i := range rows {
		rows[i] = workloads.Reading{Sensor: fmt.Sprintf("sensor-%05d", i%1000), At: int64(i) * 1000, Value: int64(i * i)}
	}
	rec, err := plugins.RecordOf(rows)
	if err != nil {
		return nil, nil, err
	}
	_, op, err := host.Default().Resolve(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	m, err := op.Map(nil)
	if err != nil {
		return nil, nil, err
	}
	if _, err := m.Declare(rec.Schema()); err != nil {
		return nil, nil, err
	}
	p, ok := m.(plugins.Pipelined)
	if !ok {
		return nil, nil, fmt.Errorf("%T takes one record batch at a time", m)
	}
	return p, rec, nil
}

// pass sends record batches for a while and checks that they come back as they were.
func pass(ctx context.Context, ref plugins.Ref) (*Pass, error) {
	m, rec, err := operator(ctx, ref, batchRows)
	if err != nil {
		return nil, err
	}
	send := func() error { return m.Send(ctx, plugins.Batch{}, rec) }
	receive := func() error {
		res, err := m.Receive(ctx)
		if err == nil && !array.RecordEqual(rec, res.Rec) {
			err = fmt.Errorf("rows come back as others: %v", res.Rec)
		}
		return err
	}
	for range m.Window() { // they are under way from here on
		if err := send(); err != nil {
			return nil, err
		}
	}
	before, err := run.TreeCPU()
	if err != nil {
		return nil, err
	}
	p, began := &Pass{}, time.Now()
	for time.Since(began) < passed {
		for range 64 {
			if err := receive(); err != nil {
				return nil, err
			}
			if err := send(); err != nil {
				return nil, err
			}
			p.Rows += batchRows
		}
	}
	wall := time.Since(began).Seconds()
	after, err := run.TreeCPU()
	if err != nil {
		return nil, err
	}
	p.Nanos = (after - before) / float64(p.Rows) * 1e9
	p.PerCore, p.Wall = 1e9/p.Nanos, float64(p.Rows)/wall
	for range m.Window() {
		if err := receive(); err != nil {
			return nil, err
		}
	}
	return p, m.Close()
}

// trip sends small record batches one by one.
func trip(ctx context.Context, ref plugins.Ref) (*Trip, error) {
	m, rec, err := operator(ctx, ref, smallRows)
	if err != nil {
		return nil, err
	}
	took := make([]float64, 0, trips)
	for range trips {
		began := time.Now()
		res, err := m.Process(ctx, plugins.Batch{}, rec)
		if err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Microseconds())/1e3)
		if res.N != smallRows {
			return nil, fmt.Errorf("%d rows of %d come back", res.N, smallRows)
		}
	}
	slices.Sort(took)
	return &Trip{P50: took[len(took)/2], P99: took[len(took)*99/100]}, m.Close()
}

// drains runs W4 with each filter in turns.
func drains(ctx context.Context, o run.Options) ([]Drain, error) {
	var list []Drain
	for _, f := range []string{"apply", "via", "portable", "expression"} {
		list = append(list, Drain{Filter: f})
	}
	o.Work, o.Form, o.Source, o.Rate = "w4", "frame", "log", 0
	flags := o.JobFlags
	for range rounds {
		for i := range list {
			o.JobFlags = append(slices.Clone(flags), "filter="+list[i].Filter)
			res, err := run.Measure(ctx, o)
			if err == nil && !res.Correct {
				err = fmt.Errorf("the output is wrong: %s", res.Why)
			}
			if err != nil {
				return nil, fmt.Errorf("W4 with --filter %s: %w", list[i].Filter, err)
			}
			list[i].All = append(list[i].All, res.CPU)
			list[i].PeakMB = max(list[i].PeakMB, res.PeakMB)
		}
	}
	for i := range list {
		sorted := slices.Sorted(slices.Values(list[i].All))
		list[i].CPU = sorted[len(sorted)/2]
		list[i].Ratio = list[i].CPU / list[0].CPU
	}
	return list, nil
}

// writeScript writes the plugin in Python that gives record batches back.
func writeScript(lab string) (string, error) {
	path := filepath.Join(lab, "same.py")
	return path, os.WriteFile(path, []byte(script), 0o644)
}

const script = `from millrace_plugin import operator, serve


@operator(output=lambda schema: schema)
def same(batch):
    return batch


if __name__ == "__main__":
    serve(name="same", version="1")
`
