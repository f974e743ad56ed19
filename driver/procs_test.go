package driver_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/driver"
)

// envDriver makes this binary a driver of a job (DRIVER_TEST_JOB, else logwords), in the folder that it names; see startDriver.
const envDriver = "DRIVER_TEST_DRIVER"

// runDriver is a driver in a process of its own.
func runDriver(dir string) int {
	master := os.Getenv("DRIVER_TEST_MASTER")
	every, _ := strconv.Atoi(os.Getenv("DRIVER_TEST_EVERY"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	name := cmp.Or(os.Getenv("DRIVER_TEST_JOB"), "logwords")
	err := driver.Run(ctx, jobs[name], driver.Config{
		Name: "logwords", Master: master, Interval: 5 * time.Millisecond, Checkpoint: filepath.Join(dir, "checkpoint"),
		LogDir: filepath.Join(dir, "log"), UntilCaughtUp: os.Getenv("DRIVER_TEST_BOUNDED") != "", Args: []string{}, CheckpointEvery: every,
		Env: []string{"DRIVER_TEST_JOB=" + name},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		return 1
	}
	return 0
}

// process is a driver in a process of its own. What it says goes to a file: a pipe would be held by its children too.
type process struct {
	cmd *exec.Cmd
	out string
}

func (p *process) text() string {
	b, _ := os.ReadFile(p.out)
	return string(b)
}

func (p *process) said(text string) bool { return strings.Contains(p.text(), text) }

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (f *fixture) startDriver(env ...string) *process {
	f.t.Helper()
	out, err := os.CreateTemp(f.dir, "driver-*.txt")
	if err != nil {
		f.t.Fatal(err)
	}
	defer out.Close()
	p := &process{cmd: exec.Command(os.Args[0]), out: out.Name()}
	p.cmd.Env = append(append(os.Environ(), envDriver+"="+f.dir), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for _, pid := range driver.ChildrenIn(f.dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if sockets, err := os.Readlink(filepath.Join(f.dir, "checkpoint", "executors")); err == nil {
			_ = os.RemoveAll(sockets)
		}
	})
	return p
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// until polls: what other processes do cannot be waited for in another way.
func until(t *testing.T, what string, p *process, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			text := ""
			if p != nil {
				text = p.text()
			}
			t.Fatalf("no %s within 20 s\n%s", what, text)
		}
	}
}

func needProc(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("processes are found through /proc")
	}
}

// TestExecutorKilled kills executors of a running job: others take over, and the counts are right.
func TestExecutorKilled(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	lines, want := text(6000)
	f.write(lines[:1000]...)
	p := f.startDriver("DRIVER_TEST_MASTER=procs[3,1]")
	for i := 1; i < 6; i++ {
		until(t, "children", p, func() bool { return len(driver.ChildrenIn(f.dir)) == 3 })
		until(t, "counts", p, func() bool { return f.total() >= int64(i)*1000*3 })
		_ = syscall.Kill(driver.ChildrenIn(f.dir)[i%3], syscall.SIGKILL)
		f.write(lines[i*1000 : (i+1)*1000]...)
	}
	until(t, "last counts", p, func() bool { return f.total() == 6000*3 })
	p.kill()
	if d := gocmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
}

// total is the sum of all last counts, 0 while there is no output.
func (f *fixture) total() (n int64) {
	if _, err := os.Stat(filepath.Join(f.cfg.LogDir, "counts")); err != nil {
		return 0
	}
	for _, c := range f.last() {
		n += c
	}
	return n
}

// TestDriverKilled kills the driver: the children wait, and the next driver adopts them (P20). Without one they go.
func TestDriverKilled(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	lines, want := text(4000)
	f.write(lines[:1000]...)
	p := f.startDriver("DRIVER_TEST_MASTER=procs[2,1]")
	for i := 1; i < 4; i++ {
		until(t, "counts", p, func() bool { return f.total() == int64(i)*1000*3 })
		before := driver.ChildrenIn(f.dir)
		p.kill()
		if d := gocmp.Diff(before, driver.ChildrenIn(f.dir)); d != "" || len(before) != 2 {
			t.Fatalf("children before the kill %v, after it: %s", before, d)
		}
		f.write(lines[i*1000 : (i+1)*1000]...)
		p = f.startDriver("DRIVER_TEST_MASTER=procs[2,1]")
		until(t, "adoption", p, func() bool { return p.said("executor adopted") })
	}
	until(t, "last counts", p, func() bool { return f.total() == 4000*3 })
	p.kill()
	if d := gocmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
	if testing.Short() {
		return
	}
	until(t, "end of orphans", nil, func() bool { return len(driver.ChildrenIn(f.dir)) == 0 })
}

// TestOtherMaster starts another master over waiting children: with local, nobody adopts them; with another number of processes, some go.
func TestOtherMaster(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	lines, want := text(2000)
	f.write(lines[:1000]...)
	p := f.startDriver("DRIVER_TEST_MASTER=procs[3,1]")
	until(t, "counts", p, func() bool { return f.total() == 1000*3 })
	p.kill()
	f.write(lines[1000:]...)
	p = f.startDriver("DRIVER_TEST_MASTER=procs[1,2]", "DRIVER_TEST_BOUNDED=1")
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.text())
	}
	if d := gocmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
	until(t, "end of children", nil, func() bool { return len(driver.ChildrenIn(f.dir)) == 0 })
}

// TestProgramChanged starts another version of the program over the children of the old one: they are told to go, and new ones take over (P20).
func TestProgramChanged(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	lines, want := text(2000)
	f.write(lines[:1000]...)
	p := f.startDriver("DRIVER_TEST_MASTER=procs[2,1]")
	until(t, "counts", p, func() bool { return f.total() == 1000*3 })
	until(t, "recorded commit", p, func() bool { return f.recorded() })
	p.kill()
	old := driver.ChildrenIn(f.dir)
	f.write(lines[1000:]...)
	p = f.startDriver("DRIVER_TEST_MASTER=procs[2,1]", "DRIVER_TEST_VARIANT=2")
	until(t, "last counts", p, func() bool { return f.total() == 2000*3 })
	for _, pid := range driver.ChildrenIn(f.dir) {
		if slices.Contains(old, pid) {
			t.Errorf("child %d of the old program still runs", pid)
		}
	}
	p.kill()
	if d := gocmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
}

// recorded tells whether every planned batch has its commit in the batch log.
func (f *fixture) recorded() bool {
	in, err := checkpoint.Inspect(f.cfg.Checkpoint)
	if err != nil {
		return false
	}
	s, err := in.Summarize(1)
	return err == nil && s.Committed > 0 && s.Planned == s.Committed
}
