package dstream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
)

// How many words were too short, beside those that are long enough.
func ExampleAccumulator() {
	var short *dstream.Acc[int64]
	show(func(job *dstream.Job) dstream.Stream[string] {
		short = dstream.Accumulator[int64](job, "short")
		return dstream.From(job, words.Source()).FilterTask(func(t dstream.Task, word string) bool {
			if len(word) < 3 {
				short.Add(t, 1)
				return false
			}
			return true
		})
	},
		rows(words.Part(0, "mill", "of", "a")),
		rows(words.Part(0, "race", "to")))
	fmt.Println(short.Value(), "were too short")
	// Output:
	// batch 1: mill
	// batch 2: race
	// 3 were too short
}

// The longest word and the shortest one of all batches.
func ExampleMaxAccumulator() {
	var most, least *dstream.Acc[int64]
	length := func(word string) int64 { return int64(len(word)) }
	show(func(job *dstream.Job) dstream.Stream[string] {
		most, least = dstream.MaxAccumulator[int64](job, "longest"), dstream.MinAccumulator[int64](job, "shortest")
		return dstream.From(job, words.Source()).Accumulate(most, length).Accumulate(least, length)
	},
		rows(words.Part(0, "mill", "of")),
		rows(words.Part(0, "grind")))
	fmt.Println(least.Value(), "to", most.Value(), "letters")
	// Output:
	// batch 1: mill of
	// batch 2: grind
	// 2 to 5 letters
}

// What all numbers add up to.
func ExampleStream_Accumulate() {
	var sum *dstream.Acc[int64]
	show(func(job *dstream.Job) dstream.Stream[int64] {
		sum = dstream.Accumulator[int64](job, "sum")
		return dstream.From(job, numbers.Source()).Accumulate(sum, dstream.Self)
	},
		rows(numbers.Part(0, 1, 2)),
		rows(numbers.Part(0, 3)))
	fmt.Println("sum", sum.Value())
	// Output:
	// batch 1: 1 2
	// batch 2: 3
	// sum 6
}

// Words that come more than once in their batch.
func ExampleKeyed_Accumulate() {
	var again *dstream.Acc[int64]
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		again = dstream.Accumulator[int64](job, "again")
		return dstream.From(job, words.Source()).CountByValue().Accumulate(again, func(_ string, n int64) int64 { return n - 1 })
	},
		rows(words.Part(0, "mill", "race", "mill")),
		rows(words.Part(0, "mill")))
	fmt.Println(again.Value(), "came again")
	// Output:
	// batch 1: mill=2 race=1
	// batch 2: mill=1
	// 1 came again
}

// Words that are not wanted, read from elsewhere now and then; here the job's own output changes them.
func ExampleBroadcast() {
	load := func(context.Context) (map[string]bool, error) { return map[string]bool{"of": true}, nil } // a file, a table, a service
	show(func(job *dstream.Job) dstream.Stream[string] {
		unwanted := dstream.Broadcast(job, "unwanted", load)
		wanted := dstream.From(job, words.Source()).FilterTask(func(t dstream.Task, word string) bool { return !unwanted.Get(t)[word] })
		wanted.Count().ForeachBatch(func(ctx context.Context, _ dstream.Batch, _ rdd.RDD[int64]) error {
			return unwanted.Update(ctx, map[string]bool{"of": true, "mill": true}) // for batches that are planned from now on
		})
		return wanted
	},
		rows(words.Part(0, "end", "of", "mill")),
		rows(words.Part(0, "end", "of", "mill")))
	// Output:
	// batch 1: end mill
	// batch 2: end
}

// A value that says which operators a batch is made of.
func ExampleVersioned_At() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		top := dstream.Broadcast(job, "top", func(context.Context) (int, error) { return 1, nil })
		return dstream.From(job, words.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			if n := top.At(b); n > 0 {
				return r.TopK(n, strings.Compare)
			}
			return r
		})
	},
		rows(words.Part(0, "mill", "race")))
	// Output:
	// batch 1: race
}

// Words with the second of their batch.
func ExampleStream_MapTask() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).MapTask(func(t dstream.Task, word string) string { return fmt.Sprint(word, "@", t.Time().Second()) })
	},
		rows(words.Part(0, "mill")),
		rows(words.Part(0, "race")))
	// Output:
	// batch 1: mill@1
	// batch 2: race@2
}

// Numbers that the batch's number divides.
func ExampleStream_FilterTask() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, numbers.Source()).FilterTask(func(t dstream.Task, n int64) bool { return n%t.Batch() == 0 })
	},
		rows(numbers.Part(0, 1, 2, 3, 4)),
		rows(numbers.Part(0, 1, 2, 3, 4)))
	// Output:
	// batch 1: 1 2 3 4
	// batch 2: 2 4
}

// Each word as often as the batch's number says.
func ExampleStream_FlatMapTask() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).FlatMapTask(func(t dstream.Task, word string) []string {
			return strings.Fields(strings.Repeat(word+" ", int(t.Batch())))
		})
	},
		rows(words.Part(0, "mill")),
		rows(words.Part(0, "race")))
	// Output:
	// batch 1: mill
	// batch 2: race race
}

// How many rows each partition of the source has.
func ExampleStream_MapPartitionsTask() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).MapPartitionsTask(func(t dstream.Task, rows []string) []string {
			return []string{fmt.Sprintf("partition %d: %d", t.Partition(), len(rows))}
		})
	},
		rows(words.Part(0, "mill", "race"), words.Part(3, "a")))
	// Output:
	// batch 1: partition 0: 2 partition 3: 1
}

// A rate for each currency.
func ExampleKeyed_MapValuesTask() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, float64] {
		rates := dstream.Broadcast(job, "rates", func(context.Context) (map[string]float64, error) { return map[string]float64{"EUR": 1.25}, nil })
		return dstream.From(job, words.Source()).KeyBy(dstream.Self).CountByKey().
			MapValuesTask(func(t dstream.Task, currency string, n int64) float64 { return float64(n) * rates.Get(t)[currency] })
	},
		rows(words.Part(0, "EUR", "EUR")))
	// Output:
	// batch 1: EUR=2.5
}

// An operator of one's own, which counts what it leaves out: whoever uses it declares nothing.
func ExampleKeyed_Job() {
	var left *dstream.Acc[int64]
	atLeast := func(k dstream.Keyed[string, int64], limit int64) dstream.Keyed[string, int64] {
		left = dstream.Accumulator[int64](k.Job(), "left out")
		return k.Accumulate(left, func(_ string, n int64) int64 {
			if n < limit {
				return 1
			}
			return 0
		}).Filter(func(n int64) bool { return n >= limit })
	}
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return atLeast(dstream.From(job, words.Source()).CountByValue(), 2)
	},
		rows(words.Part(0, "mill", "race", "mill")))
	fmt.Println(left.Value(), "left out")
	// Output:
	// batch 1: mill=2
	// 1 left out
}

// The least number that came, 0 before the first.
func ExampleMinAccumulator() {
	var least *dstream.Acc[float64]
	show(func(job *dstream.Job) dstream.Stream[int64] {
		least = dstream.MinAccumulator[float64](job, "least")
		return dstream.From(job, numbers.Source()).Accumulate(least, func(n int64) float64 { return float64(n) / 2 })
	},
		rows(numbers.Part(0, 7, 5)),
		rows(numbers.Part(0, 6)))
	fmt.Println("least", least.Value())
	// Output:
	// batch 1: 7 5
	// batch 2: 6
	// least 2.5
}

// Get is cheap enough to be called for each row.
func ExampleVersioned_Get() {
	show(func(job *dstream.Job) dstream.Stream[float64] {
		rate := dstream.Broadcast(job, "rate", func(context.Context) (float64, error) { return 1.5, nil })
		return dstream.From(job, numbers.Source()).MapTask(func(t dstream.Task, n int64) float64 { return float64(n) * rate.Get(t) })
	},
		rows(numbers.Part(0, 2, 4)))
	// Output:
	// batch 1: 3 6
}

// A threshold that the job moves itself: it follows the greatest number of the batches before.
func ExampleVersioned_Update() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		limit := dstream.Broadcast(job, "limit", func(context.Context) (int64, error) { return 0, nil })
		records := dstream.From(job, numbers.Source()).FilterTask(func(t dstream.Task, n int64) bool { return n > limit.Get(t) })
		records.Reduce(func(a, b int64) int64 { return max(a, b) }).ForeachBatch(func(ctx context.Context, _ dstream.Batch, r rdd.RDD[int64]) error {
			top, err := r.Take(ctx, 1)
			if err != nil || len(top) == 0 {
				return err
			}
			return limit.Update(ctx, top[0])
		})
		return records
	},
		rows(numbers.Part(0, 3, 5)),
		rows(numbers.Part(0, 4, 9, 5)),
		rows(numbers.Part(0, 8, 10)))
	// Output:
	// batch 1: 3 5
	// batch 2: 9
	// batch 3: 10
}

// A list that is read again each minute; batches that are planned in between see the one that was read last.
func ExampleReloadEvery() {
	load := func(context.Context) ([]string, error) { return []string{"of", "the"}, nil } // a file, a table, a service
	show(func(job *dstream.Job) dstream.Stream[string] {
		common := dstream.Broadcast(job, "common words", load, dstream.ReloadEvery(time.Minute))
		return dstream.From(job, words.Source()).FilterTask(func(t dstream.Task, word string) bool { return !slices.Contains(common.Get(t), word) })
	},
		rows(words.Part(0, "end", "of", "the", "mill")))
	// Output:
	// batch 1: end mill
}

// A setting that is read once, on the driver, and is the same for all of the job's life.
func ExampleValue() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		names := dstream.Value(job, "names", func() map[int64]string { return map[int64]string{1: "one", 2: "two"} }) // a file, the environment
		return dstream.From(job, numbers.Source()).Map(func(n int64) string { return names.Get()[n] })
	},
		rows(numbers.Part(0, 2, 1)))
	// Output:
	// batch 1: two one
}
