package dstream_test

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

//go:embed transform_test.go
var transformTestSource string

// TestTransform builds a shuffle in odd batches and none in even ones, with state behind it.
func TestTransform(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, words.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			if b.Number%2 == 1 {
				return r.Distinct().Map(strings.ToUpper)
			}
			return r.Filter(func(s string) bool { return int64(len(s)) < b.At().Unix() })
		}).KeyBy(dstream.Self).RunningCount("seen").To(dstreamtest.Sink("out"))
	}, pairs[string, int64], []step{
		{1, rows(words.Part(0, "a", "b", "a"), words.Part(1, "b")), "A=1 B=1"},
		{2, rows(words.Part(0, "A", "bb"), words.Part(1, "B", "B")), "A=2 B=3"},
		{3, nil, ""},
		{4, rows(words.Part(1, "bbb", "bbbb")), "bbb=1"},
		{5, rows(words.Part(0, "a", "a"), words.Part(2, "a")), "A=3"},
	})
}

// TestTransformOfNothing: what acts on empty batches acts within a transform too.
func TestTransformOfNothing(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, words.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[int64] {
			return r.Count().Map(func(n int64) int64 { return n * b.Number })
		}).To(dstreamtest.Sink("out"))
	}, values[int64], []step{{1, nil, "0"}, {2, rows(words.Part(0, "a", "b")), "4"}, {3, nil, "0"}})
}

// TestTransformWith joins two streams in some batches and unites them in others.
func TestTransformWith(t *testing.T) {
	run(t, func(job *dstream.Job) {
		a, b := dstream.From(job, words.Source()), dstream.From(job, numbers.Source())
		a.TransformWith(b, func(info dstream.BatchInfo, r rdd.RDD[string], o rdd.RDD[int64]) rdd.RDD[string] {
			if info.Number == 2 {
				return r.Union(o.Map(func(n int64) string { return fmt.Sprint(n) }))
			}
			return r.KeyBy(func(s string) int64 { return int64(len(s)) }).Join(o.KeyBy(dstream.Self), func(s string, n int64) string {
				return fmt.Sprint(s, n)
			}).Values()
		}).To(dstreamtest.Sink("out"))
	}, values[string], []step{
		{1, rows(words.Part(0, "a", "bb", "ccc"), numbers.Part(1, 1, 2, 2)), "a1 bb2 bb2"},
		{2, rows(words.Part(0, "a"), numbers.Part(1, 7)), "7 a"},
		{3, rows(words.Part(0, "a")), ""},
	})
}

// TestTransformWithItself: one stream is both inputs.
func TestTransformWithItself(t *testing.T) {
	run(t, func(job *dstream.Job) {
		s := dstream.From(job, words.Source())
		s.TransformWith(s, func(_ dstream.BatchInfo, r, o rdd.RDD[string]) rdd.RDD[string] {
			return r.Union(o.Map(strings.ToUpper))
		}).To(dstreamtest.Sink("out"))
	}, values[string], []step{{1, rows(words.Part(0, "a"), words.Part(1, "b")), "A B a b"}})
}

// TestKeyedTransform changes keys and values.
func TestKeyedTransform(t *testing.T) {
	run(t, func(job *dstream.Job) {
		k := dstream.From(job, words.Source()).KeyBy(dstream.Self)
		counts := k.Transform(func(_ dstream.BatchInfo, r rdd.Keyed[string, string]) rdd.Keyed[string, int64] { return r.CountByKey() })
		counts.TransformWith(k, func(b dstream.BatchInfo, r rdd.Keyed[string, int64], o rdd.Keyed[string, string]) rdd.Keyed[int64, string] {
			return r.Join(o, func(n int64, s string) string { return fmt.Sprint(s, n) }).Values().KeyBy(func(string) int64 { return b.Number })
		}).To(dstreamtest.Sink("out"))
	}, pairs[int64, string], []step{
		{1, rows(words.Part(0, "a", "b"), words.Part(1, "a")), "1=a2 1=a2 1=b1"},
		{2, rows(words.Part(0, "c")), "2=c1"},
	})
}

// TestSamplesWithinTransform: two samples draw other rows, and the same ones each time.
func TestSamplesWithinTransform(t *testing.T) {
	var all []int64
	for i := range int64(1000) {
		all = append(all, i)
	}
	r, err := dstreamtest.New(dstreamtest.Options{Debug: true}, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[int64]) rdd.RDD[int64] {
			return r.Sample(0.5).Union(r.Sample(0.5).Map(func(n int64) int64 { return -n }))
		}).To(dstreamtest.Sink("out"))
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Run(dstreamtest.At(1), numbers.Part(0, all...))
	if err != nil {
		t.Fatal(err)
	}
	drawn, both := map[int64]bool{}, 0
	for _, n := range dstreamtest.Values[int64](b, "out") {
		drawn[n] = true
		if drawn[-n] {
			both++
		}
	}
	if both < 150 || both > 350 { // 250, give or take
		t.Errorf("of 1000 rows both samples drew %d", both)
	}
}

// Mistakes that a function makes are told with its line, the transform's and the batch.
func TestTransformFails(t *testing.T) {
	type rows = rdd.RDD[string]
	var kept rows
	for want, f := range map[string]func(r rows) rows{
		"transform (transform_test.go:%d): batch 1: panic: no such day\n":                             func(rows) rows { panic("no such day") },
		"transform (transform_test.go:%d): batch 1: it gave nothing; give one of its inputs":          func(rows) rows { return rows{} },
		"transform (transform_test.go:%d): batch 1: transform_test.go:@: Map needs a function":        func(r rows) rows { return r.Map[string](nil) },                       // nil function
		"transform (transform_test.go:%d): batch 1: transform_test.go:!: source \"words\" has a name": func(r rows) rows { return r.Name("x") },                              // another name
		"transform (transform_test.go:%d): batch 1: transform_test.go:?: Filter needs a function":     func(rows) rows { return rdd.Parallelize([]string{"a"}).Filter(nil) }, // nil filter
		"transform (transform_test.go:%d): batch 1: source \"memory\" (transform_test.go:":            func(r rows) rows { return r.Union(source.Read(source.Memory([]string{"a"}))) },
		"transform (transform_test.go:%d): batch 2: it reads source \"words\"":                        func(r rows) rows { kept = first(kept, r); return kept.Distinct() },
		"transform (transform_test.go:%d): batch 1: it built more than 64 operators, for which t":     func(r rows) rows { return long(r) },
	} {
		kept = rows{}
		r, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
			dstream.From(job, words.Source()).Transform(func(_ dstream.BatchInfo, r rows) rows { return f(r) }).To(dstreamtest.Sink("out")) // transform that fails
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Run(dstreamtest.At(1), words.Part(0, "a"))
		if strings.Contains(want, "batch 2") && err == nil {
			_, err = r.Run(dstreamtest.At(2), words.Part(0, "a"))
		}
		want = strings.Replace(want, "@", itoa(lineIn(t, transformTestSource, "nil function")), 1)
		want = strings.Replace(want, "!", itoa(lineIn(t, transformTestSource, "another name")), 1)
		want = strings.Replace(want, "?", itoa(lineIn(t, transformTestSource, "nil filter")), 1)
		want = fmt.Sprintf(want, lineIn(t, transformTestSource, "transform that fails"))
		var user *rdd.UserError
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.As(err, &user) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestRowsMadeInTransform: rows that a function makes itself are rows of the batch, and have to be the same each time.
func TestRowsMadeInTransform(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[int64]) rdd.RDD[int64] {
			return rdd.Parallelize([]int64{-b.Number, -10 * b.Number}).Union(r)
		}).To(dstreamtest.Sink("out"))
	}, values[int64], []step{{1, nil, "-1 -10"}, {2, rows(numbers.Part(0, 5)), "-2 -20 5"}})
	var calls atomic.Int64
	r := runner(t, dstreamtest.Options{Debug: true}, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[int64]) rdd.RDD[int64] {
			return r.Union(rdd.Parallelize([]int64{calls.Add(1)}))
		}).To(dstreamtest.Sink("out"))
	})
	if _, err := r.Run(dstreamtest.At(1)); err == nil || !strings.Contains(err.Error(), "two different plans") {
		t.Error(err)
	}
}

func first(a, b rdd.RDD[string]) rdd.RDD[string] {
	if a.Node() == nil {
		return b
	}
	return a
}

func long(r rdd.RDD[string]) rdd.RDD[string] {
	for range rdd.FragmentRoom + 1 {
		r = r.Map(strings.ToUpper)
	}
	return r
}

// TestTransformsThatDiffer: a function that builds something else when it is called again is found by Debug (P22).
func TestTransformsThatDiffer(t *testing.T) {
	var calls atomic.Int64
	r, err := dstreamtest.New(dstreamtest.Options{Debug: true}, func(job *dstream.Job) {
		dstream.From(job, words.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			if calls.Add(1)%2 == 0 {
				return r.Distinct()
			}
			return r
		}).To(dstreamtest.Sink("out"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Run(dstreamtest.At(1), words.Part(0, "a")); err == nil || !strings.Contains(err.Error(), "batch 1: Transform built two different plans") {
		t.Error(err)
	}
}

func TestTransformMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	s := dstream.From(job, words.Source())
	s.Transform[string](nil).To(dstreamtest.Sink("a"))
	s.KeyBy(dstream.Self).TransformWith[rdd.Keyed[int64, string], string, func()](dstream.From(job, numbers.Source()).Map(func(n int64) string { return "" }).KeyBy(func(string) int64 { return 0 }), nil)
	s.TransformToKeyed[string, string](nil).To(dstreamtest.Sink("b"))
	s.KeyBy(dstream.Self).TransformToStream[string](nil).To(dstreamtest.Sink("c"))
	s.TransformWithToKeyed[rdd.RDD[string], string, string](s, nil).To(dstreamtest.Sink("d"))
	s.KeyBy(dstream.Self).TransformWithToStream[rdd.RDD[string], string](s, nil).To(dstreamtest.Sink("e"))
	s.TransformToKeyed(func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.Keyed[[]string, string] { panic("not called") })
	s.TransformWith(dstream.From(dstream.NewJob(dstream.JobOptions{}), numbers.Source()), func(_ dstream.BatchInfo, r rdd.RDD[string], _ rdd.RDD[int64]) rdd.RDD[string] { return r })
	_, err := job.Plan()
	for _, want := range []string{"Transform needs a function, not nil", "TransformWith needs a function", "transformWith mixes streams of two jobs", "func",
		"TransformToKeyed needs a function", "TransformToStream needs a function", "TransformWithToKeyed needs a function", "TransformWithToStream needs a function", "[]string"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
