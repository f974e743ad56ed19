package dstreamtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// wordCount is a job as it runs in production.
func wordCount(job *dstream.Job) {
	dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}

// TestRun feeds a job's own sources and reads what reaches its own sinks, without any of them.
func TestRun(t *testing.T) {
	j := dstreamtest.Run(t, wordCount, dstreamtest.Partitions(2), dstreamtest.Interval(time.Minute))
	b := j.Batch(dstreamtest.Records("log:lines", 0, "a b", "a"), dstreamtest.Records("log:lines", 1, "b"))
	got := map[string]int64{}
	for _, p := range dstreamtest.Pairs[string, int64](b, "log:counts") {
		got[p.Key] = p.Value
	}
	if d := cmp.Diff(map[string]int64{"a": 2, "b": 2}, got); d != "" {
		t.Error(d)
	}
	j.Restart(3)
	b = j.Batch(dstreamtest.Records("log:lines", 0, "c a"))
	want := []pair{kv("a", 3), kv("b", 2), kv("c", 1)}
	if d := cmp.Diff(want, dstreamtest.State[string, int64](j, "words")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(`{"key":"a","value":3}`+"\n"+`{"key":"b","value":2}`+"\n"+`{"key":"c","value":1}`+"\n", j.StateJSON("words")); d != "" {
		t.Error(d)
	}
	if text := b.JSON("log:counts"); !strings.Contains(text, `{"key":"c","value":1}`+"\n") || strings.Count(text, "\n") != 2 {
		t.Errorf("rows as JSON: %s", text)
	}
	if j.Changed("words") != 2 || b.Number != 2 || !j.Now().Equal(dstreamtest.At(2*time.Minute)) {
		t.Errorf("batch %d at %v changed %d keys", b.Number, j.Now(), j.Changed("words"))
	}
}

// visit is a click of someone.
type visit struct{ Who, Page string }

// TestFrameValues: the rows of a Frame are read as values of a type that has its columns, and of no other.
func TestFrameValues(t *testing.T) {
	type seen struct {
		Who string
		At  *time.Time
	}
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[visit]("visits")).Frame()
		f.Select("who", expr.Col("page").TryParseTime("2006").As("at")).To(sink.LogJSON("seen"))
	})
	b := j.Batch(dstreamtest.Records("log:visits", 0, `{"who":"ann","page":"2024"}`, `{"who":"bob","page":"?"}`))
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if d := cmp.Diff([]seen{{"ann", &at}, {"bob", nil}}, dstreamtest.Values[seen](b, "log:seen")); d != "" {
		t.Error(d)
	}
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "the columns of sink log:seen are not those of dstreamtest_test.visit") {
			t.Errorf("read as another type: %s", text)
		}
	}()
	dstreamtest.Values[visit](b, "log:seen")
}

// TestRunTimers: the clock fires timers in the batch in which they are due, and in no other.
func TestRunTimers(t *testing.T) {
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		dstream.From(job, source.LogJSON[visit]("visits")).KeyBy(func(v visit) string { return v.Who }).
			Stateful("sessions", func(k string, rows []visit, s *dstream.State[[]string]) []string {
				if s.Expired() {
					return []string{k + ": " + strings.Join(s.Get(), " ")}
				}
				pages := s.Get()
				for _, r := range rows {
					pages = append(pages, r.Page)
				}
				s.Set(pages)
				s.ExpireAfter(30 * time.Second)
				return nil
			}).Values().To(dstreamtest.Sink("out"))
	})
	j.Batch(dstreamtest.Records("log:visits", 0, `{"who":"ann","page":"/"}`, `{"who":"bob","page":"/b"}`, `no json`))
	j.Batch(dstreamtest.Records("log:visits", 0, `{"who":"ann","page":"/a"}`))
	if due := j.NextDue(); !due.Equal(dstreamtest.At(31 * time.Second)) {
		t.Errorf("next timer at %v", due)
	}
	if text := j.StateJSON("sessions"); !strings.Contains(text, `"_due":31000000}`) {
		t.Errorf("state: %s", text)
	}
	if early := j.Advance(20 * time.Second); len(early) != 0 {
		t.Errorf("%d batches before any timer is due", len(early))
	}
	var got []string
	for _, b := range j.Advance(time.Hour) {
		got = append(got, dstreamtest.Values[string](b, "out")...)
	}
	if d := cmp.Diff([]string{"bob: /b", "ann: / /a"}, got); d != "" {
		t.Error(d)
	}
	if !j.Now().Equal(dstreamtest.At(time.Hour + 22*time.Second)) {
		t.Errorf("the clock is at %v", j.Now())
	}
}

// TestRunSideOutputs: records that cannot be decoded are found by source, callbacks are called.
func TestRunSideOutputs(t *testing.T) {
	seen, there := int64(0), int64(0)
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		visits := dstream.From(job, source.LogJSON[visit]("visits"))
		visits.Count().ForeachBatch(func(ctx context.Context, _ dstream.Batch, rows rdd.RDD[int64]) error {
			for n, err := range rows.Rows(ctx) {
				if err != nil {
					return err
				}
				seen += n
			}
			return nil
		})
		visits.To(sink.Partitions("there", func(_ context.Context, _ sink.Batch, rows []arrow.Record) error {
			there += rows[0].NumRows()
			return nil
		}))
		dstream.From(job, source.LogJSON[visit]("more")).DeadLetter(sink.LogJSON("dead")).To(sink.LogJSON("copy"))
	})
	b := j.Batch(dstreamtest.Records("log:visits", 0, `{"who":"ann","page":"/"}`, `no json`), dstreamtest.Records("log:more", 3, `[]`))
	if dead := b.DeadLetters("log:visits"); len(dead) != 1 || dead[0].Offset != 1 || string(dead[0].Value) != "no json" {
		t.Errorf("dead letters of visits: %+v", dead)
	}
	if dead := b.DeadLetters("log:more"); len(dead) != 1 || dead[0].Partition != 3 {
		t.Errorf("dead letters of more: %+v", dead)
	}
	if j.Batch(); seen != 1 || there != 1 {
		t.Errorf("the callbacks saw %d on the driver, %d on executors", seen, there)
	}
	if n := len(j.Advance(3 * time.Second)); n != 3 { // Count acts on empty batches
		t.Errorf("%d batches in three seconds", n)
	}
}

// TestRunMistakes: what is wrong with a test or a job ends the test, in words.
func TestRunMistakes(t *testing.T) {
	fails(t, func(t testing.TB) { dstreamtest.Run(t, func(*dstream.Job) {}) }, "the job cannot be built", "no stream has an output")
	fails(t, func(t testing.TB) { dstreamtest.Run(t, wordCount).Batch(dstreamtest.Records("lines", 0, "a")) },
		`the job has no source "lines"; it has ["log:lines"]`)
	fails(t, func(t testing.TB) { dstreamtest.Run(t, wordCount).StateJSON("word") }, `no operator "word" keeps state; those that do: ["words"]`)
	fails(t, func(t testing.TB) {
		j := dstreamtest.Run(t, wordCount)
		j.Finish()
		j.Batch()
	}, "the job is finished")
	fails(t, func(t testing.TB) {
		dstreamtest.Run(t, func(job *dstream.Job) {
			dstream.From(job, source.LogText("lines")).Map(func(s string) byte { return s[3] }).To(dstreamtest.Sink("out"))
		}).Batch(dstreamtest.Records("log:lines", 0, "four", "two"))
	}, "index out of range", "offset 1")
}

// TestRunRefusesWindows: a window that does not fit the interval is refused as the driver refuses it, once each, where it stands.
func TestRunRefusesWindows(t *testing.T) {
	job := func(job *dstream.Job) {
		in := dstream.From(job, source.LogText("lines"))
		in.CountByValueAndWindow("last", 2500*time.Millisecond, 1500*time.Millisecond).All().To(dstreamtest.Sink("out"))
		in.CountByWindow("fits", 3*time.Second, time.Second).To(dstreamtest.Sink("counts"))
	}
	fails(t, func(t testing.TB) { dstreamtest.Run(t, job) }, "does not fit Interval(1s)",
		"job_test.go:", "window 2.5s is not a multiple of --interval 1s: batches come at its multiples; use 3s",
		"slide 1.5s is not a multiple of --interval 1s: batches come at its multiples; use 2s")
	fails(t, func(t testing.TB) { dstreamtest.Run(t, job, dstreamtest.Interval(200*time.Millisecond)) }, "window 2.5s is not", "slide 1.5s is not")
	if err := dstreamtest.Run(t, job, dstreamtest.Interval(500*time.Millisecond)).Batch(); err == nil {
		t.Error("no batch")
	}
}

// TestRestartForgets: a restart loses what functions captured, as the end of a process does.
func TestRestartForgets(t *testing.T) {
	in := dstreamtest.Input[int64]("in")
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		firsts(map[int64]bool{}, dstream.From(job, in.Source())).To(dstreamtest.Sink("out"))
	})
	for i, want := range [][]int64{{1}, nil, {1}} {
		if i == 2 {
			j.Restart(1)
		}
		if d := cmp.Diff(want, dstreamtest.Values[int64](j.Batch(in.Part(0, 1)), "out")); d != "" {
			t.Errorf("batch %d: %s", i+1, d)
		}
	}
}
