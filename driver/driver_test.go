package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// TestMain lets this binary be its own executor: children are started with the name of the job that they run.
func TestMain(m *testing.M) {
	if plugins.Started() {
		servePlugin()
	}
	if driver.IsChild() {
		if err := driver.RunChild(jobs[os.Getenv("DRIVER_TEST_JOB")]); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if job := os.Getenv(envExecutor); job != "" {
		driver.Main(jobs[job])
	}
	if dir := os.Getenv(envDriver); dir != "" {
		os.Exit(runDriver(dir))
	}
	os.Exit(m.Run())
}

// jobs are those that child processes can run, by name.
var jobs = map[string]func(*dstream.Job){
	"logwords": logWords, "ticks": ticks, "tally": tally, "evolving": evolving, "paced": pacedByEnv, "each": eachWord, "rated": rated, "empty": emptyJob, "turns": turns, "differs": differs,
}

// logWords counts words of topic lines into topic counts.
func logWords(job *dstream.Job) {
	lines := dstream.From(job, source.LogText("lines"))
	if os.Getenv("DRIVER_TEST_VARIANT") != "" { // another version of the program
		lines = lines.Filter(func(string) bool { return true })
	}
	lines.FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}

// kafkaWords reads from a broker.
func kafkaWords(job *dstream.Job) {
	dstream.From(job, source.KafkaText("lines")).KeyBy(dstream.Self).RunningCount("words").To(sink.LogJSON("counts"))
}

func quiet() *slog.Logger {
	if os.Getenv("DRIVER_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// TestMemoryToCallback runs a bounded job in this process, from its first row to its final batch.
func TestMemoryToCallback(t *testing.T) {
	for _, master := range []string{"local[1]", "local[3]"} {
		for _, checkpoint := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s checkpoint %v", master, checkpoint), func(t *testing.T) {
				counts := map[string]int64{}
				cfg := driver.Config{Name: "words", Master: master, Interval: 5 * time.Millisecond, Log: quiet()}
				if checkpoint {
					cfg.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
				}
				stats := &driver.Stats{}
				cfg.Stats = stats
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				err := driver.Run(ctx, func(job *dstream.Job) {
					dstream.From(job, source.Memory([]string{"a b a", "c"}, []string{"a"}, []string{"b c"})).
						FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").
						ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.Keyed[string, int64]) error {
							seq, err := rows.Rows(ctx)
							maps.Insert(counts, seq)
							return err
						})
				}, cfg)
				if err != nil || ctx.Err() != nil {
					t.Fatalf("run: %v (%v)", err, ctx.Err())
				}
				if d := cmp.Diff(map[string]int64{"a": 3, "b": 2, "c": 2}, counts); d != "" {
					t.Error(d)
				}
				if f := stats.Read(); f.Rows != 4 || f.Batches < 1 {
					t.Errorf("figures: %+v", f)
				}
			})
		}
	}
}

// fixture is an embedded log and a checkpoint in a temporary folder.
type fixture struct {
	t   *testing.T
	dir string
	cfg driver.Config
}

func newFixture(t *testing.T, master string) *fixture {
	dir := t.TempDir()
	f := &fixture{t: t, dir: dir, cfg: driver.Config{
		Name: "logwords", Master: master, Interval: 5 * time.Millisecond, Checkpoint: filepath.Join(dir, "checkpoint"),
		LogDir: filepath.Join(dir, "log"), Log: quiet(), UntilCaughtUp: true,
		Args: []string{}, Env: []string{"DRIVER_TEST_JOB=logwords"},
	}}
	return f
}

// write appends lines to topic lines, in turn over its partitions.
func (f *fixture) write(lines ...string) {
	f.t.Helper()
	log, err := commitlog.Create(f.cfg.LogDir, commitlog.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	topic, err := log.Ensure("lines", commitlog.Settings{Partitions: 3})
	if err != nil {
		f.t.Fatal(err)
	}
	for p := range 3 {
		w, err := topic.Writer(p)
		if err != nil {
			f.t.Fatal(err)
		}
		for i := p; i < len(lines); i += 3 {
			if err := w.Add(nil, []byte(lines[i]), 0); err != nil {
				f.t.Fatal(err)
			}
		}
		if err := errors.Join(w.Sync(context.Background()), w.Close()); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) run() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := driver.Run(ctx, logWords, f.cfg); err != nil || ctx.Err() != nil {
		f.t.Fatalf("run: %v (%v)", err, ctx.Err())
	}
}

// counts are all records of topic counts, in order by partition.
func (f *fixture) counts() [][]string {
	f.t.Helper()
	log, err := commitlog.Open(f.cfg.LogDir, commitlog.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	topic, err := log.Topic("counts")
	if err != nil {
		f.t.Fatal(err)
	}
	n, err := topic.Partitions()
	if err != nil {
		f.t.Fatal(err)
	}
	out := make([][]string, n)
	for p := range n {
		out[p] = readAll(f.t, topic, p)
	}
	return out
}

// last is each word's last count. Counts of a word never fall, and none comes twice.
func (f *fixture) last() map[string]int64 {
	f.t.Helper()
	last := map[string]int64{}
	for _, rows := range f.counts() {
		for _, r := range rows {
			word, value, _ := strings.Cut(r, " ")
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				f.t.Fatalf("%s: %v", r, err)
			}
			if n <= last[word] {
				f.t.Errorf("count of %q goes from %d to %d", word, last[word], n)
			}
			last[word] = n
		}
	}
	return last
}

func text(n int) (lines []string, want map[string]int64) {
	want = map[string]int64{}
	for i := range n {
		line := fmt.Sprintf("w%d w%d common", i%17, i%5)
		lines = append(lines, line)
		for _, w := range strings.Fields(line) {
			want[w]++
		}
	}
	return lines, want
}

// TestLogWords counts words over the embedded log, in three runs of the same job with a checkpoint, on every kind of master.
func TestLogWords(t *testing.T) {
	for _, masters := range [][]string{{"local[1]", "local[1]", "local[1]"}, {"local[3]", "local[1]", "local[2]"}, {"procs[2,1]", "procs[3,1]", "local[2]"}} {
		t.Run(fmt.Sprint(masters), func(t *testing.T) {
			f := newFixture(t, "")
			lines, want := text(3000)
			for i, master := range masters {
				f.write(lines[i*1000 : (i+1)*1000]...)
				f.cfg.Master = master
				f.run()
			}
			if d := cmp.Diff(want, f.last()); d != "" {
				t.Error(d)
			}
		})
	}
}

// readAll are all records of a partition, key and value.
func readAll(t *testing.T, topic *commitlog.Topic, p int) (values []string) {
	t.Helper()
	r, err := topic.Reader(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Poll()
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			return values
		}
		for i := range b.Len() {
			values = append(values, string(b.Key(i))+" "+string(b.Value(i)))
		}
	}
}
