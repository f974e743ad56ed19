package sinktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/fault"
)

// crashBatches is how many batches a killed writer has to get out. It flushes behind every second one: a lane that works in the
// background may otherwise take so many batches in one go that it passes a crash point too rarely.
const crashBatches = 16

// Crash kills a writing process at each of the named points (fault.Crash), again and again, and checks that each restart finds what was
// acknowledged, and that in the end every row is there once. Call it from a test of its own, with a subject that is the same in
// another process. It needs the build tag "faults".
func Crash(t *testing.T, mk Make, points ...string) {
	if dir := os.Getenv("SINKTEST_DIR"); dir != "" {
		crashWriter(t, mk, dir)
		return
	}
	if !fault.Enabled {
		t.Skip("there are crash points only with -tags faults")
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) { crashAt(t, mk, point) })
	}
}

// crashAt runs writers until one gets to the end.
func crashAt(t *testing.T, mk Make, point string) {
	dir := t.TempDir()
	test, _, _ := strings.Cut(t.Name(), "/")
	crashes := 0
	for epoch := 1; ; epoch++ {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.count=1")
		cmd.Env = append(os.Environ(), "SINKTEST_DIR="+dir, fmt.Sprintf("SINKTEST_EPOCH=%d", epoch))
		if epoch <= 2*crashBatches {
			cmd.Env = append(cmd.Env, fmt.Sprintf("MILLRACE_CRASH=%s:%d", point, (epoch-1)%3+1))
		}
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("writer %d: %v\n%s", epoch, err, out)
		}
		crashes++
	}
	if crashes < 3 {
		t.Errorf("only %d writers were killed at %s: is it still there?", crashes, point)
	}
	got, err := mk(t, dir).Read()
	if err != nil {
		t.Fatal(err)
	}
	var want []Row
	for n := int64(1); n <= crashBatches; n++ {
		want = append(want, rowsOf(n)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows after %d crashes (-want +got):\n%s", crashes, diff)
	}
}

// crashWriter is one life of the writer: it goes on behind the marker, and acknowledges what was published as a driver's log does.
func crashWriter(t *testing.T, mk Make, dir string) {
	h := openHarness(t, mk, dir)
	epoch, err := strconv.ParseInt(os.Getenv("SINKTEST_EPOCH"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	acks := filepath.Join(dir, "acknowledged")
	h.epoch = epoch
	l := h.open(0, 1, h.owner())
	var last int64
	if m, ok := l.Marker(); ok {
		last = m.Batch
	}
	if data, err := os.ReadFile(acks); err == nil {
		acked, err := strconv.ParseInt(string(data), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if last < acked || last > acked+1 {
			t.Fatalf("the marker is at batch %d, batch %d was acknowledged", last, acked)
		}
	}
	for n := last + 1; n <= crashBatches; n++ {
		h.write(l, n)
		if err := os.WriteFile(acks+".tmp", []byte(strconv.FormatInt(n, 10)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(acks+".tmp", acks); err != nil { // whole, though we may be killed here
			t.Fatal(err)
		}
		if n%2 == 0 {
			h.flush(l)
		}
	}
	h.flush(l)
}
