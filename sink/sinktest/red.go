package sinktest

import (
	"os"
	"os/exec"
	"testing"
)

// Red proves that a test of the running test binary can fail: it runs the test, a regular expression as for -test.run, in a process of its
// own with a planted fault switched on, and fails if that is green. The binary must be built with the tag "faults".
func Red(t *testing.T, fault, test string) {
	t.Helper()
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("is itself run with a fault")
	}
	cmd := exec.Command(os.Args[0], "-test.run", test, "-test.count=1")
	cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+fault)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%s is green with %s:\n%s", test, fault, out)
	}
}
