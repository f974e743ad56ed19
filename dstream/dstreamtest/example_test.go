package dstreamtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Visit is a row of the examples.
type Visit struct{ Who, Page string }

// firstVisits gives who has not been seen for half an hour.
func firstVisits(visits dstream.Stream[Visit]) dstream.Stream[string] {
	return visits.KeyBy(func(v Visit) string { return v.Who }).
		Stateful("seen", func(who string, rows []Visit, seen *dstream.State[int64]) []string {
			if seen.Expired() {
				return nil
			}
			was := seen.Get()
			seen.Set(was + int64(len(rows)))
			seen.ExpireAfter(30 * time.Minute)
			if was > 0 {
				return nil
			}
			return []string{who}
		}).Values()
}

// visitors is the job that it is part of.
func visitors(job *dstream.Job) {
	firstVisits(dstream.From(job, source.LogJSON[Visit]("visits"))).To(sink.LogJSON("visitors"))
}

// An operator in every way in which it may run.
func ExampleCheck() {
	test := func(t *testing.T) {
		ann, bob := Visit{"ann", "/"}, Visit{"bob", "/"}
		dstreamtest.Check(t, firstVisits,
			[][]Visit{{ann, bob, ann}, {}, {ann}},
			[][]string{{"ann", "bob"}, {}, {}})
	}
	_ = test // go test runs it
}

// A whole job, with its own source and sink, under a clock that the test moves.
func ExampleRun() {
	test := func(t *testing.T) {
		job := dstreamtest.Run(t, visitors, dstreamtest.Interval(time.Second))
		b := job.Batch(dstreamtest.Records("log:visits", 0, `{"who":"ann","page":"/"}`, `no visit`))
		if who := dstreamtest.Values[string](b, "log:visitors"); len(who) != 1 || who[0] != "ann" {
			t.Errorf("visitors: %v", who)
		}
		if dead := b.DeadLetters("log:visits"); len(dead) != 1 {
			t.Errorf("dead letters: %v", dead)
		}
		if seen := dstreamtest.State[string, int64](job, "seen"); len(seen) != 1 {
			t.Errorf("state: %v", seen)
		}
		job.Advance(time.Hour)
		if text := job.StateJSON("seen"); text != "" {
			t.Errorf("ann is still remembered: %s", text)
		}
	}
	_ = test // go test runs it
}

// A Runner executes batches under a layout that the test chooses.
func ExampleNew() {
	words := dstreamtest.Input[string]("words")
	r, err := dstreamtest.New(dstreamtest.Options{Reduce: 3}, func(job *dstream.Job) {
		dstream.From(job, words.Source()).KeyBy(dstream.Self).RunningCount("counts").To(dstreamtest.Sink("out"))
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 2 {
		b, err := r.Run(dstreamtest.At(time.Duration(i)*time.Second), words.Part(0, "a"), words.Part(1, "a"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(dstreamtest.Pairs[string, int64](b, "out"))
	}
	// Output:
	// [{a 2}]
	// [{a 4}]
}

// TestExamples runs what the examples show.
func TestExamples(t *testing.T) {
	ann, bob := Visit{"ann", "/"}, Visit{"bob", "/"}
	dstreamtest.Check(t, firstVisits, [][]Visit{{ann, bob, ann}, {}, {ann}}, [][]string{{"ann", "bob"}, {}, {}})
	job := dstreamtest.Run(t, visitors, dstreamtest.Interval(time.Second))
	b := job.Batch(dstreamtest.Records("log:visits", 0, `{"who":"ann","page":"/"}`, `no visit`))
	if who, dead := dstreamtest.Values[string](b, "log:visitors"), b.DeadLetters("log:visits"); len(who) != 1 || who[0] != "ann" || len(dead) != 1 {
		t.Errorf("visitors: %v, dead letters: %v", who, dead)
	}
	if seen := dstreamtest.State[string, int64](job, "seen"); len(seen) != 1 {
		t.Errorf("state: %v", seen)
	}
	job.Advance(time.Hour)
	if text := job.StateJSON("seen"); text != "" {
		t.Errorf("ann is still remembered: %s", text)
	}
}
