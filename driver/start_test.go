package driver_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
)

// TestStart runs the executors of procs in this process, and hears of each of their tasks.
func TestStart(t *testing.T) {
	f := newFixture(t, "procs[2,1]")
	lines, want := text(300)
	f.write(lines...)
	var started, tasks atomic.Int64
	f.cfg.Start = func(ctx context.Context, x executor.Config) (executor.Conn, error) {
		started.Add(1)
		x.Done = func(rdd.TaskID, int64) { tasks.Add(1) }
		return executor.Local(context.WithoutCancel(ctx), x)
	}
	f.run()
	if d := cmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
	if started.Load() != 2 || tasks.Load() < 3+2 {
		t.Errorf("%d executors were started and did %d tasks, want 2 and those of 3 source and 2 reduce partitions", started.Load(), tasks.Load())
	}
}

// TestScriptedEnd: a script may end the job for good, with a batch of its own time.
func TestScriptedEnd(t *testing.T) {
	dir := t.TempDir()
	cfg := driver.Config{
		Name: "empty", Master: "local[1]", Checkpoint: filepath.Join(dir, "checkpoint"), LogDir: filepath.Join(dir, "log"),
		Log: quiet(), Args: []string{},
		Cuts: []driver.Cut{{Time: 5_000_000}, {Time: 7_000_000, Final: true}},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := driver.Run(ctx, emptyJob, cfg); err != nil {
		t.Fatal(err)
	}
	if err := driver.Run(ctx, emptyJob, cfg); err == nil || !strings.Contains(err.Error(), "the job is finished, its last batch is 2") {
		t.Errorf("another start: %v", err)
	}
}
