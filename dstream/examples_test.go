package dstream_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// The inputs of the examples.
var (
	words   = dstreamtest.Input[string]("words")
	numbers = dstreamtest.Input[int64]("numbers")
)

// show runs a job with one reduce partition, a second of batch time a batch, and prints the rows of each batch.
func show[T any](build func(*dstream.Job) dstream.Stream[T], batches ...[]dstreamtest.Rows) {
	showOn(1, build, batches...)
}

// showOn is show with several reduce partitions.
func showOn[T any](partitions int, build func(*dstream.Job) dstream.Stream[T], batches ...[]dstreamtest.Rows) {
	printBatches(partitions, func(job *dstream.Job) { build(job).To(dstreamtest.Sink("out")) }, values[T], batches)
}

// showKeyed is show for keys with values.
func showKeyed[K, V any](build func(*dstream.Job) dstream.Keyed[K, V], batches ...[]dstreamtest.Rows) {
	printBatches(1, func(job *dstream.Job) { build(job).To(dstreamtest.Sink("out")) }, pairs[K, V], batches)
}

func printBatches(partitions int, build func(*dstream.Job), rows func(*dstreamtest.Batch) []string, batches [][]dstreamtest.Rows) {
	r, err := dstreamtest.New(dstreamtest.Options{Reduce: partitions}, build)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, in := range batches {
		b, err := r.Run(dstreamtest.At(time.Duration(i+1)*time.Second), in...)
		if err != nil {
			fmt.Println(err)
			return
		}
		if rows == nil {
			continue // the job shows what it has to show
		}
		text := strings.Join(rows(b), " ")
		if text == "" {
			text = "nothing"
		}
		fmt.Printf("batch %d: %s\n", i+1, text)
	}
}

// Rows of a partition that are looked up in one go.
func ExampleStream_MapPartitions() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).MapPartitions(func(rows []string) []string {
			return []string{fmt.Sprintf("%d:%s", len(rows), strings.Join(rows, "+"))}
		})
	},
		rows(words.Part(0, "a", "b"), words.Part(1, "c")),
		rows(),
		rows(words.Part(1, "d")))
	// Output:
	// batch 1: 2:a+b 1:c
	// batch 2: nothing
	// batch 3: 1:d
}

func ExampleStream_Glom() {
	show(func(job *dstream.Job) dstream.Stream[[]string] {
		return dstream.From(job, words.Source()).Glom()
	},
		rows(words.Part(0, "a", "b"), words.Part(1, "c")))
	// Output:
	// batch 1: [a b] [c]
}

// One source partition becomes work for two.
func ExampleStream_Repartition() {
	showOn(2, func(job *dstream.Job) dstream.Stream[[]int64] {
		return dstream.From(job, numbers.Source()).Repartition().Glom()
	},
		rows(numbers.Part(0, 1, 2, 3, 4, 5)))
	// Output:
	// batch 1: [1 3 5] [2 4]
}

// An empty batch has no sum; Count would give 0.
func ExampleStream_Reduce() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, numbers.Source()).Reduce(func(a, b int64) int64 { return a + b })
	},
		rows(numbers.Part(0, 1, 2), numbers.Part(1, 3)),
		rows())
	// Output:
	// batch 1: 6
	// batch 2: nothing
}

func ExampleStream_Distinct() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).Distinct()
	},
		rows(words.Part(0, "b", "a", "b"), words.Part(1, "a", "c")))
	// Output:
	// batch 1: b a c
}

// The name is the seed: the sample stays the same from run to run.
func ExampleStream_Sample() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, numbers.Source()).Sample(0.3).Name("a third")
	},
		rows(numbers.Part(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
		rows(numbers.Part(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)))
	// Output:
	// batch 1: 0 2 3 6
	// batch 2: 2 8
}

// Descending: the arguments of the comparison change places.
func ExampleStream_SortBy() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, numbers.Source()).SortBy(func(a, b int64) int { return cmp.Compare(b, a) })
	},
		rows(numbers.Part(0, 3, 1), numbers.Part(1, 4, 1, 5)))
	// Output:
	// batch 1: 5 4 3 1 1
}

// The most frequent words of a batch; of those that are equally frequent the first that appeared.
func ExampleStream_TopK() {
	type count = dstream.Pair[string, int64]
	show(func(job *dstream.Job) dstream.Stream[count] {
		return dstream.From(job, words.Source()).CountByValue().Pairs().
			TopK(2, func(a, b count) int { return cmp.Compare(a.Value, b.Value) })
	},
		rows(words.Part(0, "a", "b", "c", "b"), words.Part(1, "c")))
	// Output:
	// batch 1: {b 2} {c 2}
}

func ExampleStream_ZipWithIndex() {
	show(func(job *dstream.Job) dstream.Stream[dstream.Indexed[string]] {
		return dstream.From(job, words.Source()).ZipWithIndex()
	},
		rows(words.Part(0, "a", "b"), words.Part(1, "c")),
		rows(words.Part(0, "d")))
	// Output:
	// batch 1: {0 a} {1 b} {2 c}
	// batch 2: {0 d}
}

// Small numbers in one partition, large ones in the other.
func ExampleKeyed_PartitionBy() {
	showOn(2, func(job *dstream.Job) dstream.Stream[[]int64] {
		return dstream.From(job, numbers.Source()).KeyBy(dstream.Self).
			PartitionBy(func(n int64) int {
				if n < 100 {
					return 0
				}
				return 1
			}).
			Values().Glom()
	},
		rows(numbers.Part(0, 1, 500, 2), numbers.Part(1, 3, 400)))
	// Output:
	// batch 1: [1 2 3] [500 400]
}

// All rows of a key are in one call of MapPartitions.
func ExampleKeyed_PartitionByKey() {
	showOn(3, func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).KeyBy(dstream.Self).PartitionByKey().Values().
			MapPartitions(func(rows []string) []string {
				slices.Sort(rows)
				return []string{strings.Join(rows, "")}
			})
	},
		rows(words.Part(0, "a", "b", "a"), words.Part(1, "b", "a")))
	// Output:
	// batch 1: bb aaa
}
