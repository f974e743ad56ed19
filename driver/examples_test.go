package driver_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// A job within another program: it is started, asked how it is, and stopped with its last batch finished.
func ExampleStart() {
	ctx := context.Background()
	feed := source.NewFeed[string](1)
	job := func(job *dstream.Job) {
		dstream.From(job, feed.Source("words")).ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.RDD[string]) error {
			words, err := rows.Collect(ctx)
			fmt.Println("batch", b.Number, words)
			return err
		})
	}
	running, err := driver.Start(ctx, job, driver.Config{Name: "words", Interval: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err) // a mistake in the settings or in the job
		return
	}
	feed.Push(0, "to", "be")
	if err := running.WaitBatch(ctx, 1); err != nil {
		fmt.Println(err)
	}
	running.Stop()
	if err := running.AwaitTermination(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(running.State(), "behind batch", running.Status().Committed)
	// Output:
	// batch 1 [to be]
	// stopped behind batch 1
}

// A test of a job that never sleeps: its time is moved by hand.
func ExampleManualClock() {
	ctx := context.Background()
	feed := source.NewFeed[string](2)
	clock := driver.NewManualClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	job := func(job *dstream.Job) {
		dstream.From(job, feed.Source("clicks")).KeyBy(dstream.Self).RunningCount("counts").
			ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.Keyed[string, int64]) error {
				seq, err := rows.Rows(ctx)
				if err != nil {
					return err
				}
				for page, n := range seq {
					fmt.Println(b.Time.Format(time.TimeOnly), page, n)
				}
				return nil
			})
	}
	running, err := driver.Start(ctx, job, driver.Config{
		Name: "clicks", Master: "local[2]", Partitions: 1, Interval: time.Second, Clock: clock, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := range int64(2) {
		feed.Push(0, "home", "home")
		feed.Push(1, "news")
		_ = running.WaitRead(ctx)
		clock.Advance(time.Second)
		_ = running.WaitBatch(ctx, n+1)
	}
	running.Stop()
	fmt.Println(running.AwaitTermination(ctx))
	// Output:
	// 12:00:01 home 2
	// 12:00:01 news 1
	// 12:00:02 home 4
	// 12:00:02 news 2
	// <nil>
}

// A listener sums a job's batches up, and stops it behind the second.
func ExampleListener() {
	feed := source.NewFeed[int64](1)
	feed.Push(0, 1, 2, 3)
	var running *driver.Running
	listener := driver.Listener{
		JobStarted: func(e driver.JobStarted) { running = e.Running },
		BatchCompleted: func(e driver.BatchCompleted) {
			fmt.Printf("batch %d: %d rows, %d outputs\n", e.Batch, e.Rows, len(e.Outputs))
			if e.Batch == 1 {
				feed.Push(0, 4)
			} else {
				running.Stop()
			}
		},
		JobStopped: func(e driver.JobStopped) { fmt.Println("stopped:", e.Err) },
	}
	err := driver.Run(context.Background(), func(job *dstream.Job) {
		dstream.From(job, feed.Source("numbers")).ForeachBatch(func(context.Context, dstream.Batch, rdd.RDD[int64]) error { return nil })
	}, driver.Config{
		Name: "numbers", Interval: 5 * time.Millisecond, OnBadRecord: "stop", Log: slog.New(slog.DiscardHandler),
		Listeners: []driver.Listener{listener},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// batch 1: 3 rows, 1 outputs
	// batch 2: 1 rows, 1 outputs
	// stopped: <nil>
}
