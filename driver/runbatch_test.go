package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// countWords is what a job and a batch program have in common.
func countWords(lines rdd.RDD[string]) rdd.Keyed[string, int64] {
	return lines.FlatMap(strings.Fields).KeyBy(rdd.Self).CountByKey()
}

func batchConfig(t testing.TB) driver.Config {
	return driver.Config{Name: t.Name(), Master: "local[2]", LogDir: filepath.Join(t.TempDir(), "log"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// settled writes a file that has not changed for a while, as one that was moved in.
func settled(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(1_700_000_000, 0)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func TestRunBatchReadsFiles(t *testing.T) {
	dir := t.TempDir()
	settled(t, dir, "a.txt", "to be or not\nto be\n")
	settled(t, dir, "b.txt", "not yet\n")
	for _, master := range []string{"local[1]", "local[2]", "local[5]"} {
		cfg := batchConfig(t)
		cfg.Master = master
		err := driver.RunBatch(context.Background(), cfg, func(ctx context.Context) error {
			counts := countWords(source.Read(source.FilesText(dir)))
			got, err := rdd.CollectMap(ctx, counts)
			if diff := cmp.Diff(map[string]int64{"to": 2, "be": 2, "or": 1, "not": 2, "yet": 1}, got); err != nil || diff != "" {
				t.Errorf("%s: %v %s", master, err, diff)
			}
			if n, err := counts.NumRows(ctx); err != nil || n != 5 {
				t.Errorf("%s: %d rows, %v", master, n, err)
			}
			top, err := counts.Pairs().TopK(1, func(a, b rdd.Pair[string, int64]) int { return int(a.Value - b.Value) }).Take(ctx, 5)
			if err != nil || len(top) != 1 || top[0].Value != 2 {
				t.Errorf("%s: top %v, %v", master, top, err)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A topic is read up to its end at the moment, or in the ranges that are asked for.
func TestRunBatchReadsRangesOfALog(t *testing.T) {
	cfg := batchConfig(t)
	log, err := commitlog.Create(cfg.LogDir, commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := log.Create("words", commitlog.Settings{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	for p := range 2 {
		w, err := topic.Writer(p)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := w.Add(nil, fmt.Appendf(nil, "p%d-%d", p, i), 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	words := source.LogText("words")
	err = driver.RunBatch(context.Background(), cfg, func(ctx context.Context) error {
		if n, err := source.Read(words).NumRows(ctx); err != nil || n != 20 {
			t.Errorf("%d rows, %v", n, err)
		}
		got, err := source.Read(words, source.Range{Partition: "1", From: 2, Until: 4}, source.Range{Partition: "0", From: 9}).Collect(ctx)
		if diff := cmp.Diff([]string{"p1-2", "p1-3", "p0-9"}, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		if _, err = source.Read(words, source.Range{Partition: "1", From: 2, Until: 40}).Collect(ctx); !errors.Is(err, source.ErrBeyondEnd) || !strings.Contains(err.Error(), "the end is 10") {
			t.Errorf("beyond the end: %v", err)
		}
		if _, err = source.Read(words, source.Range{Partition: "7"}).Collect(ctx); err == nil || !strings.Contains(err.Error(), `no partition "7"`) {
			t.Errorf("no such partition: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunBatchOnRowsOfTheProgram(t *testing.T) {
	err := driver.RunBatch(context.Background(), batchConfig(t), func(ctx context.Context) error {
		numbers := make([]int64, 10_000)
		for i := range numbers {
			numbers[i] = int64(i)
		}
		all := rdd.Parallelize(numbers)
		even := all.Filter(func(n int64) bool { return n%2 == 0 })
		got, err := even.Collect(ctx)
		if err != nil || len(got) != 5000 || !slices.IsSorted(got) {
			t.Errorf("%d rows, %v", len(got), err)
		}
		var calls atomic.Int64
		once, err := all.MapPartitions(func(rows []int64) []int64 { return rows[:1] }).Map(func(n int64) int64 { calls.Add(1); return n }).Persist(ctx)
		if err != nil {
			return err
		}
		before := calls.Load()
		for range 2 {
			if n, err := once.Union(rdd.Parallelize([]int64{7})).NumRows(ctx); err != nil || n != before+1 {
				t.Errorf("%d rows, %v", n, err)
			}
		}
		if calls.Load() != before {
			t.Errorf("persisted rows were computed again: %d calls, then %d", before, calls.Load())
		}
		sum, err := rdd.Parallelize([]int64{}).Reduce(func(a, b int64) int64 { return a + b }).Collect(ctx)
		if err != nil || len(sum) != 0 {
			t.Errorf("sum of nothing: %v, %v", sum, err)
		}
		if n, err := rdd.Parallelize([]int64{}).NumRows(ctx); err != nil || n != 0 {
			t.Errorf("%d rows of none, %v", n, err)
		}
		for v, err := range rdd.Parallelize([]string{"a", "b"}).Rows(ctx) {
			if err != nil || v != "a" {
				t.Errorf("%q, %v", v, err)
			}
			break
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunBatchSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	settled(t, dir, "bad.json", "{\"n\":1}\n{\"n\":\n{\"n\":3}\n")
	type row struct{ N int64 }
	rows := source.Read(source.FilesJSON[row](dir))
	cfg := batchConfig(t)
	run := func(f func(ctx context.Context) error) error { return driver.RunBatch(context.Background(), cfg, f) }
	for _, c := range []struct {
		what, want string
		err        error
	}{
		{"no runner", "driver.RunBatch", func() error { _, err := rows.Collect(context.Background()); return err }()},
		{"a panic", "at row 3", run(func(ctx context.Context) error {
			_, err := rows.Map(func(r row) int64 {
				if r.N == 3 {
					panic("at row 3")
				}
				return r.N
			}).Collect(ctx)
			return err
		})},
		{"a mistake", "Map needs a function", run(func(ctx context.Context) error {
			_, err := source.Read(source.FilesText(dir)).Map[int](nil).Collect(ctx)
			return err
		})},
		{"no end", "has no end", run(func(ctx context.Context) error { _, err := source.Read(source.Rate(10)).NumRows(ctx); return err })},
		{"no directory", "no such file", run(func(ctx context.Context) error {
			_, err := source.Read(source.FilesText(dir + "/none")).NumRows(ctx)
			return err
		})},
		{"processes", "local[N]", driver.RunBatch(context.Background(), driver.Config{Master: "procs[2,1]"}, nil)},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.what, c.err, c.want)
		}
	}
	var n int64
	err := run(func(ctx context.Context) (err error) { n, err = rows.NumRows(ctx); return err })
	if err != nil || n != 2 {
		t.Errorf("%d rows beside a bad record, %v", n, err)
	}
	cfg.OnBadRecord = "stop"
	if err := run(func(ctx context.Context) error { _, err := rows.NumRows(ctx); return err }); err == nil || !strings.Contains(err.Error(), "offset 8") {
		t.Errorf("stop at a bad record: %v", err)
	}
}

// marksOf is a wide operator that gives the watermarks by which it works.
type marksOf struct{ rdd.Writer }

func (marksOf) Add(*rdd.Context, rdd.Chunk) error { return nil }

func (marksOf) Flush(ctx *rdd.Context) ([]rdd.Record, error) {
	return make([]rdd.Record, ctx.Layout.Reduce), nil
}

func (marksOf) Reduce(ctx *rdd.Context, _ [][]rdd.Record, emit func(rdd.Chunk) error) error {
	text := fmt.Sprintf("%d %d %v", ctx.Mark.Before, ctx.Mark.After, ctx.Marks)
	return emit(rdd.Chunk{N: 1, Vals: []string{text}})
}

// A batch program has one batch of all there is: nothing is late in it, and everything is final behind it (P29, P30). Rows without event time have no watermark.
func TestRunBatchEndsEventTime(t *testing.T) {
	dir := t.TempDir()
	settled(t, dir, "a.txt", "7\n5\n")
	lines := source.Read(source.FilesText(dir))
	timed := lines.EventTime(func(string) time.Time { return time.Unix(5, 0) }, time.Second)
	in := rdd.Input{New: func() rdd.Writer { return marksOf{} }}
	wide := &rdd.Node{Kind: rdd.Wide, Op: "marks", Site: "x.go:1", In: []*rdd.Node{timed.Node(), lines.Node()}, Val: lines.Node().Val}
	wide.Wide = &rdd.WideSpec{Inputs: []rdd.Input{in, in}, New: func() rdd.Reducer { return marksOf{} }, OnEmpty: true, Event: true, Hold: 5}
	plan, err := rdd.Bounded(wide)
	if err != nil {
		t.Fatal(err)
	}
	cfg := batchConfig(t)
	cfg.Partitions = 1
	err = driver.RunBatch(context.Background(), cfg, func(ctx context.Context) error {
		r, err := rdd.RunnerOf(ctx)
		if err != nil {
			return err
		}
		recs, err := r.Run(ctx, plan)
		if err != nil {
			return err
		}
		got, err := wide.Val.Rows(recs[0].Columns(), nil)
		want := fmt.Sprintf("%d %d [{%[1]d %[2]d} {%[1]d %[1]d}]", rdd.NoTime, rdd.EndOfTime)
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleRunBatch() {
	err := driver.RunBatch(context.Background(), driver.Config{}, func(ctx context.Context) error {
		lines := rdd.Parallelize([]string{"to be", "or not", "to be"}) // or source.Read(source.FilesText("texts"))
		words := lines.FlatMap(strings.Fields).KeyBy(rdd.Self).CountByKey().Pairs()
		top, err := words.SortBy(func(a, b rdd.Pair[string, int64]) int { return strings.Compare(a.Key, b.Key) }).Take(ctx, 2)
		for _, p := range top {
			fmt.Println(p.Key, p.Value)
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// be 2
	// not 1
}
