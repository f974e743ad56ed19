//go:build faults

package source_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestFaultsAreCaught runs, for each violation that is planted in this package, the test that must go red.
func TestFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"P13-bad-lost":     "TestBadInput",
		"P18-changed-file": "TestFileChangedIsAnError",
		"P18-rate-start":   "TestRateResumes",
	} {
		for _, planted := range []string{"", fault} {
			cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.count=1")
			cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+planted)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (planted != "") {
				t.Errorf("%s with MILLRACE_FAULT=%s: %v\n%s", test, planted, err, out)
			}
		}
	}
}
