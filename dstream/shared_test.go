package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
)

// TestTaskOperators runs every operator that tells its functions their task, under each layout, and a restart behind each batch.
func TestTaskOperators(t *testing.T) {
	in := dstreamtest.Input[string]("in")
	stamp := func(t dstream.Task, v string) string { return fmt.Sprintf("%s@%d/%d", v, t.Batch(), t.Time().Unix()) }
	for name, build := range map[string]func(s dstream.Stream[string]) dstream.Stream[string]{
		"MapTask": func(s dstream.Stream[string]) dstream.Stream[string] { return s.MapTask(stamp) },
		"FilterTask": func(s dstream.Stream[string]) dstream.Stream[string] {
			return s.FilterTask(func(t dstream.Task, v string) bool { return t.Batch() == 1 || v == "a" }).MapTask(stamp)
		},
		"FlatMapTask": func(s dstream.Stream[string]) dstream.Stream[string] {
			return s.FlatMapTask(func(t dstream.Task, v string) []string { return []string{stamp(t, v)} })
		},
		"MapPartitionsTask": func(s dstream.Stream[string]) dstream.Stream[string] {
			return s.MapPartitionsTask(func(t dstream.Task, rows []string) []string {
				for i := range rows {
					rows[i] = stamp(t, rows[i])
				}
				return rows
			})
		},
		"MapValuesTask": func(s dstream.Stream[string]) dstream.Stream[string] {
			return s.KeyBy(dstream.Self).MapValuesTask(func(t dstream.Task, k, v string) string { return stamp(t, k) }).Values()
		},
	} {
		t.Run(name, func(t *testing.T) {
			last := "a@2/7 b@2/7"
			if name == "FilterTask" {
				last = "a@2/7"
			}
			run(t, func(job *dstream.Job) { build(dstream.From(job, in.Source())).To(dstreamtest.Sink("out")) }, values[string], []step{
				{5, []dstreamtest.Rows{in.Part(0, "a", "b"), in.Part(2, "c")}, "a@1/5 b@1/5 c@1/5"},
				{7, []dstreamtest.Rows{in.Part(1, "a", "b")}, last},
				{8, nil, ""},
			})
		})
	}
}

// TestTaskPartition tells functions which partition of the source their rows are of.
func TestTaskPartition(t *testing.T) {
	in := dstreamtest.Input[string]("in")
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).MapTask(func(t dstream.Task, v string) string { return fmt.Sprint(v, t.Partition()) }).To(dstreamtest.Sink("out"))
	}, values[string], []step{{1, []dstreamtest.Rows{in.Part(0, "a"), in.Part(4, "b")}, "a0 b4"}})
}

// TestZeroTask calls a function outside of any job.
func TestZeroTask(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	acc := dstream.Accumulator[int64](job, "n")
	acc.Add(dstream.Task{}, 3)
	if z := (dstream.Task{}); acc.Value() != 0 || z.Batch() != 0 || z.Partition() != 0 || !z.Time().IsZero() {
		t.Errorf("the zero task is not empty")
	}
}

// tallied is a job with an accumulator of each kind.
func tallied(in dstreamtest.In[float64], job *dstream.Job) (read func() string) {
	sum, length := dstream.Accumulator[float64](job, "sum"), dstream.Accumulator[int64](job, "rows")
	hi, lo := dstream.MaxAccumulator[float64](job, "hi"), dstream.MinAccumulator[int64](job, "lo")
	keyed := dstream.Accumulator[int64](job, "keyed")
	dstream.From(job, in.Source()).
		Accumulate(length, func(float64) int64 { return 1 }).
		MapTask(func(t dstream.Task, v float64) float64 {
			sum.Add(t, v)
			hi.Add(t, v)
			lo.Add(t, int64(v))
			return v
		}).
		KeyBy(func(v float64) int64 { return int64(v) % 2 }).ReduceByKey(func(a, b float64) float64 { return a + b }).
		Accumulate(keyed, func(k int64, _ float64) int64 { return 10 + k }).
		To(dstreamtest.Sink("out"))
	return func() string { return fmt.Sprint(length.Value(), sum.Value(), hi.Value(), lo.Value(), keyed.Value()) }
}

// TestAccumulators adds in source tasks and behind a shuffle; totals are the same under every layout, and restarts do not touch them.
func TestAccumulators(t *testing.T) {
	in := dstreamtest.Input[float64]("in")
	for _, o := range layouts {
		var read func() string
		r := runner(t, o, func(job *dstream.Job) { read = tallied(in, job) })
		if got := read(); got != "0 0 0 0 0" {
			t.Errorf("%+v: at the start: %s", o, got)
		}
		for i, s := range []step{
			{1, []dstreamtest.Rows{in.Part(0, 2, 8.5), in.Part(1, 3)}, "3 13.5 8.5 2 21"},
			{2, nil, "3 13.5 8.5 2 21"},
			{3, []dstreamtest.Rows{in.Part(0, -4)}, "4 9.5 8.5 -4 31"},
		} {
			batch(t, r, s)
			if got := read(); got != s.want {
				t.Errorf("%+v: behind batch %d: %s, want %s", o, i+1, got, s.want)
			}
			if err := r.Restart(i + 1); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(rdd.Amount{Float: 9.5, Set: true}, r.Total("sum")); d != "" {
			t.Error(d)
		}
	}
}

// TestFailedBatchAddsNothing fails in the middle of a batch: what its tasks had added until then does not count, nor do rows that are looked at again to
// find the one at fault.
func TestFailedBatchAddsNothing(t *testing.T) {
	in := dstreamtest.Input[string]("in")
	var acc *dstream.Acc[int64]
	fails := true
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		acc = dstream.Accumulator[int64](job, "rows")
		dstream.From(job, in.Source()).MapTask(func(t dstream.Task, v string) string {
			acc.Add(t, 1)
			if v == "bad" && fails {
				panic("no")
			}
			return v
		}).To(dstreamtest.Sink("out"))
	})
	rows := []dstreamtest.Rows{in.Part(0, "a", "b"), in.Part(1, "c", "bad", "d")}
	if _, err := r.Run(dstreamtest.At(1), rows...); err == nil || acc.Value() != 0 {
		t.Fatalf("error %v, %d rows", err, acc.Value())
	}
	fails = false
	if _, err := r.Run(dstreamtest.At(1), rows...); err != nil || acc.Value() != 5 {
		t.Fatalf("error %v, %d rows", err, acc.Value())
	}
}

// TestSharedMistakes collects what is wrong with declarations.
func TestSharedMistakes(t *testing.T) {
	in := dstreamtest.Input[string]("in")
	load := func(context.Context) (int, error) { return 1, nil }
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		dstream.Accumulator[int64](job, "")                                                    // no name
		dstream.Accumulator[int64](job, "n")                                                   //
		dstream.MaxAccumulator[float64](job, "n")                                              // taken
		dstream.Broadcast(job, "", load)                                                       // unnamed
		dstream.Broadcast(job, "rates", load)                                                  // first
		dstream.Broadcast(job, "rates", load)                                                  // second
		dstream.Broadcast[int](job, "nothing", nil)                                            // nil
		dstream.Broadcast(job, "never", load, dstream.ReloadEvery(0))                          // never
		dstream.From(job, in.Source()).Accumulate[int64](nil, nil).To(dstreamtest.Sink("out")) // no function
	})
	want := []struct{ mark, text string }{
		{"no name", "Accumulator needs a name: its total is kept under it"},
		{"taken", `there is an accumulator "n" already; names of accumulators are unique`},
		{"unnamed", "a broadcast needs a name: its versions are kept under it"},
		{"second", fmt.Sprintf(`there is a broadcast "rates" already, from shared_test.go:%d; names of broadcasts are unique`, lineIn(t, sharedTestSource, "first"))},
		{"nil", "Broadcast needs a function, not nil"},
		{"never", `broadcast "never": ReloadEvery wants a time above 0`},
		{"no function", "Accumulate needs a function, not nil"},
		{"no function", "Accumulate needs an accumulator, not nil; make one with Accumulator"},
	}
	var lines []string
	for _, w := range want {
		lines = append(lines, fmt.Sprintf("shared_test.go:%d: %s", lineIn(t, sharedTestSource, w.mark), w.text))
	}
	if err == nil {
		t.Fatal("no mistakes")
	}
	if d := cmp.Diff(strings.Join(lines, "\n"), err.Error()); d != "" {
		t.Error(d)
	}
}

// TestOtherJobsValues uses an accumulator and a broadcast of another job: an error, not a wrong figure.
func TestOtherJobsValues(t *testing.T) {
	in := dstreamtest.Input[string]("in")
	other := dstream.NewJob(dstream.JobOptions{})
	acc := dstream.Accumulator[int64](other, "theirs")
	bc := dstream.Broadcast(other, "theirs", func(context.Context) (int, error) { return 1, nil })
	for want, f := range map[string]func(dstream.Task, string) string{
		`accumulator "theirs" belongs to another job`: func(t dstream.Task, v string) string { acc.Add(t, 1); return v },
		`broadcast "theirs" belongs to another job`:   func(t dstream.Task, v string) string { return fmt.Sprint(bc.Get(t)) },
	} {
		r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
			dstream.Accumulator[int64](job, "ours")
			dstream.Broadcast(job, "ours", func(context.Context) (int, error) { return 1, nil })
			dstream.From(job, in.Source()).MapTask(f).To(dstreamtest.Sink("out"))
		})
		if _, err := r.Run(dstreamtest.At(1), in.Part(0, "a")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestBroadcast changes a broadcast between batches, in each way that there is: a batch sees one version throughout.
func TestBroadcast(t *testing.T) {
	in := dstreamtest.Input[string]("in")
	for _, o := range layouts {
		rates, loads := map[string]float64{"a": 1}, 0
		var bc *dstream.Versioned[map[string]float64]
		r := runner(t, o, func(job *dstream.Job) {
			bc = dstream.Broadcast(job, "rates", func(context.Context) (map[string]float64, error) {
				if loads++; len(rates) == 0 {
					return nil, errors.New("the service is down")
				}
				return rates, nil
			})
			dstream.From(job, in.Source()).
				MapTask(func(t dstream.Task, v string) string { return fmt.Sprint(v, bc.Get(t)[v]) }).
				KeyBy(dstream.Self).MapValuesTask(func(t dstream.Task, _ string, v string) string { return fmt.Sprint(v, "/", len(bc.Get(t))) }).
				Values().To(dstreamtest.Sink("out"))
		})
		check := func(want string) {
			t.Helper()
			b := batch(t, r, step{1, []dstreamtest.Rows{in.Part(0, "a"), in.Part(1, "a")}, ""})
			got := values[string](b)
			slices.Sort(got)
			if text := strings.Join(got, " "); text != want {
				t.Errorf("%+v: %q, want %q", o, text, want)
			}
		}
		check("a1/1 a1/1")
		rates["a"], rates["b"] = 2, 0 // not seen before it is loaded, though it is the very map that load gave
		check("a1/1 a1/1")
		if err := r.Reload("rates"); err != nil {
			t.Fatal(err)
		}
		check("a2/2 a2/2")
		clear(rates)
		if err := r.Reload("rates"); err == nil {
			t.Error("a load that fails gives no error")
		}
		check("a2/2 a2/2")
		if err := bc.Update(t.Context(), map[string]float64{"a": 3}); err != nil {
			t.Fatal(err)
		}
		check("a3/1 a3/1")
		if err := r.Set("rates", map[string]float64{"a": math.Inf(1)}); err != nil {
			t.Fatal(err)
		}
		check("a+Inf/1 a+Inf/1")
		if err := r.Set("rates", "text"); err == nil {
			t.Error("a value of another type is taken")
		}
		if loads != 3 {
			t.Errorf("%d loads", loads)
		}
	}
}

// TestBroadcastWithoutJob reads and updates outside of a running job.
func TestBroadcastWithoutJob(t *testing.T) {
	bc := dstream.Broadcast(dstream.NewJob(dstream.JobOptions{}), "b", func(context.Context) (int, error) { return 1, nil })
	if err := bc.Update(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "in the driver's process, while the job runs") {
		t.Errorf("update: %v", err)
	}
	defer func() {
		if cause := recover(); cause == nil {
			t.Error("Get gives a value without a version")
		}
	}()
	bc.Get(dstream.Task{})
}
