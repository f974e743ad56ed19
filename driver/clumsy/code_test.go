package clumsy

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPanicStopsAndGoesOn: user code that panics is tried again, then the job stops with batch, partition, offset and the user's line, and
// nothing of the batch is visible. The next start, with code that does not panic, goes on there.
func TestPanicStopsAndGoesOn(t *testing.T) {
	for _, master := range []string{"local[2]", "procs[2,1]"} {
		t.Run(master, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			args := []string{"--checkpoint", "ck", "--until-caught-up", "--master", master, "--retries", "2"}
			p.produce("lines", "a b a")
			p.ok("words", args...)
			p.produce("lines", "a", "c BOOM", "d")
			p.env = []string{"CLUMSY_BUG=BOOM"}
			r := p.run("words", args...)
			for _, want := range []string{"3 attempts", "batch 2", "source log:lines partition 0 offset 2", "panic: the word is BOOM", "jobs_test.go:"} {
				if !strings.Contains(r.err, want) {
					t.Errorf("no %q in\n%s", want, r.err)
				}
			}
			if n := strings.Count(r.err, "task attempt lost"); r.code != 1 || n != 2 {
				t.Errorf("status %d, %d retries:\n%s", r.code, n, r.err)
			}
			if d := cmp.Diff(map[string]int{"a": 2, "b": 1}, p.totals("counts")); d != "" {
				t.Error(d)
			}
			p.env = nil
			p.ok("words", args...)
			if d := cmp.Diff(map[string]int{"a": 3, "b": 1, "c": 1, "d": 1, "BOOM": 1}, p.totals("counts")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSecondSignal: the first signal drains, which user code that hangs can prevent; the second ends the job at once, with its processes.
func TestSecondSignal(t *testing.T) {
	for _, master := range []string{"local[2]", "procs[2,1]"} {
		t.Run(master, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.produce("lines", "a STUCK")
			p.env = []string{"CLUMSY_STUCK=STUCK"}
			r := p.start("words", "--checkpoint", "ck", "--master", master, "--verbose", "--http", "127.0.0.1:0")
			addr := r.says(`status page.* addr=(\S+)`)[1]
			eventually(t, func() bool { return strings.Contains(get(t, addr, "/status"), `"in_flight": 1`) }, r.log.String)
			r.signal(syscall.SIGTERM)
			r.says("draining")
			r.signal(syscall.SIGTERM) // as timeout(1) does: it counts as one
			eventually(t, func() bool {
				_ = r.cmd.Process.Signal(syscall.SIGINT)
				return strings.Contains(r.log.String(), "stopped at once")
			}, r.log.String)
			if end := r.wait(); end.code != 130 || !strings.Contains(end.err, "stopped at once") {
				t.Errorf("status %d:\n%s", end.code, end.err)
			}
			eventually(t, func() bool { return len(p.processes()) == 0 },
				func() string { return fmt.Sprintf("processes are left: %v", p.processes()) })
			p.env = nil
			p.ok("words", "--checkpoint", "ck", "--until-caught-up", "--master", master)
			if d := cmp.Diff(map[string]int{"a": 1, "STUCK": 1}, p.totals("counts")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestPanicsElsewhere: panics of state functions name the key, those of callbacks the batch; both show the user's code only.
func TestPanicsElsewhere(t *testing.T) {
	for job, want := range map[string][]string{
		"stateful": {"batch 1", "partition 0", "key BOOM", "the key is BOOM", "clumsy.stateful.func1"},
		"callback": {"batch 1", `callback "callback-1" (jobs_test.go:`, "the row is BOOM", "clumsy.callback.func1"},
	} {
		t.Run(job, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.produce("lines", "a BOOM")
			args := []string{"--checkpoint", "ck", "--until-caught-up", "--retries", "1", "--master", "local[1]"}
			p.env = []string{"CLUMSY_BUG=BOOM"}
			r := p.run(job, args...)
			for _, w := range append(want, "2 attempts", "jobs_test.go:") {
				if !strings.Contains(r.err, w) {
					t.Errorf("no %q in\n%s", w, r.err)
				}
			}
			if r.code != 1 || strings.Contains(r.err, "goroutine ") || strings.Contains(r.err, "debug.Stack") {
				t.Errorf("status %d:\n%s", r.code, r.err)
			}
			p.env = nil
			p.ok(job, args...)
		})
	}
}
