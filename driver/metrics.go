package driver

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics exports status and figures to Prometheus; they are collected when asked for.
func (e *engine) metrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &exporter{e})
	return reg
}

// exporter turns a Status into metrics.
type exporter struct{ e *engine }

var (
	descBatches   = desc("batches_total", "Batches published and recorded.")
	descRows      = desc("rows_total", "Rows read from sources.")
	descBad       = desc("bad_records_total", "Records that could not be decoded.")
	descLost      = desc("executors_lost_total", "Executors lost.")
	descCommitted = desc("committed_batch", "Number of the last published batch.")
	descPlanned   = desc("planned_batch", "Number of the last planned batch.")
	descLatency   = desc("batch_seconds", "Time of a batch from plan to published.", "quantile")
	descCut       = desc("cut_seconds", "Median time to choose a batch's ranges.")
	descLaunch    = desc("launch_seconds", "Median time to launch a batch.")
	descCommit    = desc("commit_seconds", "Median time of a batch log append.")
	descExecutors = desc("executors", "Executors that have joined.")
	descLag       = desc("source_lag", "Records that are there and not planned.", "source", "partition")
	descTotal     = desc("accumulator", "Total of an accumulator over the recorded batches.", "name")
	descVersion   = desc("broadcast_version", "Number of a broadcast's newest version.", "name")
	descNotLoaded = desc("broadcast_load_failures_total", "Loads of a broadcast that failed.", "name")
	descOffset    = desc("source_next_offset", "Next offset to plan.", "source", "partition")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("millrace_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c *exporter) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append([]*prometheus.Desc{descBatches, descRows, descBad, descLost, descCommitted, descPlanned, descLatency, descCut,
		descLaunch, descCommit, descExecutors, descLag, descOffset, descTotal, descVersion, descNotLoaded}, eventDescs...) {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *exporter) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := c.e.ask(ctx)
	if err != nil {
		return
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	f := s.Figures
	counter(descBatches, f.Batches)
	counter(descRows, f.Rows)
	counter(descBad, f.Bad)
	counter(descLost, f.Lost)
	gauge(descCommitted, float64(s.Committed))
	gauge(descPlanned, float64(s.Planned))
	gauge(descLatency, f.BatchP50.Seconds(), "0.5")
	gauge(descLatency, f.BatchP99.Seconds(), "0.99")
	gauge(descCut, f.CutMicros/1e6)
	gauge(descLaunch, f.LaunchMicros/1e6)
	gauge(descCommit, f.CommitMicros/1e6)
	gauge(descExecutors, float64(len(s.Executors)))
	for _, a := range s.Accumulators {
		gauge(descTotal, a.number(), a.Name)
	}
	for _, b := range s.Broadcasts {
		gauge(descVersion, float64(b.Version), b.Name)
		counter(descNotLoaded, b.Failures, b.Name)
	}
	collectEvents(&s, counter, gauge)
	for _, p := range s.Sources {
		gauge(descLag, float64(p.Lag), p.Source, p.Key)
		gauge(descOffset, float64(p.Next), p.Source, p.Key)
	}
}
