package driver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// envOut is the directory of the job ticks' file sink.
const envOut = "DRIVER_TEST_OUT"

const tickParts, tickKeys = 3, 17

// ticks counts numbers that need no disk, into two places that do; its lane of dead letters is a third.
func ticks(job *dstream.Job) {
	counts := dstream.From(job, source.Rate(2000, source.Partitions(tickParts)).Named("ticks")).
		KeyBy(func(t source.Tick) int64 { return t.Value % tickKeys }).RunningCount("counted")
	counts.To(sink.LogJSON("counts"))
	counts.To(sink.FilesJSON(os.Getenv(envOut)))
}

// tally counts the same into a callback, in the driver's process.
func tally(job *dstream.Job) {
	dstream.From(job, source.Rate(2000, source.Partitions(tickParts)).Named("ticks")).
		KeyBy(func(t source.Tick) int64 { return t.Value % tickKeys }).RunningCount("counted").
		ForeachBatch(func(ctx context.Context, _ dstream.Batch, rows rdd.Keyed[int64, int64]) error {
			seq, err := rows.Rows(ctx)
			if err != nil {
				return err
			}
			tallied.Lock()
			defer tallied.Unlock()
			for k, n := range seq {
				tallied.fell = tallied.fell || n <= tallied.last[k]
				tallied.sum += n - tallied.last[k]
				tallied.last[k] = n
			}
			return nil
		})
}

var tallied = struct {
	sync.Mutex // guards what follows
	last       map[int64]int64
	sum        int64
	fell       bool
}{}

// away are a driver that listens and its executors, some of them on other machines.
type away struct {
	*fixture
	addr, token string
	unshare     []string
}

// newAway skips where a process cannot have a view of the file system of its own.
func newAway(t *testing.T, executors int) *away {
	a := &away{fixture: newFixture(t, ""), token: filepath.Join(t.TempDir(), "token")}
	for _, how := range [][]string{{"unshare", "-m"}, {"unshare", "-rm"}} {
		if exec.Command(how[0], append(how[1:], "mount", "-t", "tmpfs", "none", a.dir)...).Run() == nil {
			a.unshare = how
			break
		}
	}
	if a.unshare == nil {
		t.Skip("NOT TESTED: executors on other machines; neither `unshare -m` nor `unshare -rm` may mount here")
	}
	if err := os.WriteFile(a.token, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv(envOut, filepath.Join(a.dir, "out"))
	a.cfg.Master, a.cfg.TokenFile, a.cfg.Executors, a.cfg.UntilCaughtUp = "listen:"+a.addr, a.token, executors, false
	return a
}

// start starts an executor here, or on another machine: an empty file system covers the fixture's directory there.
func (a *away) start(job string, here bool) *exec.Cmd {
	a.t.Helper()
	args := []string{os.Args[0], "--executor", a.addr, "--token-file", a.token, "--slots", "1"}
	if !here {
		script := fmt.Sprintf(`mount -t tmpfs none '%s' && exec "$0" "$@"`, a.dir)
		args = append(append(a.unshare, "sh", "-c", script), args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), envExecutor+"="+job)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// run starts the driver; the function that it returns drains it and gives its error.
func (a *away) run(job func(*dstream.Job)) func() error {
	ctx, drain := context.WithTimeout(context.Background(), 60*time.Second)
	done := make(chan error, 1)
	go func() { done <- driver.Run(ctx, job, a.cfg) }()
	ended := false
	end := func() error { ended = true; drain(); return <-done }
	a.t.Cleanup(func() {
		if !ended {
			_ = end()
		}
	})
	return end
}

// expected are the counts of all ticks that committed batches hold.
func (a *away) expected() map[string]int64 {
	a.t.Helper()
	st, rec, err := checkpoint.Open(a.cfg.Checkpoint, checkpoint.Options{})
	if err != nil {
		a.t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		a.t.Fatal(err)
	}
	want := map[string]int64{}
	for p := range tickParts {
		for offset := range rec.Positions["ticks"][p] {
			want[strconv.FormatInt((int64(p)+offset*tickParts)%tickKeys, 10)]++
		}
	}
	return want
}

// published are the last counts of each key in topic counts, and how many records it has.
func (a *away) published() (last map[string]int64, rows int) {
	a.t.Helper()
	last = map[string]int64{}
	log, err := commitlog.Open(a.cfg.LogDir, commitlog.Options{})
	if err != nil {
		return last, 0
	}
	defer log.Close()
	topic, err := log.Topic("counts")
	if err != nil {
		return last, 0
	}
	n, err := topic.Partitions()
	if err != nil {
		a.t.Fatal(err)
	}
	for p := range n {
		for _, r := range readAll(a.t, topic, p) {
			rows++
			key, value, _ := strings.Cut(r, " ")
			count, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				a.t.Fatalf("%q: %v", r, err)
			}
			if count <= last[key] {
				a.t.Errorf("count of %s goes from %d to %d", key, last[key], count)
			}
			last[key] = count
		}
	}
	return last, rows
}

func (a *away) sum() (n int64) {
	last, _ := a.published()
	for _, c := range last {
		n += c
	}
	return n
}

// inFiles is the last count of each key in the file sink, and how many rows it has.
func (a *away) inFiles() (last map[string]int64, rows int) {
	a.t.Helper()
	last = map[string]int64{}
	files, err := sink.ReadManifest(os.Getenv(envOut))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, file := range files {
		f, err := os.Open(file.Path)
		if err != nil {
			a.t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); rows++ {
			var row struct {
				Key   json.Number
				Value int64
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				a.t.Fatalf("%s: %q: %v", file.Path, lines.Text(), err)
			}
			last[row.Key.String()] = max(last[row.Key.String()], row.Value)
		}
		if err := f.Close(); err != nil {
			a.t.Fatal(err)
		}
	}
	return last, rows
}

// TestElsewhere runs a job on executors that see the checkpoint and on one that does not, kills them one after the other, and has the state restored where
// the checkpoint is not seen, from files that come from there too (P23). Topic and files stay on the driver's machine.
func TestElsewhere(t *testing.T) {
	for _, every := range []int{1, 4} {
		t.Run(fmt.Sprintf("every %d", every), func(t *testing.T) {
			a := newAway(t, 2)
			a.cfg.CheckpointEvery = every
			joined := a.countJoins()
			end := a.run(ticks)
			grows := func(what string) {
				before := a.sum()
				until(t, "counts "+what, nil, func() bool { return a.sum() > before+500 })
			}
			near, far := a.start("ticks", true), a.start("ticks", false)
			grows("of both")
			_ = near.Process.Kill()
			grows("of the one that is left, elsewhere")
			_ = far.Process.Kill()
			last := a.start("ticks", false)
			grows("of another one elsewhere")
			back := a.start("ticks", true)
			until(t, "another executor", nil, func() bool { return joined.Load() == 2 })
			grows("of two again")
			if err := end(); err != nil {
				t.Fatal(err)
			}
			for _, cmd := range []*exec.Cmd{last, back} {
				if err := cmd.Wait(); err != nil {
					t.Errorf("executor: %v", err)
				}
			}
			want := a.expected()
			logged, rows := a.published()
			filed, lines := a.inFiles()
			if d := cmp.Diff(want, logged); d != "" {
				t.Errorf("log: %s", d)
			}
			if d := cmp.Diff(want, filed); d != "" || lines != rows {
				t.Errorf("%d rows in files, %d in the log: %s", lines, rows, d)
			}
		})
	}
}

// TestElsewhereVolatile does without a checkpoint: the driver's temporary directory is not seen elsewhere either, and state outlives its executor all the same.
func TestElsewhereVolatile(t *testing.T) {
	a := newAway(t, 1)
	t.Setenv("TMPDIR", a.dir)
	tallied.last, tallied.sum, tallied.fell = map[int64]int64{}, 0, false
	a.cfg.Checkpoint = ""
	end := a.run(tally)
	grows := func(what string) {
		t.Helper()
		sum := func() int64 { tallied.Lock(); defer tallied.Unlock(); return tallied.sum }
		before := sum()
		until(t, "counts "+what, nil, func() bool { return sum() > before+500 })
	}
	first := a.start("tally", false)
	grows("of the first")
	_ = first.Process.Kill()
	a.start("tally", false)
	grows("of the second")
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if tallied.fell {
		t.Error("a count fell: state was lost")
	}
}

// TestElsewhereLog: an embedded log is read where it is, also when others have to wait for that; where nobody can, the job is refused in words (P23).
func TestElsewhereLog(t *testing.T) {
	a := newAway(t, 2)
	lines, want := text(3000)
	a.write(lines[:1000]...)
	end := a.run(logWords)
	near, far := a.start("logwords", true), a.start("logwords", false)
	until(t, "first counts", nil, func() bool { return a.total() == 1000*3 })
	_ = far.Process.Kill()
	a.write(lines[1000:2000]...)
	until(t, "counts without the other machine", nil, func() bool { return a.total() == 2000*3 })
	a.start("logwords", false)
	_ = near.Process.Kill()
	a.write(lines[2000:]...)
	a.start("logwords", true)
	until(t, "last counts", nil, func() bool { return a.total() == 3000*3 })
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, a.last()); d != "" {
		t.Error(d)
	}
	a.cfg.Executors = 1
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	a.start("logwords", false)
	err := driver.Run(ctx, logWords, a.cfg)
	if err == nil || !strings.Contains(err.Error(), "source log:lines reads files of the driver's machine, and executor x") {
		t.Errorf("refusal: %v", err)
	}
}
