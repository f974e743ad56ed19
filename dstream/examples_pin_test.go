package dstream_test

import (
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
)

// Rows that the program has, joined with those of each batch.
func ExamplePinRows() {
	type code struct {
		Number int64
		Name   string
	}
	show(func(job *dstream.Job) dstream.Stream[string] {
		codes := dstream.PinRows(job, "codes", func() []code { return []code{{1, "one"}, {2, "two"}} })
		return dstream.From(job, numbers.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[int64]) rdd.RDD[string] {
			byNumber := codes.RDD().KeyBy(func(c code) int64 { return c.Number })
			return r.KeyBy(rdd.Self).Join(byNumber, func(_ int64, c code) string { return c.Name }).Values()
		})
	},
		rows(numbers.Part(0, 2, 1, 2)),
		rows(numbers.Part(0, 3)))
	// Output:
	// batch 1: two two one
	// batch 2: nothing
}

// Bounded data that is computed once, here from rows of the program; source.Read gives that of files and topics.
func ExamplePin() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		common := dstream.Pin(job, "common", rdd.Parallelize([]string{"to", "a", "to"}).Distinct().Filter(func(s string) bool { return s != "a" }))
		return dstream.From(job, words.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			return r.KeyBy(rdd.Self).SubtractByKey(common.RDD().KeyBy(rdd.Self)).Values()
		})
	},
		rows(words.Part(0, "to", "the", "mill")))
	// Output:
	// batch 1: the mill
}

// Rows for look-ups in a function.
func ExamplePinned_Rows() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		steps := dstream.PinRows(job, "steps", func() []string { return []string{"none", "one", "two"} })
		return dstream.From(job, numbers.Source()).Map(func(n int64) string { return steps.Rows()[n] })
	},
		rows(numbers.Part(0, 2, 0)))
	// Output:
	// batch 1: two none
}

// Rows as a part of each batch.
func ExamplePinned_RDD() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		always := dstream.PinRows(job, "always", func() []string { return []string{"mill"} })
		return dstream.From(job, words.Source()).Transform(func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			return r.Union(always.RDD()).Distinct()
		})
	},
		rows(words.Part(0, "race", "mill")),
		rows())
	// Output:
	// batch 1: race mill
	// batch 2: mill
}
