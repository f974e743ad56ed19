package dstream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/internal/goldentest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

func lineOf(t *testing.T, mark string) int { t.Helper(); return lineIn(t, jobTestSource, mark) }

type pageView struct {
	Page string
	User int64
	At   time.Time
}

type badRow struct {
	Any  any
	Chan chan int
}

func TestMistakesAreReportedTogether(t *testing.T) {
	pages := dstreamtest.Input[pageView]("pages")
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		s := dstream.From(job, pages.Source())
		s.KeyBy(func(p pageView) float64 { return 1 }).To(dstreamtest.Sink("out"))                       // float key
		s.KeyBy(func(p pageView) int64 { return p.User }).RunningCount("")                               // no state name
		s.Map(func(p pageView) badRow { return badRow{} })                                               // no schema
		s.To(dstreamtest.Sink("out"))                                                                    // sink twice
		s.Filter(nil).To(dstreamtest.Sink("nil"))                                                        // nil function
		s.Filter(func(pageView) bool { return true }).DeadLetter(dstreamtest.Sink("dead"))               // dead letter
		s.To(sink.Sink{})                                                                                // empty sink
		s.KeyBy(func(p pageView) string { return p.Page }).RunningCount("x").To(dstreamtest.Sink("a"))   // x one
		s.KeyBy(func(p pageView) string { return p.Page }).RunningCount("x").To(dstreamtest.Sink("b"))   // x two
		s.KeyBy(func(p pageView) string { return p.Page }).RunningCount("y", dstream.CheckpointEvery(0)) // interval
		s.KeyBy(func(p pageView) string { return p.Page }).Latest("z", dstream.CheckpointEvery(-1))      // interval of a table
		s.CountByWindow("w", time.Second, time.Second, dstream.CheckpointEvery(10_001))                  // interval of a window
	})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{"float key", "no state name", "no schema", "no schema", "sink twice", "nil function", "dead letter", "empty sink", "x two", "interval", "interval of a table", "interval of a window"}
	if len(lines) != len(want) {
		t.Fatalf("%d mistakes, want %d:\n%s", len(lines), len(want), err)
	}
	for i, mark := range want {
		if prefix := "job_test.go:" + itoa(lineOf(t, mark)) + ": "; !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("mistake %d is %q, want it to begin with %q", i, lines[i], prefix)
		}
	}
}

func TestJobWithoutOutput(t *testing.T) {
	pages := dstreamtest.Input[pageView]("pages")
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) { dstream.From(job, pages.Source()) })
	want := "job: no stream has an output; end one with To, ForeachBatch or Print"
	if err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func TestWarnings(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	s := dstream.From(job, dstreamtest.Input[string]("a").Source())
	s.Map(strings.ToUpper) // unread
	s.To(dstreamtest.Sink("out"))
	w := job.Warnings()
	if len(w) != 1 || !strings.HasPrefix(w[0], "job_test.go:"+itoa(lineOf(t, "unread"))+": nobody reads") {
		t.Fatalf("warnings: %q", w)
	}
}

func TestExplain(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{DeadLetter: func(s string) *sink.Spec { return dstreamtest.Collect("_dead/" + s) }})
	pages := dstream.From(job, dstreamtest.Input[pageView]("pages").Source())
	names := dstream.Value(job, "names", func() map[string]int64 { return map[string]int64{"b": 2, "a": 1} })
	profiles := dstream.From(job, dstreamtest.Input[Profile]("profiles").Source()).
		KeyBy(func(p Profile) int64 { return p.ID }).
		Latest("profiles table")
	pages.
		KeyBy(func(p pageView) int64 { return p.User }).
		JoinTable(profiles, func(v pageView, p Profile) string { return p.Name }).
		MapValues(func(s string) int64 { return names.Get()[s] }).
		ReduceByKey(func(a, b int64) int64 { return a + b }).
		To(dstreamtest.Sink("sums"))
	pages.KeyBy(func(p pageView) string { return p.Page }).RunningCount("counts", dstream.Expire(time.Minute)).To(dstreamtest.Sink("counts out"))
	plan, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	goldentest.Check(t, "explain.txt", plan.Text)
	for _, l := range strings.Split(strings.TrimSpace(plan.Explain()), "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "#") && !strings.Contains(l, "_test.go:") {
			t.Errorf("no site in %q", l)
		}
	}
	if want := map[string][]string{"pages": {"profiles"}}; !cmp.Equal(plan.Gates, want) {
		t.Error(cmp.Diff(want, plan.Gates))
	}
}

func TestPlanHashCoversValues(t *testing.T) {
	hash := func(v string) [32]byte {
		job := dstream.NewJob(dstream.JobOptions{})
		dstream.Value(job, "v", func() string { return v })
		dstream.From(job, dstreamtest.Input[string]("in").Source()).To(dstreamtest.Sink("out"))
		plan, err := job.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return plan.Hash
	}
	first, again := hash("a"), hash("a")
	if first != again || first == hash("b") {
		t.Error("the hash of a plan is not a function of its values")
	}
}

func TestValueOnExecutor(t *testing.T) {
	build := func(o dstream.JobOptions, f func() map[string]int) (*rdd.Plan, *dstream.Shared[map[string]int], error) {
		job := dstream.NewJob(o)
		v := dstream.Value(job, "table", f)
		dstream.From(job, dstreamtest.Input[string]("in").Source()).To(dstreamtest.Sink("out"))
		plan, err := job.Plan()
		return plan, v, err
	}
	plan, _, err := build(dstream.JobOptions{}, func() map[string]int { return map[string]int{"x": 1, "y": 2} })
	if err != nil {
		t.Fatal(err)
	}
	never := func() map[string]int { t.Error("an executor computed a shared value"); return nil }
	other, v, err := build(dstream.JobOptions{Executor: true, Values: plan.Values}, never)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Hash != other.Hash || v.Get()["y"] != 2 {
		t.Errorf("executor has %v under another hash", v.Get())
	}
	if _, _, err = build(dstream.JobOptions{Executor: true}, never); err == nil || !strings.Contains(err.Error(), "the driver has sent none") {
		t.Errorf("missing value: %v", err)
	}
}
