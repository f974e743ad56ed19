//go:build faults

package kill

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crashPoints are all moments at which the engine can be told to end its process (fault.Crash), with the sinks under which they are passed;
// "": all three take turns.
var crashPoints = map[string]string{
	// The driver, from cutting a batch to recording that it is published.
	"driver-launched":                   "",
	"log-before-sync":                   "", // the batch log's frame is written and not durable
	"log-after-sync":                    "",
	"driver-planned":                    "", // between plan and publish
	"driver-between-publish-and-record": "",
	"driver-committed":                  "",
	// An executor, from computing to the driver's word that all is published.
	"exec-mid-batch":             "",
	"exec-staged":                "",
	"exec-publish-between-lanes": "",
	"exec-published":             "",
	"exec-committed":             "",
	// The sinks, around the one write that makes a batch visible.
	"files-staged":        "files",
	"files-before-slot":   "files",
	"files-after-slot":    "files",
	"log-before-publish":  "log",
	"log-after-publish":   "log",
	"kafka-before-commit": "kafka",
	"kafka-after-commit":  "kafka",
	// The embedded log below its sink.
	"log-frame":                "log",
	"log-before-fsync":         "log",
	"log-journal-before-fsync": "log",
	"log-journal-after-fsync":  "log",
	"log-before-durable-end":   "log",
	"log-roll":                 "log",
	"log-rolled":               "log",
}

// TestCrashPoints ends a process at each point, once, the n-th time that one passes there; a driver is started again. The output is that of a run
// without a crash, row for row.
func TestCrashPoints(t *testing.T) {
	needProc(t)
	passes := []int{3}
	if os.Getenv("MILLRACE_LONG") != "" {
		passes = []int{1, 2, 3, 9}
	}
	seed := seedOf(t)
	sinks := []string{"files", "log", "kafka"}
	calm := map[string]published{}
	for i, point := range slices.Sorted(maps.Keys(crashPoints)) {
		for k, n := range passes {
			t.Run(fmt.Sprintf("%s:%d", point, n), func(t *testing.T) {
				sink := crashPoints[point]
				if sink == "" {
					sink = sinks[(i+k)%len(sinks)]
				}
				job := []string{"words", "enrich"}[(i+k)%2]
				key := job + sink
				if calm[key] == nil {
					w := crashWorld(t, job, sink, seed)
					w.start(t).finish(t)
					calm[key] = w.verify(t)
				}
				got := crashAt(t, crashWorld(t, job, sink, seed), point, n)
				if diff := cmp.Diff(calm[key], got, cmp.AllowUnexported(row{})); diff != "" {
					t.Errorf("the output differs from that of an undisturbed run (-undisturbed +disturbed):\n%s", diff)
				}
			})
		}
	}
}

// crashWorld has batches enough to pass each point three times. Files are rolled beside the batches, as fast as the disk lets them.
func crashWorld(t *testing.T, job, sink string, seed uint64) *world {
	batches := 24
	if sink == "files" {
		batches = 120
	}
	return scriptedWorld(t, job, sink, seed, batches)
}

// crashAt runs the world to its end.
func crashAt(t *testing.T, w *world, point string, n int) published {
	t.Helper()
	once := w.path("crashed")
	w.env = []string{fmt.Sprintf("MILLRACE_CRASH=%s:%d", point, n), "MILLRACE_CRASH_ONCE=" + once}
	p := w.start(t)
	err := p.wait(t)
	if !exists(once) {
		if n > 3 {
			t.Skipf("no process passed %s for the %d. time", point, n)
		}
		w.failf(t, "no process passed %s for the %d. time:\n%s", point, n, p.output())
	}
	if strings.HasPrefix(point, "driver-") && err == nil {
		w.failf(t, "the driver was to crash at %s", point)
	}
	if err != nil {
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			w.failf(t, "the driver ended with %v:\n%s", err, p.output())
		}
		w.collect(t)
		w.start(t).finish(t)
	}
	w.awaitNoProcess(t, orphanLimit)
	return w.verify(t)
}

// TestCrashPointsAreComplete fails if the engine has a crash point that TestCrashPoints does not try.
func TestCrashPointsAreComplete(t *testing.T) {
	found := inSource(t, regexp.MustCompile(`fault\.Crash\("([^"]+)"\)`))
	if diff := cmp.Diff(found, slices.Sorted(maps.Keys(crashPoints))); diff != "" {
		t.Errorf("crash points (-in the source +tried):\n%s", diff)
	}
}

// inSource are the texts that the expression's group matches in the engine's source, sorted.
func inSource(t *testing.T, re *regexp.Regexp) []string {
	t.Helper()
	found := map[string]bool{}
	eachSource(t, func(_, text string) {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
	})
	return slices.Sorted(maps.Keys(found))
}

// eachSource visits the engine's source files, without tests.
func eachSource(t *testing.T, visit func(path, text string)) {
	t.Helper()
	eachGoFile(t, func(path, text string) {
		if !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "internal/fault/") {
			visit(path, text)
		}
	})
}

// eachGoFile visits all Go files but this package's.
func eachGoFile(t *testing.T, visit func(path, text string)) {
	t.Helper()
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || strings.HasPrefix(filepath.ToSlash(rel), "internal/kill/") {
			return err
		}
		data, err := os.ReadFile(path)
		visit(filepath.ToSlash(rel), string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
