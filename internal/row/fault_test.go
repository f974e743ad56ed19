//go:build faults

package row

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// red proves that a test can fail: it runs the test with a fault switched on and wants it to fail with a message.
func red(t *testing.T, fault, test, message string) {
	t.Helper()
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("is itself run with a fault")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$")
	cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+fault)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), message) {
		t.Errorf("%s with %s: want a failure with %q, got %v:\n%s", test, fault, message, err, out)
	}
}

func TestRedNormalize(t *testing.T) {
	red(t, "P24-normalize", "TestNormalizeMakesTheRoundTripTheIdentity", "time.Time")
}

func TestRedKeys(t *testing.T) { red(t, "P25-key", "TestKeys", "have one encoding") }
