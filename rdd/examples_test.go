package rdd_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/rdd"
)

// compute runs f where RDDs can be computed: here in this process, with two partitions.
func compute(f func(ctx context.Context) error) {
	if err := driver.RunBatch(context.Background(), driver.Config{Partitions: 2}, f); err != nil {
		fmt.Println(err)
	}
}

// show prints the rows of an RDD.
func show[T any](r rdd.RDD[T]) {
	compute(func(ctx context.Context) error {
		rows, err := r.Collect(ctx)
		fmt.Println(rows)
		return err
	})
}

// showKeyed prints keys and values, sorted by key.
func showKeyed[K cmp.Ordered, V any](r rdd.Keyed[K, V]) {
	show(r.Pairs().SortBy(func(a, b rdd.Pair[K, V]) int { return cmp.Compare(a.Key, b.Key) }))
}

// lines are the input of the examples.
func lines() rdd.RDD[string] { return rdd.Parallelize([]string{"to be", "or not", "to be"}) }

func lineWords() rdd.RDD[string] { return lines().FlatMap(strings.Fields) }

func numbers() rdd.RDD[int64] { return rdd.Parallelize([]int64{3, 1, 4, 1, 5}) }

// Rows that the program has.
func ExampleParallelize() {
	show(rdd.Parallelize([]string{"tea", "milk"}))
	// Output:
	// [tea milk]
}

func ExampleRDD_Map() {
	show(lines().Map(strings.ToUpper))
	// Output:
	// [TO BE OR NOT TO BE]
}

func ExampleRDD_Filter() {
	show(numbers().Filter(func(n int64) bool { return n > 2 }))
	// Output:
	// [3 4 5]
}

func ExampleRDD_FlatMap() {
	show(lines().FlatMap(strings.Fields))
	// Output:
	// [to be or not to be]
}

// Each partition has a run of the rows.
func ExampleRDD_MapPartitions() {
	show(numbers().MapPartitions(func(rows []int64) []string { return []string{fmt.Sprintf("%d rows from %d", len(rows), rows[0])} }))
	// Output:
	// [2 rows from 3 3 rows from 4]
}

func ExampleRDD_Glom() {
	show(numbers().Glom())
	// Output:
	// [[3 1] [4 1 5]]
}

// A filter that leaves little in some partitions; the rest is dealt out evenly.
func ExampleRDD_Repartition() {
	show(rdd.Parallelize([]int64{1, 2, 3, 4, 50, 60, 70, 80}).Filter(func(n int64) bool { return n > 9 }).Repartition().Glom())
	// Output:
	// [[60 80] [50 70]]
}

func ExampleRDD_KeyBy() {
	showKeyed(lineWords().KeyBy(func(word string) int { return len(word) }).CountByKey())
	// Output:
	// [{2 5} {3 1}]
}

// Self makes a row its own key.
func ExampleSelf() {
	showKeyed(lineWords().KeyBy(rdd.Self).CountByKey())
	// Output:
	// [{be 2} {not 1} {or 1} {to 2}]
}

func ExampleRDD_Union() {
	show(numbers().Union(rdd.Parallelize([]int64{9}), numbers().TopK(1, cmp.Compare)).SortBy(cmp.Compare))
	// Output:
	// [1 1 3 4 5 5 9]
}

// Of nothing there is no sum.
func ExampleRDD_Reduce() {
	sum := func(a, b int64) int64 { return a + b }
	show(numbers().Reduce(sum))
	show(rdd.Parallelize([]int64{}).Reduce(sum))
	// Output:
	// [14]
	// []
}

// One row; NumRows computes it at once.
func ExampleRDD_Count() {
	show(numbers().Count())
	show(rdd.Parallelize([]int64{}).Count())
	// Output:
	// [5]
	// [0]
}

func ExampleRDD_CountByValue() {
	showKeyed(numbers().CountByValue())
	// Output:
	// [{1 2} {3 1} {4 1} {5 1}]
}

func ExampleRDD_Distinct() {
	show(numbers().Distinct().SortBy(cmp.Compare))
	// Output:
	// [1 3 4 5]
}

// The name is the seed: the sample stays the same from run to run.
func ExampleRDD_Sample() {
	show(rdd.Parallelize([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Sample(0.3).Name("a third"))
	// Output:
	// [0 2 3 7 8]
}

func ExampleRDD_SortBy() {
	show(numbers().SortBy(func(a, b int64) int { return cmp.Compare(b, a) }))
	// Output:
	// [5 4 3 1 1]
}

func ExampleRDD_TopK() {
	show(numbers().TopK(2, cmp.Compare))
	// Output:
	// [5 4]
}

// Numbers follow the order of the rows; the numbered rows stay spread over partitions.
func ExampleRDD_ZipWithIndex() {
	show(lines().ZipWithIndex().SortBy(func(a, b rdd.Indexed[string]) int { return cmp.Compare(a.Index, b.Index) }))
	// Output:
	// [{0 to be} {1 or not} {2 to be}]
}

func ExampleRDD_Name() {
	plan, err := rdd.Bounded(lines().Map(strings.ToUpper).Name("shout").Node())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Text)
	// Output:
	// #0 parallelize: utf8, 3 rows
	//   #1 map "shout": utf8
	//     => #2 gather "gathered"
	// #2 gather "gathered": utf8 to the program
}

// Numbers with their partition: a task knows where it runs.
func ExampleRDD_MapTask() {
	show(numbers().MapTask(func(t rdd.Task, n int64) string { return fmt.Sprintf("%d@%d", n, t.Partition()) }))
	// Output:
	// [3@0 1@0 4@1 1@1 5@1]
}

func ExampleRDD_FilterTask() {
	show(numbers().FilterTask(func(t rdd.Task, n int64) bool { return t.Partition() == 0 }))
	// Output:
	// [3 1]
}

func ExampleRDD_FlatMapTask() {
	show(lines().FlatMapTask(func(t rdd.Task, line string) []string { return strings.Fields(line)[:1+t.Partition()] }))
	// Output:
	// [to or not to be]
}

func ExampleRDD_MapPartitionsTask() {
	show(numbers().MapPartitionsTask(func(t rdd.Task, rows []int64) []string {
		return []string{fmt.Sprintf("partition %d: %d", t.Partition(), len(rows))}
	}))
	// Output:
	// [partition 0: 2 partition 1: 3]
}

func ExampleRDD_Collect() {
	compute(func(ctx context.Context) error {
		words, err := lineWords().Collect(ctx)
		fmt.Println(len(words), words[0])
		return err
	})
	// Output:
	// 6 to
}

func ExampleRDD_NumRows() {
	compute(func(ctx context.Context) error {
		n, err := lineWords().NumRows(ctx)
		fmt.Println(n)
		return err
	})
	// Output:
	// 6
}

func ExampleRDD_Take() {
	compute(func(ctx context.Context) error {
		words, err := lineWords().Take(ctx, 2)
		fmt.Println(words)
		return err
	})
	// Output:
	// [to be]
}

func ExampleRDD_Rows() {
	compute(func(ctx context.Context) error {
		for word, err := range lineWords().Rows(ctx) {
			if err != nil {
				return err
			}
			fmt.Print(word, ".")
		}
		fmt.Println()
		return nil
	})
	// Output:
	// to.be.or.not.to.be.
}

// What is used several times is computed once.
func ExampleRDD_Persist() {
	compute(func(ctx context.Context) error {
		words, err := lineWords().Persist(ctx)
		if err != nil {
			return err
		}
		all, err := words.NumRows(ctx)
		if err != nil {
			return err
		}
		kinds, err := words.Distinct().NumRows(ctx)
		fmt.Println(all, "words,", kinds, "kinds")
		return err
	})
	// Output:
	// 6 words, 4 kinds
}
