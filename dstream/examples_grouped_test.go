package dstream_test

import (
	"fmt"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// fare is a row of the examples of Frames.
type fare struct {
	City string
	Cost int64
}

var fares = dstreamtest.Input[fare]("fares")

// cityTotal is what is made of a city's fares. A sum may be null: of nothing, or where it does not fit.
type cityTotal struct {
	City  string
	N     int64
	Total *int64
}

func (t cityTotal) String() string { return fmt.Sprintf("%s:%d/%d", t.City, *t.Total, t.N) }

func totalsOf(f dstream.Frame) dstream.Stream[string] {
	return f.As[cityTotal]().Map(cityTotal.String)
}

// showFares shows what is made of two batches of fares.
func showFares[T any](build func(dstream.Frame) dstream.Stream[T]) {
	show(func(job *dstream.Job) dstream.Stream[T] { return build(dstream.From(job, fares.Source()).Frame()) },
		rows(fares.Part(0, fare{"rome", 5}, fare{"oslo", 2}, fare{"rome", 9}, fare{"bonn", 4})),
		rows(fares.Part(0, fare{"oslo", 8})))
}

func ExampleFrame_GroupBy() {
	showFares(func(f dstream.Frame) dstream.Stream[string] {
		return totalsOf(f.GroupBy("city").Agg(expr.Count().As("n"), expr.Sum("cost").As("total")))
	})
	// Output:
	// batch 1: rome:14/2 oslo:2/1 bonn:4/1
	// batch 2: oslo:8/1
}

// The whole batch is one group, and some rows do not count.
func ExampleGrouped_Agg() {
	type seen struct{ Rows, Dear int64 }
	showFares(func(f dstream.Frame) dstream.Stream[seen] {
		return f.GroupBy().Agg(expr.Count().As("rows"), expr.Count().Where(expr.Col("cost").Gt(4)).As("dear")).As[seen]()
	})
	// Output:
	// batch 1: {4 2}
	// batch 2: {1 1}
}

// Totals of the job's life: each batch shows what it changed.
func ExampleGrouped_Running() {
	showFares(func(f dstream.Frame) dstream.Stream[string] {
		return totalsOf(f.GroupBy("city").Running("totals").Agg(expr.Count().As("n"), expr.Sum("cost").As("total")))
	})
	// Output:
	// batch 1: rome:14/2 oslo:2/1 bonn:4/1
	// batch 2: oslo:10/2
}

func ExampleRunningGroups_Agg() {
	type cities struct{ Cities int64 }
	showFares(func(f dstream.Frame) dstream.Stream[cities] {
		return f.GroupBy().Running("cities", dstream.CheckpointEvery(10)).Agg(expr.ApproxCountDistinct("city").As("cities")).As[cities]()
	})
	// Output:
	// batch 1: {3}
	// batch 2: {3}
}

func ExampleFrame_Snapshots() {
	showFares(func(f dstream.Frame) dstream.Stream[string] {
		return totalsOf(f.GroupBy("city").Running("totals").Agg(expr.Count().As("n"), expr.Sum("cost").As("total")).Snapshots())
	})
	// Output:
	// batch 1: bonn:4/1 oslo:2/1 rome:14/2
	// batch 2: bonn:4/1 oslo:10/2 rome:14/2
}
