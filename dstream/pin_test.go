package dstream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

var profilesOfAll = []Profile{{1, "one"}, {2, "two"}, {3, "three"}}

// named joins numbers with pinned profiles.
func named(job *dstream.Job, profiles *dstream.Pinned[Profile]) {
	dstream.From(job, numbers.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[int64]) rdd.RDD[string] {
		byID := profiles.RDD().KeyBy(func(p Profile) int64 { return p.ID })
		return r.KeyBy(dstream.Self).LeftOuterJoin(byID, func(n int64, p *Profile) string {
			if p == nil {
				return "nobody"
			}
			return p.Name
		}).Values()
	}).To(dstreamtest.Sink("out"))
}

var namedSteps = []step{
	{1, rows(numbers.Part(0, 1, 3), numbers.Part(1, 3, 4)), "nobody one three three"},
	{2, nil, ""},
	{3, rows(numbers.Part(1, 2)), "two"},
}

// TestPinRows joins with rows that the program has, under all layouts and over restarts.
func TestPinRows(t *testing.T) {
	run(t, func(job *dstream.Job) {
		named(job, dstream.PinRows(job, "profiles", func() []Profile { return profilesOfAll }))
	}, values[string], namedSteps)
}

// TestPinnedRowsInOrder: all rows come in each batch, in equal parts and in order.
func TestPinnedRowsInOrder(t *testing.T) {
	var all []int64
	for i := range int64(10_000) {
		all = append(all, i)
	}
	for _, reduce := range []int{1, 3, 7} {
		r, err := dstreamtest.New(dstreamtest.Options{Reduce: reduce}, func(job *dstream.Job) {
			pinned := dstream.PinRows(job, "all", func() []int64 { return all })
			dstream.From(job, numbers.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[int64]) rdd.RDD[int64] {
				return r.Union(pinned.RDD(), pinned.RDD().Filter(func(n int64) bool { return n == 5 }))
			}).To(dstreamtest.Sink("out"))
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Run(dstreamtest.At(1))
		if err != nil {
			t.Fatal(err)
		}
		if got := dstreamtest.Values[int64](b, "out"); !slices.Equal(got, append(slices.Clone(all), 5)) {
			t.Errorf("%d partitions: %d rows, %v …", reduce, len(got), got[:min(len(got), 10)])
		}
	}
}

// computes is what the driver gives a job to compute pinned data with.
func computes(t *testing.T) func(func(context.Context) error) error {
	return func(f func(context.Context) error) error {
		return driver.RunBatch(t.Context(), driver.Config{Name: "pins", Master: "local[2]"}, f)
	}
}

// TestPin computes data once, on the driver. Executors take what it sent.
func TestPin(t *testing.T) {
	build := func(job *dstream.Job) *dstream.Pinned[Profile] {
		p := dstream.Pin(job, "profiles", source.Read(source.Memory(profilesOfAll)).Map(func(p Profile) Profile {
			p.Name = strings.ToUpper(p.Name)
			return p
		}).Filter(func(p Profile) bool { return p.ID > 1 }))
		named(job, p)
		return p
	}
	onDriver := dstream.NewJob(dstream.JobOptions{Compute: computes(t)})
	want := []Profile{{2, "TWO"}, {3, "THREE"}}
	if diff := cmp.Diff(want, build(onDriver).Rows()); diff != "" {
		t.Error(diff)
	}
	plan, err := onDriver.Plan()
	if err != nil {
		t.Fatal(err)
	}
	onExecutor := dstream.NewJob(dstream.JobOptions{Executor: true, Values: plan.Values, Compute: func(func(context.Context) error) error {
		return errors.New("an executor computes pinned data")
	}})
	if diff := cmp.Diff(want, build(onExecutor).Rows()); diff != "" {
		t.Error(diff)
	}
	again, err := onExecutor.Plan()
	if err != nil || again.Hash != plan.Hash || !strings.Contains(plan.Text, `value "profiles" sha256:`) {
		t.Errorf("%v, plan\n%s", err, plan.Text)
	}
	if p := dstream.Pin(dstream.NewJob(dstream.JobOptions{}), "none", rdd.Parallelize([]Profile{})); len(p.Rows()) != 0 {
		t.Errorf("rows of nothing: %v", p.Rows())
	}
}

// TestPinnedRowsAreInThePlan: other rows are another program, and what is built with them differs too.
func TestPinnedRowsAreInThePlan(t *testing.T) {
	built := func(rows ...Profile) (hash, fragment [32]byte) {
		job := dstream.NewJob(dstream.JobOptions{})
		named(job, dstream.PinRows(job, "profiles", func() []Profile { return rows }))
		p, err := job.Plan()
		if err != nil {
			t.Fatal(err)
		}
		q, err := p.For(dstream.BatchInfo{Number: 1})
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash, q.Fragment
	}
	h1, f1 := built(profilesOfAll...)
	h2, f2 := built(profilesOfAll...)
	h3, f3 := built(profilesOfAll[1:]...)
	if h1 != h2 || f1 != f2 || h1 == h3 || f1 == f3 {
		t.Errorf("plans %x %x %x, fragments %x %x %x", h1, h2, h3, f1, f2, f3)
	}
}

func TestPinMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	dstream.PinRows(job, "", func() []int64 { return nil })
	dstream.PinRows[int64](job, "nil", nil)
	dstream.PinRows(job, "func", func() []func() { return nil })
	dstream.PinRows(job, "panics", func() []int64 { panic("no file") })
	dstream.Value(job, "twice", func() int { return 1 })
	dstream.PinRows(job, "twice", func() []int64 { return nil })
	dstream.Pin(job, "zero", rdd.RDD[int64]{})
	dstream.Pin(job, "profiles", source.Read(source.Memory(profilesOfAll)))
	dstream.Pin(job, "broken", rdd.Parallelize(profilesOfAll).Filter(nil))
	_, err := job.Plan()
	for _, want := range []string{
		"a pinned data set needs a name", "PinRows needs a function, not nil", "pinned data set \"panics\": panic: no file", "there is a shared value \"twice\" already",
		"Pin takes data that is read without a job, and \"zero\" is none", "pinned data set \"profiles\": nothing here can compute an RDD",
		"pinned data set \"broken\": pin_test.go:",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
