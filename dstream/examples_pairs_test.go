package dstream_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// ordersOfTwo is the batch of the examples below.
func ordersOfTwo() []dstreamtest.Rows {
	return rows(orders.Part(0, "bob:tea", "ann:tea"), orders.Part(1, "bob:milk"))
}

// Keys and values become columns of a row.
func ExampleKeyed_To() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk"})).KeyBy(func(s string) int { return len(s) }).To(sink.FilesJSON(out))
	})
	// Output:
	// {"key":3,"value":"tea"}
	// {"key":4,"value":"milk"}
}

func ExampleKeyed_ReduceByKey() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).ReduceByKey(func(a, b string) string { return a + " and " + b })
	}, ordersOfTwo(), rows())
	// Output:
	// batch 1: bob=tea and milk ann=tea
	// batch 2: nothing
}

func ExampleKeyed_CountByKey() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).CountByKey()
	}, ordersOfTwo(), rows())
	// Output:
	// batch 1: bob=2 ann=1
	// batch 2: nothing
}

func ExampleKeyed_Map() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return byCustomer(job, orders).Map(func(customer, item string) string { return item + "-for-" + customer })
	}, ordersOfTwo())
	// Output:
	// batch 1: tea-for-bob tea-for-ann milk-for-bob
}

func ExampleKeyed_MapValues() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).MapValues(strings.ToUpper)
	}, ordersOfTwo())
	// Output:
	// batch 1: bob=TEA ann=TEA bob=MILK
}

func ExampleKeyed_Filter() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Filter(func(item string) bool { return item == "tea" })
	}, ordersOfTwo())
	// Output:
	// batch 1: bob=tea ann=tea
}

func ExampleKeyed_Values() {
	show(func(job *dstream.Job) dstream.Stream[string] { return byCustomer(job, orders).Values() }, ordersOfTwo())
	// Output:
	// batch 1: tea tea milk
}

func ExampleKeyed_Keys() {
	show(func(job *dstream.Job) dstream.Stream[string] { return byCustomer(job, orders).Keys() }, ordersOfTwo())
	// Output:
	// batch 1: bob ann bob
}

// Pairs are rows: they can be sorted, sampled, or given another key.
func ExampleKeyed_Pairs() {
	show(func(job *dstream.Job) dstream.Stream[dstream.Pair[string, int64]] {
		return byCustomer(job, orders).CountByKey().Pairs().
			SortBy(func(a, b dstream.Pair[string, int64]) int { return strings.Compare(a.Key, b.Key) })
	}, ordersOfTwo())
	// Output:
	// batch 1: {ann 1} {bob 2}
}

func ExampleKeyed_Union() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).Union(byCustomer(job, payments)).CountByKey()
	},
		rows(orders.Part(0, "bob:tea", "ann:tea"), payments.Part(0, "bob:1")))
	// Output:
	// batch 1: bob=2 ann=1
}

// Names are seen in the plan, which --explain shows, and on the screen.
func ExampleKeyed_Name() {
	job := dstream.NewJob(dstream.JobOptions{})
	byCustomer(job, orders).CountByKey().Name("orders of a customer").To(dstreamtest.Sink("out"))
	plan, err := job.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Text)
	// Output:
	// #0 source "orders": utf8 from memory orders
	//   #1 keyBy: utf8 -> utf8
	//     #2 mapValues: utf8 -> utf8
	//       => #3 countByKey "orders of a customer"
	// #3 countByKey "orders of a customer": utf8 -> int64
	//   => #4 sink "out"
	// #4 sink "out": utf8 -> int64 to memory out
}

func ExampleKeyed_Print() {
	printBatches(1, func(job *dstream.Job) {
		byCustomer(job, orders).CountByKey().Print(10)
	}, nil, [][]dstreamtest.Rows{ordersOfTwo()})
	// Output:
	// -- print-1: batch 1, 1970-01-01 00:00:01.000, 2 rows
	// key  value
	// ---  -----
	// bob      2
	// ann      1
}

// The function runs on the driver, once a batch, and computes with the batch's keys and values.
func ExampleKeyed_ForeachBatch() {
	runAside(func(job *dstream.Job) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).KeyBy(dstream.Self).CountByKey().
			ForeachBatch(func(ctx context.Context, b dstream.Batch, counts rdd.Keyed[string, int64]) error {
				n, err := rdd.CollectMap(ctx, counts)
				if len(n) > 0 {
					fmt.Printf("batch %d: %d of tea\n", b.Number, n["tea"])
				}
				return err
			})
	})
	// Output:
	// batch 1: 2 of tea
}

// What is read twice is computed once, and kept as long as the batch needs it: Cache changes nothing.
func ExampleKeyed_Cache() {
	calls := 0
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		s := byCustomer(job, orders).MapValues(func(item string) string { calls++; return strings.ToUpper(item) }).Cache()
		return s.Union(s)
	}, ordersOfTwo())
	fmt.Println(calls, "calls")
	// Output:
	// batch 1: bob=TEA ann=TEA bob=TEA ann=TEA bob=MILK bob=MILK
	// 3 calls
}

// Persist is Cache under its other name.
func ExampleKeyed_Persist() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		s := byCustomer(job, orders).Persist()
		return s.Union(s).CountByKey()
	}, ordersOfTwo())
	// Output:
	// batch 1: bob=4 ann=2
}
