package driver_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// turns counts words, which get there by other operators in each of three batches, with pinned rows in all of them.
func turns(job *dstream.Job) {
	none := dstream.Pin(job, "stop words", source.Read(source.Memory([]string{"never"}, []string{"said", "SAID"})).Map(strings.ToLower).Distinct())
	dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
		switch b.Number % 3 {
		case 0:
			r = r.Repartition()
		case 1:
			r = r.KeyBy(rdd.Self).PartitionByKey().Values().Repartition()
		}
		return r.KeyBy(rdd.Self).SubtractByKey(none.RDD().KeyBy(rdd.Self)).Values()
	}).KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}

// differs builds something else in each process.
func differs(job *dstream.Job) {
	dstream.From(job, source.LogText("lines")).Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
		if driver.IsChild() {
			return r.Repartition().Name(fmt.Sprint("process ", os.Getpid()))
		}
		return r.Distinct()
	}).KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}

// TestTransformAnywhere counts under several masters, with a restart in the middle, and then computes each batch again.
func TestTransformAnywhere(t *testing.T) {
	needProc(t)
	for _, master := range []string{"local[2]", "procs[2,1]"} {
		t.Run(master, func(t *testing.T) {
			f := newFixture(t, master)
			f.cfg.Env = []string{"DRIVER_TEST_JOB=turns"}
			f.cfg.MaxRate = 60_000
			lines, want := text(3000)
			for i := range 3 {
				f.write(lines[i*1000 : (i+1)*1000]...)
				if err := driver.Run(context.Background(), turns, f.cfg); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(want, f.last()); d != "" {
				t.Error(d)
			}
			for b := max(f.committed()-3, 1); b <= f.committed(); b++ {
				if _, err := driver.Replay(context.Background(), turns, f.cfg, b); err != nil {
					t.Errorf("batch %d: %v", b, err)
				}
			}
		})
	}
}

// TestTransformsDiffer: executors that build different plans stop the job, and nothing is published (P22).
func TestTransformsDiffer(t *testing.T) {
	needProc(t)
	f := newFixture(t, "procs[2,1]")
	f.cfg.Env = []string{"DRIVER_TEST_JOB=differs"}
	lines, _ := text(100)
	f.write(lines...)
	err := driver.Run(context.Background(), differs, f.cfg)
	if err == nil || !strings.Contains(err.Error(), "batch 1: transform (transform_test.go:") || !strings.Contains(err.Error(), "built different plans") {
		t.Errorf("got %v", err)
	}
	if n := f.total(); n != 0 {
		t.Errorf("%d words are counted", n)
	}
	for _, pid := range driver.ChildrenIn(f.dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
