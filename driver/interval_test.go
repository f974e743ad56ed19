package driver_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// paced counts words in state that is written every n batches, and lines by their first word in state that is written in each.
func paced(n int) func(*dstream.Job) {
	return func(job *dstream.Job) {
		lines := dstream.From(job, source.LogText("lines"))
		lines.FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words", dstream.CheckpointEvery(n)).To(sink.LogJSON("counts"))
		lines.KeyBy(func(l string) string { return strings.Fields(l)[0] }).RunningCount("firsts").To(sink.LogJSON("firsts"))
	}
}

// pacedByEnv is the job for child processes.
func pacedByEnv(job *dstream.Job) {
	n, _ := strconv.Atoi(os.Getenv("DRIVER_TEST_INTERVAL"))
	paced(n)(job)
}

func (f *fixture) runPaced(n int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := driver.Run(ctx, paced(n), f.cfg); err != nil || ctx.Err() != nil {
		f.t.Fatalf("run: %v (%v)", err, ctx.Err())
	}
}

// firsts are the last counts of lines by their first word.
func (f *fixture) firsts() map[string]int64 {
	f.t.Helper()
	in, err := checkpoint.Inspect(f.cfg.Checkpoint)
	if err != nil {
		f.t.Fatal(err)
	}
	var out strings.Builder
	if err := in.Dump(&out, "firsts", ""); err != nil {
		f.t.Fatal(err)
	}
	got := map[string]int64{}
	for line := range strings.Lines(out.String()) {
		var n int64
		var key string
		if _, err := fmt.Sscanf(line, `{"key":%q,"value":%d}`, &key, &n); err != nil {
			f.t.Fatalf("%s: %v", line, err)
		}
		got[key] = n
	}
	return got
}

// TestOperatorInterval restarts a job whose operators write their state at different intervals, which change between runs, with files lost behind the
// last fsynced one: whatever is not in a file is computed again (P15).
func TestOperatorInterval(t *testing.T) {
	for _, every := range []int{1, 2} {
		for _, intervals := range [][]int{{7, 7, 1}, {3, 1, 3}, {100, 2, 100}} {
			for _, damage := range []string{"none", "missing", "all"} {
				t.Run(fmt.Sprint("every ", every, " intervals ", intervals, " ", damage), func(t *testing.T) {
					f := newFixture(t, "local[2]")
					f.cfg.CheckpointEvery, f.cfg.MaxRate = every, 40_000
					lines, want := text(3000)
					wantFirsts := map[string]int64{}
					for i, n := range intervals {
						part := lines[i*1000 : (i+1)*1000]
						for _, l := range part {
							wantFirsts[strings.Fields(l)[0]]++
						}
						f.write(part...)
						f.runPaced(n)
						f.damage(damage)
					}
					f.cfg.Partitions, f.cfg.CheckpointEvery = 3, 1 // a layout in which no table stays what it was
					f.write("w0", "w1", "w2")
					for _, w := range []string{"w0", "w1", "w2"} {
						want[w]++
						wantFirsts[w]++
					}
					f.runPaced(1)
					if d := cmp.Diff(want, f.last()); d != "" {
						t.Error(d)
					}
					if d := cmp.Diff(wantFirsts, f.firsts()); d != "" {
						t.Error(d)
					}
					if r, err := checkpoint.Verify(f.cfg.Checkpoint); err != nil || len(r.Findings) > 0 {
						t.Errorf("%v %+v", err, r)
					}
				})
			}
		}
	}
}

// TestIntervalIsKept looks into the files: state of the slow operator is in each third only, rounded up to a multiple of --checkpoint-every, and what a file
// leaves out is said.
func TestIntervalIsKept(t *testing.T) {
	for _, c := range []struct{ every, n, want int }{{1, 3, 3}, {2, 3, 4}, {4, 2, 4}} {
		f := newFixture(t, "local[2]")
		f.cfg.CheckpointEvery, f.cfg.MaxRate = c.every, 4_000 // half a second: several batches on a busy machine too
		lines, _ := text(2000)
		f.write(lines...)
		f.runPaced(c.n)
		in, err := checkpoint.Inspect(f.cfg.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		written, behind := 0, 0
		for _, d := range in.Deltas {
			has := false
			for _, s := range d.Sections {
				has = has || s.Operator == "words"
			}
			if has && d.Batch%int64(c.want) != 0 {
				t.Errorf("%+v: state in the file of batch %d", c, d.Batch)
			}
			if has {
				written++
			}
			behind += len(d.Behind)
		}
		if written == 0 || (behind > 0) != (c.want > c.every) {
			t.Errorf("%+v: %d files with state, %d that leave some out", c, written, behind)
		}
	}
}

// TestIntervalOfTablesAndWindows looks for the state of tables, windows and memories in the files: in each third only.
func TestIntervalOfTablesAndWindows(t *testing.T) {
	f := newFixture(t, "local[2]")
	f.cfg.MaxRate, f.cfg.Asap, f.cfg.Interval = 20_000, false, 20*time.Millisecond
	lines, _ := text(2000)
	f.write(lines...)
	const w, slide = 200 * time.Millisecond, 20 * time.Millisecond
	every := dstream.CheckpointEvery(3)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := driver.Run(ctx, func(job *dstream.Job) {
		lines := dstream.From(job, source.LogText("lines"))
		byFirst := lines.KeyBy(func(l string) string { return strings.Fields(l)[0] })
		byFirst.Latest("latest", every).Changes().To(sink.LogJSON("latest"))
		lines.LatestBy("latestBy", func(l string) (string, int64, bool) { return l, 1, true }, every).Changes().To(sink.LogJSON("latestBy"))
		byFirst.CountByKey().ReduceByKeyAndWindow("sums", func(a, b int64) int64 { return a + b }, w, slide, every).Changes().To(sink.LogJSON("sums"))
		lines.CountByWindow("count", w, slide, every).To(sink.LogJSON("count"))
		lines.Window("rows", w, slide, every).Count().To(sink.LogJSON("rows"))
		lines.Remember("memory", w, every).Slice(func(at time.Time) (from, until time.Time) { return at.Add(-w), at }).Count().To(sink.LogJSON("memory"))
		byFirst.RunningCount("firsts").To(sink.LogJSON("firsts"))
	}, f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	in, err := checkpoint.Inspect(f.cfg.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	written, off := map[string]bool{}, false
	for _, d := range in.Deltas {
		for _, s := range d.Sections {
			written[s.Operator] = true
			if s.Operator != "firsts" && d.Batch%3 != 0 {
				t.Errorf("state of %s in the file of batch %d", s.Operator, d.Batch)
			}
			off = off || s.Operator == "firsts" && d.Batch%3 != 0
		}
	}
	for _, o := range []string{"latest", "latestBy", "sums/panes", "count/panes", "rows", "memory"} {
		if !written[o] {
			t.Errorf("no state of %s is in a file; there is that of %v", o, written)
		}
	}
	if !off {
		t.Error("what has no interval is not in each file")
	}
}

// TestOperatorIntervalLoss kills executors between two writes of an operator's state: its batches since then are computed again while the job runs.
func TestOperatorIntervalLoss(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	f.loseExecutors("DRIVER_TEST_JOB=paced", "DRIVER_TEST_INTERVAL=7")
}
