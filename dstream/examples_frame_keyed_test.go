package dstream_test

import (
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

type toll struct {
	City  string
	Cents int64
	Note  string
}

var tolls = dstreamtest.Input[toll]("tolls")

var someFares = []dstreamtest.Rows{tolls.Part(0, toll{"Bergen", 120, ""}, toll{"Oslo", 90, "night"}, toll{"Bergen", 80, ""})}

// A column as a key, and the other as its value: what a sink of keyed rows writes.
func ExampleFrame_KeyBy() {
	printBatches(1, func(job *dstream.Job) {
		dstream.From(job, tolls.Source()).Frame().
			Where(expr.Col("cents").Gt(int64(85))).
			Select("city", "cents").
			KeyBy("city").
			To(dstreamtest.Sink("out"))
	}, pairs[string, int64], [][]dstreamtest.Rows{someFares})
	// Output:
	// batch 1: Bergen=120 Oslo=90
}

// Several columns are a key together, and several are a value.
func ExampleKeyedFrame_To() {
	type place struct{ City, Note string }
	printBatches(1, func(job *dstream.Job) {
		dstream.From(job, tolls.Source()).Frame().KeyBy("city", "note").As[place, int64]().To(dstreamtest.Sink("out"))
	}, pairs[place, int64], [][]dstreamtest.Rows{someFares})
	// Output:
	// batch 1: {Bergen }=120 {Oslo night}=90 {Bergen }=80
}

// From columns back to Go values, keys and all.
func ExampleKeyedFrame_As() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return dstream.From(job, tolls.Source()).Frame().
			Select("city", "cents").
			KeyBy("city").As[string, int64]().
			ReduceByKey(func(a, b int64) int64 { return max(a, b) })
	}, someFares)
	// Output:
	// batch 1: Bergen=120 Oslo=90
}
