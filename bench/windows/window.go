// Package windows measures long windows: a window of batch time that slides by the batch, and windows of event time of which many close at once.
package windows

import (
	"context"

	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// The workload "window" compares the CPU of a batch of W1's lines in two jobs: a plain ReduceByKey, and an incremental window of ten minutes that slides by 100 ms,
// changed keys out. Batches are 100 ms of batch time apart, as a script of cuts says, and run as fast as the engine can: ten minutes of them pass before the
// window is full and batches also leave it; what comes then is measured.
const (
	windowLength = 10 * time.Minute
	windowSlide  = 100 * time.Millisecond
	windowLines  = 10_000
	windowWarm   = 200     // batches behind the first that leaves
	windowParts  = 4       // partitions of the source
	windowPool   = 1 << 17 // different lines
)

// Sliding is what the workload "window" prints.
type Sliding struct {
	Work      string  `json:"work"`
	Lines     int     `json:"lines_per_batch"`
	Batches   int     `json:"batches_measured"`
	Plain     float64 `json:"plain_cpu_ms_per_batch"`
	Window    float64 `json:"window_cpu_ms_per_batch"`
	Ratio     float64 `json:"ratio"`
	PlainRows int64   `json:"plain_rows_out_per_batch"`
	Rows      int64   `json:"window_rows_out_per_batch"`
	PeakMB    float64 `json:"peak_rss_mb"`
}

// Slide runs both jobs in this process. lines and length are 0 for the defaults.
func Slide(ctx context.Context, o run.Options, lines int, length time.Duration) (*Sliding, error) {
	pool, err := linePool()
	if err != nil {
		return nil, err
	}
	if lines == 0 {
		lines = windowLines
	}
	if length == 0 {
		length = windowLength
	}
	r := &Sliding{Work: o.Work, Lines: lines, Batches: int(o.Seconds) * 10}
	first := int(length/windowSlide) + windowWarm
	measure := func(name string, build func(words dstream.Keyed[string, int64]) dstream.Keyed[string, int64], skip int) (float64, int64, error) {
		m := &meter{from: int64(skip), until: int64(skip + r.Batches)}
		if o.Profile != "" {
			f, err := os.Create(o.Profile + "." + name)
			if err != nil {
				return 0, 0, err
			}
			defer f.Close()
			m.profile = f
		}
		err := runScript(ctx, o, lines, name, pool, m, build, skip+r.Batches)
		return m.millis() / float64(r.Batches), m.rows.Load() / int64(r.Batches), err
	}
	add := func(a, b int64) int64 { return a + b }
	r.Plain, r.PlainRows, err = measure("plain", func(w dstream.Keyed[string, int64]) dstream.Keyed[string, int64] { return w.ReduceByKey(add) }, windowWarm)
	if err != nil {
		return nil, err
	}
	r.Window, r.Rows, err = measure("window", func(w dstream.Keyed[string, int64]) dstream.Keyed[string, int64] {
		return w.ReduceByKeyAndWindow("window", add, length, windowSlide, dstream.Inverse(func(a, b int64) int64 { return a - b })).Changes()
	}, first)
	if err != nil {
		return nil, err
	}
	r.Ratio = r.Window / r.Plain
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return nil, err
	}
	r.PeakMB = float64(usage.Maxrss) / 1024
	return r, nil
}

// runScript runs a job over scripted batches.
func runScript(ctx context.Context, o run.Options, lines int, name string, pool [][]byte, m *meter, build func(dstream.Keyed[string, int64]) dstream.Keyed[string, int64], batches int) error {
	dir := filepath.Join(o.Lab, "window-"+name)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	job := func(j *dstream.Job) {
		words := dstream.From(j, pooled(pool)).FlatMap(strings.Fields).KeyBy(dstream.Self).MapValues(func(string) int64 { return 1 })
		build(words).To(m.sink(sink.LogJSON("out")))
	}
	cfg := driver.Config{
		Name: "bench-" + name, Checkpoint: filepath.Join(dir, "checkpoint"), LogDir: filepath.Join(dir, "log"), Interval: windowSlide,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	cfg.Master = o.Master
	began := time.Now().Truncate(windowSlide)
	for b := 1; b <= batches; b++ {
		until := map[string]int64{}
		for p := range windowParts {
			until[strconv.Itoa(p)] = int64(b * lines / windowParts)
		}
		cfg.Cuts = append(cfg.Cuts, driver.Cut{Until: map[string]map[string]int64{"lines": until}, Time: began.Add(time.Duration(b) * windowSlide).UnixMicro()})
	}
	return driver.Run(ctx, job, cfg)
}

// linePool are lines of W1.
func linePool() ([][]byte, error) {
	mk, err := gen.New("lines", gen.Seed)
	if err != nil {
		return nil, err
	}
	pool := make([][]byte, windowPool)
	for i := range pool {
		_, pool[i] = mk(i, 0)
	}
	return pool, nil
}

// meter takes the CPU time of this process when batch from has been staged, and when batch until has.
type meter struct {
	from, until int64
	began, took time.Duration
	rows        atomic.Int64
	profile     *os.File
}

func (m *meter) millis() float64 { return float64(m.took-m.began) / float64(time.Millisecond) }

func (m *meter) sink(s sink.Sink) sink.Sink {
	spec := *s.Spec()
	open := spec.Open
	spec.Open = func(ctx context.Context, env sink.Env, schema sink.Schema) (sink.Output, error) {
		out, err := open(ctx, env, schema)
		return meteredOutput{out, m}, err
	}
	return sink.New(&spec)
}

type meteredOutput struct {
	sink.Output
	m *meter
}

func (o meteredOutput) Lane(ctx context.Context, n, lanes int, own sink.Owner) (sink.Lane, error) {
	lane, err := o.Output.Lane(ctx, n, lanes, own)
	return meteredLane{lane, o.m, n}, err
}

type meteredLane struct {
	sink.Lane
	m *meter
	n int
}

func (l meteredLane) Stage(ctx context.Context, b sink.Batch, rows []arrow.Record) error {
	if b.Number > l.m.from && b.Number <= l.m.until {
		for _, rec := range rows {
			l.m.rows.Add(rec.NumRows())
		}
	}
	err := l.Lane.Stage(ctx, b, rows)
	if l.n == 0 && b.Number == l.m.from {
		l.m.began = cpuTime()
		if l.m.profile != nil {
			_ = pprof.StartCPUProfile(l.m.profile)
		}
	}
	if l.n == 0 && b.Number == l.m.until {
		l.m.took = cpuTime()
		if l.m.profile != nil {
			pprof.StopCPUProfile()
		}
	}
	return err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pooled is an endless source of lines: line i of a partition is a function of its offset.
func pooled(pool [][]byte) source.Source[string] {
	spec := *source.LogText("lines").Spec()
	spec.Name, spec.Kind, spec.Text, spec.Local, spec.OnDisk = "lines", "memory", "memory lines", true, false
	spec.Open = func(context.Context, source.Env) (source.Connector, error) { return poolConnector{pool}, nil }
	return source.Of[string](&spec)
}

type poolConnector struct{ pool [][]byte }

func (c poolConnector) Partitions(context.Context) ([]source.Partition, error) {
	var parts []source.Partition
	for p := range windowParts {
		parts = append(parts, source.Partition{Key: strconv.Itoa(p), End: 1 << 40})
	}
	return parts, nil
}

func (c poolConnector) Reader(_ context.Context, p source.Partition, from int64) (source.Reader, error) {
	part, err := strconv.Atoi(p.Key)
	return &poolReader{c.pool, int64(part), from}, err
}

func (c poolConnector) Close() error { return nil }

type poolReader struct {
	pool       [][]byte
	part, next int64
}

func (r *poolReader) Next(ctx context.Context) (*records.Block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &records.Block{First: r.next}
	for range 4096 {
		line := r.pool[(r.next*windowParts+r.part)%int64(len(r.pool))]
		b.Values = append(b.Values, records.Span{Off: uint32(len(b.Data)), Len: uint32(len(line))})
		b.Data = append(b.Data, line...)
		r.next++
	}
	b.Next = r.next
	b.Data = append(b.Data, make([]byte, records.Padding)...)[:len(b.Data)]
	return b, nil
}

func (r *poolReader) End() int64   { return 1 << 40 }
func (r *poolReader) Close() error { return nil }
