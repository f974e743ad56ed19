package driver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// spy is a sink that keeps the checksum of each published (batch, lane).
type spy struct {
	mu   sync.Mutex // guards sums
	sums map[string]uint64
}

func (s *spy) sink() sink.Sink {
	return sink.New(&sink.Spec{Name: "spy", Kind: "spy", Text: "spy", Open: func(context.Context, sink.Env, sink.Schema) (sink.Output, error) { return s, nil }})
}

func (s *spy) Lanes(_ context.Context, slots int) (int, error) { return slots, nil }

func (s *spy) Route(task int, first int64, rec arrow.Record, lanes int, lane []int32) {
	for i := range lane {
		lane[i] = int32((int64(task) + first + int64(i)) % int64(lanes))
	}
}

func (s *spy) Lane(_ context.Context, n, _ int, _ sink.Owner) (sink.Lane, error) {
	return &spyLane{s: s, n: n, staged: map[int64]uint64{}}, nil
}

func (s *spy) Close() error { return nil }

type spyLane struct {
	s      *spy
	n      int
	staged map[int64]uint64
}

func sumOf(recs []arrow.Record) uint64 { return batch.Sum(batch.Concat(recs)) }

func (l *spyLane) Marker() (sink.Marker, bool) { return sink.Marker{}, false }

func (l *spyLane) Stage(_ context.Context, b sink.Batch, rows []arrow.Record) error {
	if len(rows) > 0 {
		l.staged[b.Number] = sumOf(rows)
	}
	return nil
}

func (l *spyLane) Publish(_ context.Context, b sink.Batch) error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if sum, ok := l.staged[b.Number]; ok {
		l.s.sums[fmt.Sprintf("%d/%d", b.Number, l.n)] = sum
	}
	return nil
}

func (l *spyLane) Discard(int64) error         { return nil }
func (l *spyLane) Flush(context.Context) error { return nil }
func (l *spyLane) Close() error                { return nil }

// spied counts words of topic lines into a spy.
func spied(s *spy) func(*dstream.Job) {
	return func(job *dstream.Job) {
		dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").To(s.sink())
	}
}

// TestReplay computes each committed batch again from its record, under recorded layouts of 1, 2 and 5 partitions: equal bytes (I2).
func TestReplay(t *testing.T) {
	f := newFixture(t, "local[2]")
	lines, _ := text(3000)
	s := &spy{sums: map[string]uint64{}}
	for i, partitions := range []int{1, 1, 2, 2, 5, 5} { // a batch each at least, however slow the machine is
		f.write(lines[i*500 : (i+1)*500]...)
		f.cfg.Partitions, f.cfg.MaxRate = partitions, 60_000
		if err := driver.Run(context.Background(), spied(s), f.cfg); err != nil {
			t.Fatal(err)
		}
	}
	committed := f.committed()
	if committed < 6 {
		t.Fatalf("%d batches, want more", committed)
	}
	f.replays(spied(s), committed, s.sums)
}

// replays computes all batches of a job again, and wants what went to its sink "spy" to be what it was: sums by batch and lane.
func (f *fixture) replays(job func(*dstream.Job), last int64, want map[string]uint64) {
	f.t.Helper()
	again := map[string]uint64{}
	for b := int64(1); b <= last; b++ {
		out, err := driver.Replay(f.t.Context(), job, f.cfg, b)
		if err != nil {
			f.t.Fatalf("batch %d: %v", b, err)
		}
		for lane, recs := range out["spy"] {
			if len(recs) > 0 {
				again[fmt.Sprintf("%d/%d", b, lane)] = sumOf(recs)
			}
		}
	}
	if d := cmp.Diff(want, again); d != "" {
		f.t.Error(d)
	}
}

func (f *fixture) committed() int64 {
	f.t.Helper()
	st, rec, err := checkpoint.Open(f.cfg.Checkpoint, checkpoint.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		f.t.Fatal(err)
	}
	return rec.Committed
}

// TestLineage loses state files behind the last fsynced one, in several ways; lineage computes them again (P15). With --checkpoint-every
// most batches have none to begin with.
func TestLineage(t *testing.T) {
	for _, every := range []int{1, 3, 100} {
		for _, damage := range []string{"none", "missing", "torn", "flipped", "all"} {
			t.Run(fmt.Sprintf("every %d %s", every, damage), func(t *testing.T) {
				f := newFixture(t, "local[2]")
				f.cfg.CheckpointEvery, f.cfg.MaxRate = every, 40_000
				lines, want := text(2000)
				for i := range 2 {
					f.write(lines[i*1000 : (i+1)*1000]...)
					f.run()
					f.damage(damage)
				}
				f.cfg.CheckpointEvery = 1
				f.cfg.Partitions = 3
				f.write()
				f.run()
				if d := cmp.Diff(want, f.last()); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// damage spoils the newest state file, or all of them.
func (f *fixture) damage(how string) {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.cfg.Checkpoint, "state", "*-*"))
	if err != nil {
		f.t.Fatal(err)
	}
	if len(files) == 0 || how == "none" {
		return
	}
	slices.Sort(files)
	last := files[len(files)-1]
	data, err := os.ReadFile(last)
	if err != nil {
		f.t.Fatal(err)
	}
	switch how {
	case "missing":
		err = os.Remove(last)
	case "torn":
		err = os.WriteFile(last, data[:len(data)/2], 0o600)
	case "flipped":
		data[len(data)/2] ^= 1
		err = os.WriteFile(last, data, 0o600)
	case "all":
		for _, file := range files {
			err = os.Remove(file)
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestCheckpointEveryLoss kills an executor between two state files: its batches since the last one are computed again while the job runs.
func TestCheckpointEveryLoss(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	f.loseExecutors("DRIVER_TEST_EVERY=7")
}

// loseExecutors runs a job that counts words on two child processes, kills one of them three times, and wants the counts that none killed would give.
func (f *fixture) loseExecutors(env ...string) {
	f.t.Helper()
	lines, want := text(4000)
	f.write(lines[:1000]...)
	p := f.startDriver(append([]string{"DRIVER_TEST_MASTER=procs[2,1]"}, env...)...)
	for i := 1; i < 4; i++ {
		until(f.t, "children", p, func() bool { return len(driver.ChildrenIn(f.dir)) == 2 })
		until(f.t, "counts", p, func() bool { return f.total() >= int64(i)*1000*3 })
		kill(driver.ChildrenIn(f.dir)[i%2])
		f.write(lines[i*1000 : (i+1)*1000]...)
	}
	until(f.t, "last counts", p, func() bool { return f.total() == 4000*3 })
	p.kill()
	if d := cmp.Diff(want, f.last()); d != "" {
		f.t.Error(d)
	}
}
