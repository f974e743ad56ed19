package kill

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestOnlyLostPartsRunAgain kills an executor, which loses all its memory, and looks into what each process computed: the others each computed their lines
// once, without a pause, and what was computed twice is of the killed one's source partitions and of batches that were not committed.
// (TestTakeover in package executor asserts the same of reduce tasks and state, from the executors' counters.)
func TestOnlyLostPartsRunAgain(t *testing.T) {
	needProc(t)
	const batches = 60
	w := scriptedWorld(t, "words", "log", seedOf(t), batches)
	trace := w.path("trace")
	if err := os.Mkdir(trace, 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = []string{envTrace + "=" + trace}
	p := w.start(t)
	if !p.await(t, 20) {
		w.failf(t, "the driver ended:\n%s", p.output())
	}
	old := w.processes(t, false)
	committed, _ := p.at()
	victim := old[1]
	_ = syscall.Kill(victim, syscall.SIGKILL)
	p.finish(t)
	w.verify(t)
	if strings.Contains(p.output(), "by lineage") {
		w.failf(t, "state was computed again instead of being restored:\n%s", p.output())
	}

	computed := readTrace(t, trace)
	lost := map[string]bool{} // source partitions that the victim had
	for line := range computed[victim] {
		lost[partitionOf(line)] = true
	}
	if len(lost) == 0 || len(lost) == partitions {
		w.failf(t, "the killed executor had %d of %d source partitions", len(lost), partitions)
	}
	times := map[string]int{}
	for pid, lines := range computed {
		for line, n := range lines {
			times[line] += n
			if n > 1 {
				t.Errorf("process %d computed %q %d times", pid, line, n)
			}
		}
	}
	twice := 0
	for line, n := range times {
		if n == 1 {
			continue
		}
		twice++
		if b := w.batchOf(t, line); !lost[partitionOf(line)] || b <= committed {
			t.Errorf("%q of batch %d was computed %d times; batch %d was committed before the kill, and the killed executor had partitions %v", line, b, n, committed, lost)
		}
	}
	for _, pid := range old {
		if pid != victim && len(computed[pid]) == 0 {
			t.Errorf("executor %d computed nothing", pid)
		}
	}
	t.Logf("%d of %d lines were computed twice; the killed executor had source partitions %v", twice, len(times), lost)
}

// readTrace is how often each process computed each line.
func readTrace(t *testing.T, dir string) map[int]map[string]int {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no trace in %s: %v", dir, err)
	}
	all := map[int]map[string]int{}
	for _, f := range files {
		pid, err := strconv.Atoi(filepath.Base(f))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[pid] = map[string]int{}
		for line := range strings.Lines(string(data)) {
			all[pid][strings.TrimSpace(line)]++
		}
	}
	return all
}

// The first word of every line says where it is: "@partition:offset".
func partitionOf(line string) string {
	p, _, _ := strings.Cut(strings.TrimPrefix(line, "@"), ":")
	return p
}

func (w *world) batchOf(t *testing.T, line string) int64 {
	var part int
	var offset int64
	if _, err := fmt.Sscanf(line, "@%d:%d", &part, &offset); err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
	for b, p := range w.plans {
		for _, r := range p.ranges {
			if r.Partition == part && r.From <= offset && offset < r.Until {
				return b
			}
		}
	}
	t.Fatalf("line %q is in no batch", line)
	return 0
}
