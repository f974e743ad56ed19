package faulttest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/fault"
)

// Red proves that tests of the running binary guard a rule: in processes of their own they are green without the planted fault and red with it, and
// the red one says each message. A test is named as for -test.run, but each part between slashes must match a whole name: "TestLog/Published.*".
// Red may be called by several tests at once; in a process that is itself run with a fault, it skips.
func Red(t *testing.T, fault, test string, messages ...string) {
	t.Helper()
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("is itself run with a fault")
	}
	if why := red(fault, test, messages); why != "" {
		t.Error(why)
	}
}

// red says why the tests do not turn red, or "".
func red(planted, test string, messages []string) string {
	if !fault.Enabled {
		return "the faults are compiled away: build with -tags faults"
	}
	without, _ := clean.LoadOrStore(test, sync.OnceValues(func() (string, error) { return again("none", test) }))
	out, err := without.(func() (string, error))()
	switch {
	case strings.Contains(out, "no tests to run"):
		return fmt.Sprintf("no test is called %s", test)
	case err != nil:
		return fmt.Sprintf("%s is red without a fault: %v\n%s", test, err, out)
	}
	if out, err = again(planted, test); err == nil {
		return fmt.Sprintf("%s stays green with %s:\n%s", test, planted, out)
	}
	for _, m := range messages {
		if !strings.Contains(out, m) {
			return fmt.Sprintf("%s with %s ends without %q: %v\n%s", test, planted, m, err, out)
		}
	}
	return ""
}

// clean holds the outcomes without a fault, by the name of the test.
var clean sync.Map // string -> func() (string, error)

// again runs tests in a new process; one that hangs is ended, and red.
func again(planted, test string) (string, error) {
	var path []string
	for part := range strings.SplitSeq(test, "/") {
		path = append(path, "^(?:"+part+")$")
	}
	cmd := exec.Command(os.Args[0], "-test.run", strings.Join(path, "/"), "-test.count=1", "-test.failfast", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+planted)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
