package dstream_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// runToEnd runs a job over bounded sources to its end, with a checkpoint in dir.
func runToEnd(dir string, job func(*dstream.Job)) {
	err := driver.Run(context.Background(), job, driver.Config{
		Name: "example", Master: "local[1]", Interval: 5 * time.Millisecond, Checkpoint: filepath.Join(dir, "checkpoint"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
	}
}

// runAside is runToEnd in a directory that is removed afterwards.
func runAside(job func(*dstream.Job)) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	runToEnd(dir, job)
}

// showFiles runs a job that writes files to out, and prints those that the manifest names.
func showFiles(job func(job *dstream.Job, out string)) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out")
	runToEnd(dir, func(j *dstream.Job) { job(j, out) })
	files, err := sink.ReadManifest(out)
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Path, ".parquet") {
			fmt.Println(f.Rows, "rows of Parquet")
			continue
		}
		text, err := os.ReadFile(f.Path)
		if err != nil {
			fmt.Println(err)
		}
		fmt.Print(string(text))
	}
}

func ExampleStream_SaveAsTextFiles() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk"})).Map(strings.ToUpper).SaveAsTextFiles(out)
	})
	// Output:
	// TEA
	// MILK
}

// The key stands in front of the value.
func ExampleKeyed_SaveAsTextFiles() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).KeyBy(dstream.Self).CountByKey().
			SaveAsTextFiles(out, sink.RollEvery(time.Minute))
	})
	// Output:
	// tea	2
	// milk	1
}

func ExampleStream_SaveAsJSON() {
	type order struct {
		Item  string
		Count int64
	}
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk"})).
			Map(func(item string) order { return order{item, int64(len(item))} }).
			SaveAsJSON(out)
	})
	// Output:
	// {"item":"tea","count":3}
	// {"item":"milk","count":4}
}

func ExampleKeyed_SaveAsJSON() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).KeyBy(dstream.Self).CountByKey().SaveAsJSON(out)
	})
	// Output:
	// {"key":"tea","value":2}
	// {"key":"milk","value":1}
}

func ExampleStream_SaveAsParquet() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk"})).SaveAsParquet(out)
	})
	// Output:
	// 2 rows of Parquet
}

func ExampleKeyed_SaveAsParquet() {
	showFiles(func(job *dstream.Job, out string) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).KeyBy(dstream.Self).CountByKey().SaveAsParquet(out)
	})
	// Output:
	// 2 rows of Parquet
}

// With several lanes the calls of a batch run side by side, here and on other machines.
func ExampleStream_ForeachPartition() {
	runAside(func(job *dstream.Job) {
		dstream.From(job, source.Memory([]string{"tea", "milk"})).
			ForeachPartition(func(ctx context.Context, b dstream.Batch, rows []string) error {
				fmt.Printf("batch %d: %s\n", b.Number, strings.Join(rows, ", "))
				return nil
			}, sink.CallbackLanes(1), sink.CallbackTimeout(10*time.Second))
	})
	// Output:
	// batch 1: tea, milk
}

// All rows of a key come to one lane.
func ExampleKeyed_ForeachPartition() {
	var mu sync.Mutex
	var calls []string
	runAside(func(job *dstream.Job) {
		dstream.From(job, source.Memory([]string{"tea", "milk", "tea"})).KeyBy(dstream.Self).
			ForeachPartition(func(ctx context.Context, b dstream.Batch, rows iter.Seq2[string, string]) error {
				n := map[string]int{}
				for key := range rows {
					n[key]++
				}
				mu.Lock()
				defer mu.Unlock()
				for key, n := range n {
					calls = append(calls, fmt.Sprint(key, " ", n))
				}
				return nil
			}, sink.CallbackLanes(3))
	})
	slices.Sort(calls)
	fmt.Println(strings.Join(calls, ", "))
	// Output:
	// milk 1, tea 2
}

// What is read twice is computed once: Cache changes nothing.
func ExampleStream_Cache() {
	calls := 0
	showFiles(func(job *dstream.Job, out string) {
		s := dstream.From(job, source.Memory([]string{"tea", "milk"})).Map(func(s string) string { calls++; return strings.ToUpper(s) }).Cache()
		s.SaveAsTextFiles(out)
		s.ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.RDD[string]) error {
			n, err := rows.NumRows(ctx)
			if n > 0 {
				fmt.Println(n, "rows")
			}
			return err
		})
	})
	fmt.Println(calls, "calls")
	// Output:
	// 2 rows
	// TEA
	// MILK
	// 2 calls
}
