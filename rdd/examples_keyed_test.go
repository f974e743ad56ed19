package rdd_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/rdd"
)

// orders and payments are the inputs of the examples, by customer.
func orders() rdd.Keyed[string, string] {
	return rdd.ParallelizeKeyed([]string{"bob", "ann", "bob"}, []string{"tea", "tea", "milk"})
}

func payments() rdd.Keyed[string, int64] {
	return rdd.ParallelizeKeyed([]string{"ann", "cy"}, []int64{5, 7})
}

func ExampleParallelizeKeyed() {
	show(rdd.ParallelizeKeyed([]string{"bob", "ann"}, []string{"tea", "milk"}).Pairs())
	// Output:
	// [{bob tea} {ann milk}]
}

func ExampleKeyed_ReduceByKey() {
	showKeyed(orders().ReduceByKey(func(a, b string) string { return a + "+" + b }))
	// Output:
	// [{ann tea} {bob tea+milk}]
}

func ExampleKeyed_CountByKey() {
	showKeyed(orders().CountByKey())
	// Output:
	// [{ann 1} {bob 2}]
}

func ExampleKeyed_GroupByKey() {
	showKeyed(orders().GroupByKey())
	// Output:
	// [{ann [tea]} {bob [tea milk]}]
}

// Number and length of the rows of each key.
func ExampleKeyed_AggregateByKey() {
	type total struct{ Rows, Bytes int64 }
	showKeyed(orders().AggregateByKey(total{},
		func(t total, item string) total { return total{t.Rows + 1, t.Bytes + int64(len(item))} },
		func(a, b total) total { return total{a.Rows + b.Rows, a.Bytes + b.Bytes} }))
	// Output:
	// [{ann {1 3}} {bob {2 7}}]
}

// The first and the last row of each key.
func ExampleKeyed_CombineByKey() {
	type ends struct{ First, Last string }
	showKeyed(orders().CombineByKey(
		func(item string) ends { return ends{item, item} },
		func(e ends, item string) ends { return ends{e.First, item} },
		func(a, b ends) ends { return ends{a.First, b.Last} }))
	// Output:
	// [{ann {tea tea}} {bob {tea milk}}]
}

func ExampleKeyed_CoGroup() {
	showKeyed(orders().CoGroup(payments(), func(items []string, sums []int64) string { return fmt.Sprint(items, sums) }))
	// Output:
	// [{ann [tea] [5]} {bob [tea milk] []} {cy [] [7]}]
}

func ExampleKeyed_Join() {
	showKeyed(orders().Join(payments(), func(item string, sum int64) string { return fmt.Sprint(item, " for ", sum) }))
	// Output:
	// [{ann tea for 5}]
}

// paid shows what is there of the two sides.
func paid(item *string, sum *int64) string {
	switch {
	case item == nil:
		return fmt.Sprint("nothing for ", *sum)
	case sum == nil:
		return *item + " on credit"
	}
	return fmt.Sprint(*item, " for ", *sum)
}

func ExampleKeyed_LeftOuterJoin() {
	showKeyed(orders().LeftOuterJoin(payments(), func(item string, sum *int64) string { return paid(&item, sum) }))
	// Output:
	// [{ann tea for 5} {bob tea on credit} {bob milk on credit}]
}

func ExampleKeyed_RightOuterJoin() {
	showKeyed(orders().RightOuterJoin(payments(), func(item *string, sum int64) string { return paid(item, &sum) }))
	// Output:
	// [{ann tea for 5} {cy nothing for 7}]
}

func ExampleKeyed_FullOuterJoin() {
	showKeyed(orders().FullOuterJoin(payments(), paid))
	// Output:
	// [{ann tea for 5} {bob tea on credit} {bob milk on credit} {cy nothing for 7}]
}

// Orders of those who have not paid.
func ExampleKeyed_SubtractByKey() {
	showKeyed(orders().SubtractByKey(payments()))
	// Output:
	// [{bob tea} {bob milk}]
}

func ExampleKeyed_Map() {
	show(orders().Map(func(customer, item string) string { return item + "-for-" + customer }))
	// Output:
	// [tea-for-bob tea-for-ann milk-for-bob]
}

func ExampleKeyed_MapValues() {
	show(orders().MapValues(strings.ToUpper).Pairs())
	// Output:
	// [{bob TEA} {ann TEA} {bob MILK}]
}

func ExampleKeyed_FlatMapValues() {
	show(orders().FlatMapValues(func(item string) []string { return strings.Split(item, "") }).Pairs().Filter(func(p rdd.Pair[string, string]) bool { return p.Key == "ann" }))
	// Output:
	// [{ann t} {ann e} {ann a}]
}

func ExampleKeyed_Filter() {
	show(orders().Filter(func(item string) bool { return item == "tea" }).Pairs())
	// Output:
	// [{bob tea} {ann tea}]
}

func ExampleKeyed_Values() {
	show(orders().Values())
	// Output:
	// [tea tea milk]
}

func ExampleKeyed_Keys() {
	show(orders().Keys())
	// Output:
	// [bob ann bob]
}

// Pairs are rows: they can be sorted, sampled, or given another key.
func ExampleKeyed_Pairs() {
	show(orders().CountByKey().Pairs().SortBy(func(a, b rdd.Pair[string, int64]) int { return cmp.Compare(b.Value, a.Value) }))
	// Output:
	// [{bob 2} {ann 1}]
}

func ExampleKeyed_Union() {
	showKeyed(orders().Union(rdd.ParallelizeKeyed([]string{"cy"}, []string{"ale"})).CountByKey())
	// Output:
	// [{ann 1} {bob 2} {cy 1}]
}

func ExampleKeyed_Name() {
	plan, err := rdd.Bounded(orders().CountByKey().Name("orders of a customer").Node())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Text)
	// Output:
	// #0 parallelize: utf8 -> utf8, 3 rows
	//   => #1 countByKey "orders of a customer"
	// #1 countByKey "orders of a customer": utf8 -> int64
	//   => #2 gather "gathered"
	// #2 gather "gathered": utf8 -> int64 to the program
}

// All rows of a key are in one partition.
func ExampleKeyed_PartitionByKey() {
	show(lineWords().KeyBy(rdd.Self).PartitionByKey().Values().Glom())
	// Output:
	// [[to be to be] [or not]]
}

// Small numbers in one partition, large ones in the other.
func ExampleKeyed_PartitionBy() {
	show(rdd.Parallelize([]int64{1, 500, 2, 400}).KeyBy(rdd.Self).PartitionBy(func(n int64) int {
		if n < 100 {
			return 0
		}
		return 1
	}).Values().Glom())
	// Output:
	// [[1 2] [500 400]]
}

func ExampleKeyed_MapValuesTask() {
	show(orders().MapValuesTask(func(t rdd.Task, customer, item string) string { return fmt.Sprint(item, "@", t.Partition()) }).Pairs())
	// Output:
	// [{bob tea@0} {ann tea@1} {bob milk@1}]
}

func ExampleKeyed_Collect() {
	compute(func(ctx context.Context) error {
		customers, items, err := orders().Collect(ctx)
		fmt.Println(customers, items)
		return err
	})
	// Output:
	// [bob ann bob] [tea tea milk]
}

func ExampleCollectMap() {
	compute(func(ctx context.Context) error {
		counts, err := rdd.CollectMap(ctx, orders().CountByKey())
		fmt.Println(counts["bob"])
		return err
	})
	// Output:
	// 2
}

func ExampleKeyed_NumRows() {
	compute(func(ctx context.Context) error {
		n, err := orders().NumRows(ctx)
		fmt.Println(n)
		return err
	})
	// Output:
	// 3
}

func ExampleKeyed_Take() {
	compute(func(ctx context.Context) error {
		customers, items, err := orders().Take(ctx, 1)
		fmt.Println(customers, items)
		return err
	})
	// Output:
	// [bob] [tea]
}

func ExampleKeyed_Rows() {
	compute(func(ctx context.Context) error {
		rows, err := orders().Rows(ctx)
		if err != nil {
			return err
		}
		for customer, item := range rows {
			fmt.Println(customer, item)
		}
		return nil
	})
	// Output:
	// bob tea
	// ann tea
	// bob milk
}
