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
	machine := "^(TestScripts|TestRandomMachine)$"
	for name, tests := range map[string]string{
		"I1-publish": machine, "I4-order": machine, "I4-skip": machine, "I5-skip": machine, "I9-generation": machine,
		"P1-layout": machine, "P2-time": machine, "P3-alone": machine, "P7-foreign": machine, "P7-future": machine, "P14-rollback": machine,
		"P16-sums": machine, "P28-empty": machine, "P28-timer": machine, "P30-close": machine, "P32-gate": machine,
		"P15-lineage": "^TestLineage$", "P20-adopt": "^TestDriverKilled$", "P20-orphan": "^TestProgramChanged$",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run", tests, "-test.failfast")
			cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+name)
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("all is green with fault %s planted:\n%s", name, out)
			}
		})
	}
}
