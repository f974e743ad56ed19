package driver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// The state of a job in three versions of its program, and in one that cannot go on.
type (
	tally1 struct{ N int64 }
	tally2 struct {
		Level string `default:"old"`
		N     int64
	}
	tally3 struct {
		N      int64
		Level  string  `default:"changed"`
		Weight float64 `default:"2.5"`
	}
	tally4 struct {
		Count  int64
		Level  string
		Weight float64
	}
)

// counted is a job that counts words in a state of type S: n points to its count, and seen judges a state that is there and marks a new one.
func counted[S any](job *dstream.Job, n func(*S) *int64, seen func(s *S, exists bool) bool) {
	words := dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).KeyBy(dstream.Self)
	words.Stateful("words", func(word string, values []string, st *dstream.State[S]) []int64 {
		s := st.Get()
		if !seen(&s, st.Exists()) {
			return []int64{-1}
		}
		*n(&s) += int64(len(values))
		st.Set(s)
		return []int64{*n(&s)}
	}).To(sink.LogJSON("counts"))
}

// evolving is the job in the version that the environment names.
func evolving(job *dstream.Job) { evolved(os.Getenv("DRIVER_TEST_VARIANT"))(job) }

func evolved(version string) func(*dstream.Job) {
	return func(job *dstream.Job) {
		switch version {
		case "2":
			counted(job, func(s *tally2) *int64 { return &s.N }, func(s *tally2, exists bool) bool {
				if !exists {
					s.Level = "born 2"
				}
				return s.Level == "old" || s.Level == "born 2"
			})
		case "3":
			counted(job, func(s *tally3) *int64 { return &s.N }, func(s *tally3, exists bool) bool {
				if !exists {
					s.Level = "born 3"
				}
				return (s.Weight == 2.5) == exists || s.Level == "born 3"
			})
		case "4":
			counted(job, func(s *tally4) *int64 { return &s.Count }, func(*tally4, bool) bool { return true })
		default:
			counted(job, func(s *tally1) *int64 { return &s.N }, func(*tally1, bool) bool { return true })
		}
	}
}

// phase writes lines of words of which some are in no other phase, and adds to what must be counted.
func (f *fixture) phase(name string, n int, want map[string]int64) {
	f.t.Helper()
	var lines []string
	for i := range n {
		line := fmt.Sprintf("%s%d common%d", name, i%7, i%5)
		lines = append(lines, line)
		for _, w := range strings.Fields(line) {
			want[w]++
		}
	}
	f.write(lines...)
}

func (f *fixture) runVersion(version string) error {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := driver.Run(ctx, evolved(version), f.cfg)
	if ctx.Err() != nil {
		f.t.Fatalf("version %s: %v (%v)", version, err, ctx.Err())
	}
	return err
}

// state is what `millrace checkpoint state` prints of operator words.
func (f *fixture) state() string {
	f.t.Helper()
	in, err := checkpoint.Inspect(f.cfg.Checkpoint)
	if err != nil {
		f.t.Fatal(err)
	}
	var out strings.Builder
	if err := in.Dump(&out, "words", ""); err != nil {
		f.t.Fatal(err)
	}
	return out.String()
}

// TestStateGainsFields changes the type of a state twice between killed processes. Rows that nobody touched since hold what the tag said when the field
// came; the files of all three versions are one chain (P19, P20).
func TestStateGainsFields(t *testing.T) {
	needProc(t)
	f, want := newFixture(t, ""), map[string]int64{}
	f.cfg.Env = []string{"DRIVER_TEST_JOB=evolving"}
	sum := func() (n int64) {
		for _, c := range want {
			n += c
		}
		return n
	}
	for _, version := range []string{"1", "2"} {
		f.phase("p"+version, 700, want)
		p := f.startDriver("DRIVER_TEST_MASTER=procs[2,1]", "DRIVER_TEST_JOB=evolving", "DRIVER_TEST_VARIANT="+version)
		until(t, "counts of version "+version, p, func() bool { return f.total() == sum() })
		until(t, "recorded commit", p, func() bool { return f.recorded() }) // a batch that is planned and published asks the user (P1)
		p.kill()
	}
	f.cfg.Master = "local[2]"
	f.phase("p3", 700, want)
	if err := f.runVersion("3"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
	state := f.state()
	for _, row := range []string{
		`{"key":"p10","value":{"n":100,"level":"old","weight":2.5}}`,
		`{"key":"p20","value":{"n":100,"level":"born 2","weight":2.5}}`,
		`{"key":"p30","value":{"n":100,"level":"born 3","weight":0}}`,
		`{"key":"common0","value":{"n":420,"level":"old","weight":2.5}}`,
	} {
		if !strings.Contains(state, row) {
			t.Errorf("no %s in\n%s", row, state)
		}
	}
	if r, err := checkpoint.Verify(f.cfg.Checkpoint); err != nil || len(r.Findings) > 0 {
		t.Errorf("%v %+v", err, r)
	}
	err := f.runVersion("4")
	if err == nil || !strings.Contains(err.Error(), "- state  n: int64\n") || !strings.Contains(err.Error(), "field n is gone; if it is count now, tag that `arrow:\"n\"`\n") {
		t.Errorf("version 4: %v", err)
	}
	if err := f.runVersion("3"); err != nil {
		t.Errorf("version 3 again: %v", err)
	}
	f.cfg.Drop = []string{"words"}
	if err := f.runVersion("4"); err != nil {
		t.Errorf("version 4 with --drop: %v", err)
	}
}

// TestLineageAcrossVersions loses state files on both sides of a change of types: batches are computed again by the program of today, from files of before.
func TestLineageAcrossVersions(t *testing.T) {
	for _, every := range []int{1, 3} {
		for _, damage := range []string{"none", "missing", "torn", "all"} {
			t.Run(fmt.Sprintf("every %d %s", every, damage), func(t *testing.T) {
				f, want := newFixture(t, "local[2]"), map[string]int64{}
				f.cfg.CheckpointEvery, f.cfg.MaxRate = every, 40_000
				for _, version := range []string{"1", "2", "2", "3"} {
					f.phase("p"+version, 500, want)
					if err := f.runVersion(version); err != nil {
						t.Fatalf("version %s: %v", version, err)
					}
					f.damage(damage)
				}
				if d := cmp.Diff(want, f.last()); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// TestBadDefault reports a tag that is no value of its field with the line of the operator.
func TestBadDefault(t *testing.T) {
	f := newFixture(t, "local[1]")
	f.write("a")
	type bad struct {
		N int64 `default:"many"`
	}
	err := driver.Run(context.Background(), func(job *dstream.Job) {
		counted(job, func(s *bad) *int64 { return &s.N }, func(*bad, bool) bool { return true })
	}, f.cfg)
	if err == nil || !strings.Contains(err.Error(), "evolve_test.go:") || !strings.Contains(err.Error(), `driver_test.bad.N: default:"many": write a whole number that fits into 64 bits`) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(f.cfg.Checkpoint, "log")); err == nil {
		t.Error("the checkpoint was touched")
	}
}
