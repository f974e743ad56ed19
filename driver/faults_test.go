//go:build faults

package driver

import (
	"os"
	"os/exec"
	"testing"
)

// TestFaultsTurnRed runs the machine's tests with each planted fault: they have to fail, or they prove nothing.
func TestFaultsTurnRed(t *testing.T) {
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("this is the run with a fault")
	}
	for _, name := range []string{
		"I1-publish", "I4-order", "I4-skip", "I5-skip", "I9-generation", "P1-layout", "P2-time", "P3-alone", "P7-foreign", "P7-future",
		"P14-rollback", "P16-sums", "P28-empty", "P28-timer", "P30-close", "P32-gate",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run", "^(TestScripts|TestRandomMachine)$", "-test.failfast")
			cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+name)
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("all is green with fault %s planted:\n%s", name, out)
			}
		})
	}
}
