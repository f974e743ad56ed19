package kill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/kafkatest"
)

// world is one job's surroundings: input, checkpoint and output in a directory, and the processes that work there.
type world struct {
	dir, job, sink string
	program        string // the job's name, where it is another one of the same output
	topic, brokers string // Kafka
	seed           uint64
	in             inputs
	master         string
	flags          []string // of every driver
	env            []string // of every process
	plans          map[int64]plan
	hint           string // the command that repeats the run
}

// plan is a batch's record, as the batch log had it.
type plan struct {
	micros int64
	ranges []checkpoint.Range
	hash   string
}

// newWorld makes a world with n records a partition.
func newWorld(t testing.TB, job, sink string, seed uint64, n int) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), job: job, sink: sink, seed: seed, in: makeInputs(job, seed, n), master: "procs[3,1]", plans: map[int64]plan{}}
	w.hint = fmt.Sprintf("MILLRACE_SEED=%d go test -run '^%s$' ./internal/kill", seed, strings.ReplaceAll(t.Name(), "/", "$/^"))
	w.in.load(t, w.logDir())
	t.Cleanup(func() { w.end(t) })
	if sink == "log" {
		w.makeOutput(t)
	}
	if sink == "kafka" {
		w.brokers = kafkatest.Addr(t)
		w.topic = fmt.Sprintf("kill-%s-%d", job, time.Now().UnixNano())
		t.Cleanup(w.dropTopic)
	}
	return w
}

// makeOutput makes the output topic, with segments so short that it rolls to the next all the time.
func (w *world) makeOutput(t testing.TB) {
	t.Helper()
	l, err := commitlog.Open(w.logDir(), commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Create(outTopic, commitlog.Settings{Partitions: outLanes, SegmentBytes: 1 << 10, RetainAge: -1}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) dropTopic() {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers))
	if err != nil {
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = kadm.NewClient(cl).DeleteTopics(ctx, w.topic)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// failf ends the test with what is needed to repeat it.
func (w *world) failf(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Fatalf("%s\nrepeat with: %s", fmt.Sprintf(format, args...), w.hint)
}

// processes are the world's processes, found by their environment: executors only, or with the drivers.
func (w *world) processes(t testing.TB, drivers bool) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		env = append([]byte{0}, env...)
		ours := bytes.Contains(env, []byte("\x00"+envWorld+"="+w.dir+"\x00"))
		if !ours || !drivers && !bytes.Contains(env, []byte("\x00MILLRACE_CHILD=")) {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// orphanLimit is how long processes without a driver may stay: they wait ten seconds for a new one (P20).
const orphanLimit = 15 * time.Second

// end ends what is left of the world's processes, after a test that failed.
func (w *world) end(t testing.TB) {
	for _, pid := range w.processes(t, true) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// awaitNoProcess fails the test if processes of the world are left after the limit.
func (w *world) awaitNoProcess(t testing.TB, limit time.Duration) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		left := w.processes(t, true)
		if len(left) == 0 {
			return
		}
		if time.Since(began) > limit {
			w.failf(t, "processes %v of the world are still there after %v", left, limit)
		}
	}
}

// collect notes the batches that the batch log holds. A batch that was planned once keeps its ranges for ever (P1).
func (w *world) collect(t testing.TB) {
	t.Helper()
	in, err := checkpoint.Inspect(w.checkpt())
	if err != nil {
		if errors.Is(err, checkpoint.ErrDamaged) || len(w.plans) > 0 {
			w.failf(t, "batch log: %v", err)
		}
		return // the driver was killed before there was one
	}
	sum, err := in.Summarize(1 << 30)
	if err != nil {
		w.failf(t, "batch log: %v", err)
	}
	for _, b := range sum.Batches {
		if b.Time == "" {
			continue // a commit whose plan is pruned
		}
		at, err := time.Parse(time.RFC3339Nano, b.Time)
		if err != nil {
			t.Fatal(err)
		}
		now := plan{at.UnixMicro(), b.Ranges, b.Hash}
		if was, ok := w.plans[b.Batch]; ok {
			if diff := cmp.Diff(was, now, cmp.AllowUnexported(plan{})); diff != "" {
				w.failf(t, "batch %d was planned, and has another plan now (-before +after):\n%s", b.Batch, diff)
			}
		}
		w.plans[b.Batch] = now
	}
}

// verify compares the output with the model: each batch has published exactly what its ranges give, once, in order, in every lane.
func (w *world) verify(t testing.TB) published {
	t.Helper()
	w.collect(t)
	out := w.read(t)
	if err := w.check(out); err != nil {
		w.failf(t, "%v", err)
	}
	return out
}

func (w *world) check(out published) error {
	got := map[int64][]row{}
	for lane, rows := range out {
		for i, r := range rows {
			if i > 0 && rows[i-1].batch > r.batch {
				return fmt.Errorf("lane %d row %d: batch %d stands behind batch %d (I4)", lane, i, r.batch, rows[i-1].batch)
			}
			got[r.batch] = append(got[r.batch], r)
		}
	}
	model := modelOf(w.job, w.in)
	for b := int64(1); b <= int64(len(w.plans)); b++ {
		p, ok := w.plans[b]
		if !ok {
			return fmt.Errorf("batch %d was never seen in the batch log, which goes to %d", b, len(w.plans))
		}
		if diff := cmp.Diff(sorted(model(p.ranges)), sorted(got[b])); diff != "" {
			return fmt.Errorf("batch %d (-want +published):\n%s", b, diff)
		}
		delete(got, b)
	}
	for b := range got {
		return fmt.Errorf("%d rows of batch %d, which nobody planned", len(got[b]), b)
	}
	return w.checkEnd(out)
}

// checkEnd checks what holds for the whole output, without the batch log: all input was read, counts of a word rise, and end at the right value.
func (w *world) checkEnd(out published) error {
	var all []checkpoint.Range
	for topic, parts := range w.in {
		for p := range parts {
			all = append(all, checkpoint.Range{Source: "log:" + topic, Partition: p, Until: int64(len(parts[p]))})
		}
	}
	if w.job != "words" {
		n := 0
		for _, rows := range out {
			n += len(rows)
		}
		if want := len(w.in.read("log:views", all)); n != want {
			return fmt.Errorf("%d views in the output, %d were read in", n, want)
		}
		return nil
	}
	var rows []row
	for _, lane := range out {
		rows = append(rows, lane...)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return int(a.batch - b.batch) })
	last := map[string]int64{}
	for _, r := range rows {
		n, err := strconv.ParseInt(r.value, 10, 64)
		if err != nil || n <= last[r.key] {
			return fmt.Errorf("batch %d: count of %q is %s after %d (%v)", r.batch, r.key, r.value, last[r.key], err)
		}
		last[r.key] = n
	}
	for _, want := range modelOf(w.job, w.in)(all) {
		if fmt.Sprint(last[want.key]) != want.value {
			return fmt.Errorf("count of %q ends at %d, want %s", want.key, last[want.key], want.value)
		}
	}
	return nil
}

// exists tells whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
