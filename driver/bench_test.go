package driver_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// BenchmarkEmptyBatch is the constant cost of a batch with a checkpoint: scripted cuts without rows, one after the other.
func BenchmarkEmptyBatch(b *testing.B) {
	for _, master := range []string{"local[2]", "procs[2,1]"} {
		b.Run(master, func(b *testing.B) {
			dir := b.TempDir()
			stats := &driver.Stats{}
			cuts := make([]driver.Cut, b.N)
			began := time.Now()
			err := driver.Run(context.Background(), emptyJob, driver.Config{
				Name: "empty", Master: master, Asap: true, Checkpoint: filepath.Join(dir, "checkpoint"), LogDir: filepath.Join(dir, "log"),
				Log: quiet(), Stats: stats, Cuts: cuts, Args: []string{}, Env: []string{"DRIVER_TEST_JOB=empty"},
			})
			if err != nil {
				b.Fatal(err)
			}
			f := stats.Read()
			b.ReportMetric(float64(time.Since(began).Microseconds())/float64(b.N), "all_us/batch")
			b.ReportMetric(float64(f.BatchP50.Microseconds()), "p50_us")
			b.ReportMetric(float64(f.BatchP99.Microseconds()), "p99_us")
			b.ReportMetric(f.CutMicros, "cut_us")
			b.ReportMetric(f.LaunchMicros, "launch_us")
			b.ReportMetric(f.CommitMicros, "commit_us")
		})
	}
}

// emptyJob keeps counts of a topic that stays empty.
func emptyJob(job *dstream.Job) {
	dstream.From(job, source.Memory([]string{})).KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}
