package dstream_test

import (
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// Examples run a batch a second.
func some(batches ...string) (list [][]dstreamtest.Rows) {
	for _, b := range batches {
		list = append(list, rows(words.Part(0, strings.Fields(b)...)))
	}
	return list
}

func ExampleStream_Window() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).Window("last 3 s", 3*time.Second, time.Second)
	}, some("a b", "c", "", "d")...)
	// Output:
	// batch 1: a b
	// batch 2: a b c
	// batch 3: a b c
	// batch 4: c d
}

func ExampleStream_CountByWindow() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, words.Source()).CountByWindow("last 2 s", 2*time.Second, time.Second)
	}, some("a b", "c", "", "")...)
	// Output:
	// batch 1: 2
	// batch 2: 3
	// batch 3: 1
	// batch 4: 0
}

func ExampleStream_CountByValueAndWindow() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return dstream.From(job, words.Source()).CountByValueAndWindow("last 4 s", 4*time.Second, 2*time.Second).Changes()
	}, some("a b", "a", "c", "", "", "c")...)
	// Output:
	// batch 1: nothing
	// batch 2: b=1 a=2
	// batch 3: nothing
	// batch 4: c=1
	// batch 5: nothing
	// batch 6: c=2
}

func ExampleStream_ReduceByWindow() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).ReduceByWindow("last 2 s", func(a, b string) string { return max(a, b) }, 2*time.Second, time.Second)
	}, some("a d", "b", "c", "", "")...)
	// Output:
	// batch 1: d
	// batch 2: d
	// batch 3: c
	// batch 4: c
	// batch 5: nothing
}

// lengthsOf are the lengths of words, by their first letter.
func lengthsOf(job *dstream.Job) dstream.Keyed[string, int64] {
	return dstream.From(job, words.Source()).KeyBy(func(w string) string { return w[:1] }).MapValues(func(w string) int64 { return int64(len(w)) })
}

func ExampleKeyed_ReduceByKeyAndWindow() {
	sum := func(a, b int64) int64 { return a + b }
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return lengthsOf(job).ReduceByKeyAndWindow("last 2 s", sum, 2*time.Second, time.Second).All()
	}, some("ann bob", "al", "bo", "")...)
	// Output:
	// batch 1: a=3 b=3
	// batch 2: a=5 b=3
	// batch 3: a=2 b=2
	// batch 4: b=2
}

// What leaves is taken out and what enters is added: a long window costs no more than a short one.
func ExampleInverse() {
	sum := func(a, b int64) int64 { return a + b }
	less := func(all, leaving int64) int64 { return all - leaving }
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return lengthsOf(job).ReduceByKeyAndWindow("last 2 s", sum, 2*time.Second, time.Second, dstream.Inverse(less)).Changes()
	}, some("ann bob", "al", "bo", "")...)
	// Output:
	// batch 1: a=3 b=3
	// batch 2: a=5
	// batch 3: b=2 a=2
	// batch 4: nothing
}

// A key without rows is shown with 0 as long as the job runs.
func ExampleKeepEmpty() {
	sum := func(a, b int64) int64 { return a + b }
	less := func(all, leaving int64) int64 { return all - leaving }
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return lengthsOf(job).ReduceByKeyAndWindow("last s", sum, time.Second, time.Second, dstream.Inverse(less), dstream.KeepEmpty()).All()
	}, some("ann bob", "al", "")...)
	// Output:
	// batch 1: a=3 b=3
	// batch 2: a=2 b=0
	// batch 3: a=0 b=0
}

func ExampleKeepIf() {
	sum := func(a, b int64) int64 { return a + b }
	long := func(_ string, n int64) bool { return n > 3 }
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return lengthsOf(job).ReduceByKeyAndWindow("last 2 s", sum, 2*time.Second, time.Second, dstream.KeepIf(long)).All()
	}, some("ann bob", "al", "bo")...)
	// Output:
	// batch 1: nothing
	// batch 2: a=5
	// batch 3: nothing
}

func ExampleKeyed_Window() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return lengthsOf(job).Window("last 2 s", 2*time.Second, time.Second)
	}, some("ann", "al", "")...)
	// Output:
	// batch 1: a=3
	// batch 2: a=3 a=2
	// batch 3: a=2
}

func ExampleKeyed_GroupByKeyAndWindow() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, []int64] {
		return lengthsOf(job).GroupByKeyAndWindow("last 2 s", 2*time.Second, time.Second)
	}, some("ann bob", "al", "")...)
	// Output:
	// batch 1: b=[3] a=[3]
	// batch 2: b=[3] a=[3 2]
	// batch 3: a=[2]
}

func ExampleStream_Remember() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		past := dstream.From(job, words.Source()).Remember("an hour", time.Hour)
		return past.Slice(func(at time.Time) (from, until time.Time) { return at.Add(-3 * time.Second), at.Add(-2 * time.Second) })
	}, some("a b", "c", "d", "")...)
	// Output:
	// batch 1: nothing
	// batch 2: nothing
	// batch 3: a b
	// batch 4: c
}

// All rows from the beginning, in each batch.
func ExampleMemory_Slice() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		past := dstream.From(job, words.Source()).Remember("an hour", time.Hour)
		return past.Slice(func(at time.Time) (from, until time.Time) { return time.Time{}, at })
	}, some("a b", "c", "")...)
	// Output:
	// batch 1: a b
	// batch 2: a b c
	// batch 3: a b c
}
