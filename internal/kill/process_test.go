package kill

import (
	"bufio"
	"cmp"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a driver. Its executors write to the same standard error.
type process struct {
	w     *world
	cmd   *exec.Cmd
	began time.Time
	done  chan struct{}
	err   error // once done

	mu        sync.Mutex // guards what follows
	lines     []string   // the end of standard error
	dumping   bool       // keep all lines
	adopted   int
	committed int64 // last batch that the driver said is committed
	first     time.Duration
	changed   chan struct{} // closed at the next change
}

// runLimit is how long a driver may take in all; a job that stands still fails the test. With a planted fault that is soon.
var runLimit = func() time.Duration {
	if os.Getenv("MILLRACE_FAULT") != "" {
		return 10 * time.Second
	}
	return 60 * time.Second
}()

// start starts a driver in the world.
func (w *world) start(t testing.TB, flags ...string) *process {
	t.Helper()
	args := []string{"--name", "kill", "--master", w.master, "--checkpoint", w.checkpt(), "--log", w.logDir(), "--verbose"}
	if w.brokers != "" {
		args = append(args, "--brokers", w.brokers)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{w: w, began: time.Now(), done: make(chan struct{}), changed: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], append(append(args, w.flags...), flags...)...)
	p.cmd.Env = append(slices.DeleteFunc(os.Environ(), ofTest), envJob+"="+cmp.Or(w.program, w.job), envSink+"="+w.sink, envWorld+"="+w.dir, envTopic+"="+w.topic)
	p.cmd.Env = append(p.cmd.Env, w.env...)
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	go p.follow(read) // ends with the last process that holds the pipe; world.end sees to that
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	return p
}

// ofTest tells whether a variable is for the test and not for the job, which refuses names that look like misspelled settings.
func ofTest(kv string) bool {
	name, _, _ := strings.Cut(kv, "=")
	rest, ours := strings.CutPrefix(name, "MILLRACE_")
	return ours && !strings.HasPrefix(rest, "KILL_") && rest != "FAULT" && !strings.HasPrefix(rest, "CRASH")
}

// follow reads standard error, which also tells of progress.
func (p *process) follow(read *os.File) {
	defer read.Close()
	lines := bufio.NewScanner(read)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.note(lines.Text())
		p.mu.Unlock()
	}
}

func (p *process) note(line string) {
	if p.lines = append(p.lines, line); len(p.lines) > 400 && !p.dumping {
		p.lines = p.lines[200:]
	}
	switch {
	case strings.Contains(line, `msg="executor adopted"`):
		p.adopted++
	case strings.Contains(line, `msg="batch committed"`):
		_, after, _ := strings.Cut(line, "batch=")
		number, _, _ := strings.Cut(after, " ")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			p.committed = n
		}
		if p.first == 0 {
			p.first = time.Since(p.began)
		}
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// output is the end of standard error.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-60):], "\n")
}

func (p *process) at() (committed int64, changed chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.committed, p.changed
}

// await waits until the driver has committed n more batches; false means that it ended before.
func (p *process) await(t testing.TB, n int64) bool {
	t.Helper()
	from, _ := p.at()
	base := int64(0)
	limit := time.After(runLimit)
	for {
		now, changed := p.at()
		if base == 0 && now > 0 {
			base = max(from, now-1) // the first one it tells of is its first
		}
		if now > 0 && now >= base+n || n == 0 {
			return true
		}
		select {
		case <-changed:
		case <-p.done:
			return false
		case <-limit:
			p.stuck(t)
		}
	}
}

// stuck fails the test with the stacks of the processes.
func (p *process) stuck(t testing.TB) {
	t.Helper()
	n, _ := p.at()
	said := p.output()
	p.mu.Lock()
	p.dumping = true
	p.mu.Unlock()
	for _, pid := range p.w.processes(t, true) {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
		time.Sleep(100 * time.Millisecond)
	}
	p.mu.Lock()
	stacks := strings.Join(p.lines, "\n")
	p.mu.Unlock()
	if path := os.Getenv("MILLRACE_STACKS"); path != "" {
		_ = os.WriteFile(path, []byte(stacks), 0o644)
	}
	p.w.failf(t, "the job stands still at batch %d:\n%s", n, said)
}

// finish waits for the driver to end by itself, with status 0.
func (p *process) finish(t testing.TB) {
	t.Helper()
	if err := p.wait(t); err != nil {
		p.w.failf(t, "the driver ended with %v:\n%s", err, p.output())
	}
}

// wait waits for the driver to end.
func (p *process) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(runLimit):
		p.stuck(t)
	}
	return p.err
}

// kill kills the driver and waits for its end.
func (p *process) kill(t testing.TB) {
	t.Helper()
	_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// ended tells whether the driver has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
