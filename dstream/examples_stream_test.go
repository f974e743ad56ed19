package dstream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// A job reads sources; here the rows are the program's own.
func ExampleFrom() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk"})).To(sink.FilesText(out))
	})
	// Output:
	// tea
	// milk
}

func ExampleStream_To() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).Distinct().To(sink.FilesJSON(out))
	})
	// Output:
	// {"value":"tea"}
	// {"value":"milk"}
}

func ExampleStream_Map() {
	show(func(job *dstream.Job) dstream.Stream[int] {
		return dstream.From(job, words.Source()).Map(func(word string) int { return len(word) })
	},
		rows(words.Part(0, "mill", "race")),
		rows(words.Part(0, "a")))
	// Output:
	// batch 1: 4 4
	// batch 2: 1
}

func ExampleStream_Filter() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, numbers.Source()).Filter(func(n int64) bool { return n > 2 })
	},
		rows(numbers.Part(0, 3, 1, 4)),
		rows(numbers.Part(0, 1)))
	// Output:
	// batch 1: 3 4
	// batch 2: nothing
}

func ExampleStream_FlatMap() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).FlatMap(strings.Fields)
	},
		rows(words.Part(0, "to be", "", "or not")))
	// Output:
	// batch 1: to be or not
}

// A key is a value that can be compared: a field, a struct of some of them.
func ExampleStream_KeyBy() {
	type group struct {
		First  string
		Length int64
	}
	showKeyed(func(job *dstream.Job) dstream.Keyed[group, string] {
		return dstream.From(job, words.Source()).KeyBy(func(word string) group { return group{word[:1], int64(len(word))} })
	},
		rows(words.Part(0, "mill", "a", "most")))
	// Output:
	// batch 1: {m 4}=mill {a 1}=a {m 4}=most
}

// Self makes a row its own key.
func ExampleSelf() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return dstream.From(job, words.Source()).KeyBy(dstream.Self)
	},
		rows(words.Part(0, "mill", "race")))
	// Output:
	// batch 1: mill=mill race=race
}

func ExampleStream_Union() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		s := dstream.From(job, words.Source())
		return s.Union(s.Map(strings.ToUpper), dstream.From(job, orders.Source()))
	},
		rows(words.Part(0, "a", "b"), orders.Part(0, "ann:tea")),
		rows(orders.Part(0, "bob:milk")))
	// Output:
	// batch 1: a b A B ann:tea
	// batch 2: bob:milk
}

// An empty batch is counted too.
func ExampleStream_Count() {
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, words.Source()).Count()
	},
		rows(words.Part(0, "a", "b"), words.Part(1, "a")),
		rows())
	// Output:
	// batch 1: 3
	// batch 2: 0
}

func ExampleStream_CountByValue() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return dstream.From(job, words.Source()).CountByValue()
	},
		rows(words.Part(0, "b", "a", "b"), words.Part(1, "b")))
	// Output:
	// batch 1: b=3 a=1
}

// Names are seen in the plan, which --explain shows, and on the screen.
func ExampleStream_Name() {
	job := dstream.NewJob(dstream.JobOptions{})
	dstream.From(job, words.Source()).Map(strings.ToUpper).Name("shout").To(dstreamtest.Sink("out"))
	plan, err := job.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Text)
	// Output:
	// #0 source "words": utf8 from memory words
	//   #1 map "shout": utf8
	//     => #2 sink "out"
	// #2 sink "out": utf8 to memory out
}

// Records that are no rows of the source's type go aside, each with its place and what is wrong.
func ExampleStream_DeadLetter() {
	printBatches(1, func(job *dstream.Job) {
		dstream.From(job, words.Source()).DeadLetter(dstreamtest.Sink("dead")).To(dstreamtest.Sink("out"))
	}, func(b *dstreamtest.Batch) []string {
		list := values[string](b)
		for _, d := range dstreamtest.Values[rdd.DeadLetter](b, "dead") {
			list = append(list, fmt.Sprintf("(%s, partition %d, offset %d: %x)", d.Source, d.Partition, d.Offset, d.Value))
		}
		return list
	}, [][]dstreamtest.Rows{rows(words.Part(0, "mill"), words.Raw(1, []byte{0xff}))})
	// Output:
	// batch 1: mill (words, partition 1, offset 0: ff)
}

func ExampleStream_Print() {
	type order struct {
		Customer, Item string
		Count          int64
	}
	printed := dstreamtest.Input[order]("orders")
	printBatches(1, func(job *dstream.Job) {
		dstream.From(job, printed.Source()).Print(2)
	}, nil, [][]dstreamtest.Rows{rows(printed.Part(0, order{"ann", "tea", 1}, order{"bob", "milk", 12}, order{"cy", "tea", 3})), rows()})
	// Output:
	// -- print-1: batch 1, 1970-01-01 00:00:01.000, 3 rows
	// customer  item  count
	// --------  ----  -----
	// ann       tea       1
	// bob       milk     12
	// and 1 row more
}

// The function runs on the driver, once a batch, and computes with the batch's rows.
func ExampleStream_ForeachBatch() {
	runAside(func(job *dstream.Job) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).
			ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.RDD[string]) error {
				kinds, err := rows.Distinct().Collect(ctx)
				if len(kinds) > 0 {
					fmt.Printf("batch %d: %s\n", b.Number, strings.Join(kinds, ", "))
				}
				return err
			}, sink.CallbackTimeout(time.Minute))
	})
	// Output:
	// batch 1: tea, milk
}

// Rows are in memory as long as their batch needs them: Persist changes nothing.
func ExampleStream_Persist() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		s := dstream.From(job, words.Source()).Map(strings.ToUpper).Persist()
		return s.Union(s)
	},
		rows(words.Part(0, "a", "b")))
	// Output:
	// batch 1: A B A B
}

// An operator that is made of others, with a figure of its own.
func ExampleStream_Job() {
	notEmpty := func(s dstream.Stream[string]) (dstream.Stream[string], *dstream.Acc[int64]) {
		all := dstream.Accumulator[int64](s.Job(), "rows that came")
		return s.Accumulate(all, func(string) int64 { return 1 }).Filter(func(row string) bool { return row != "" }), all
	}
	var all *dstream.Acc[int64]
	show(func(job *dstream.Job) (s dstream.Stream[string]) {
		s, all = notEmpty(dstream.From(job, words.Source()))
		return s
	},
		rows(words.Part(0, "mill", "", "race")))
	fmt.Println(all.Value(), "rows came")
	// Output:
	// batch 1: mill race
	// 3 rows came
}
