//go:build faults

package checkpoint

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// planted are the package's faults and the tests that catch them.
var planted = []struct{ fault, test string }{
	{"I4-order", "TestScripts/open"},
	{"I9-append", "TestFence"},
	{"P1-watermark", "TestReached"},
	{"P3-nosync", "TestAcknowledgedSurvives"},
	{"P3-torn", "TestBitFlips"},
	{"P4-slot", "TestSlotTaken"},
	{"P5-uuid", "TestNewUUID"},
	{"P15-behind", "TestChainModel"},
	{"P15-prune", "TestChainModel"},
	{"P15-sum", "TestStateFlips"},
	{"P17-totals", "TestTotals"},
	{"P18-journal", "TestScripts/prune"},
	{"P19-default", "TestScripts/schemas"},
	{"P19-schema", "TestScripts/operators"},
	{"P19-tables", "TestScripts/operators"},
	{"P19-tools", "TestToolsReadBothVersions"},
}

// TestRed runs each of these tests with its fault switched on: it must fail.
func TestRed(t *testing.T) {
	for _, p := range planted {
		t.Run(p.fault, func(t *testing.T) { faulttest.Red(t, p.fault, p.test, "--- FAIL: "+p.test) })
	}
}

// TestKilled ends a process at each crash point, at several appends: what it had acknowledged is there.
func TestKilled(t *testing.T) {
	for _, point := range []string{"log-before-sync", "log-after-sync"} {
		for n := 1; n <= 7; n += 3 {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledChild$")
			cmd.Env = append(os.Environ(), "MILLRACE_CHECKPOINT_CHILD="+dir, fmt.Sprintf("MILLRACE_CRASH=%s:%d", point, n))
			out, err := cmd.Output()
			if err == nil {
				t.Fatalf("%s:%d: the child was not killed:\n%s", point, n, out)
			}
			last := int64(0)
			for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
				if b, found := strings.CutPrefix(lines.Text(), "acknowledged "); found {
					last = number(b)
				}
			}
			_, r := openStore(t, dir, Options{})
			if last != int64(n-1) || r.Last == nil && last > 0 || r.Last != nil && r.Last.Batch < last || r.Last != nil && r.Last.Batch > last+1 {
				t.Fatalf("%s:%d: acknowledged %d, recovered %+v", point, n, last, r.Last)
			}
		}
	}
}

// TestKilledChild is the process that TestKilled kills.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv("MILLRACE_CHECKPOINT_CHILD")
	if dir == "" {
		t.Skip("runs under TestKilled only")
	}
	s, _ := openStore(t, dir, Options{})
	for b := int64(1); b < 20; b++ {
		var commits []Commit
		if b > 1 {
			commits = []Commit{commit(b - 1)}
		}
		ok(t, s.Append(plan(b), commits))
		fmt.Println("acknowledged", b)
	}
}
