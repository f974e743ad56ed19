//go:build faults

package executor

import (
	"os"
	"os/exec"
	"testing"
)

// TestPlantedFaults switches each planted fault on in a process of its own and expects the test that guards the rule to go red.
func TestPlantedFaults(t *testing.T) {
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("this is the process with the fault")
	}
	for fault, test := range map[string]string{
		"P14-rollback": "TestAdoption$",
		"P16-checksum": "TestDuplicateBlocks",
		"P17-attempt":  "TestRetry$",
		"I3-order":     "TestOrderOfState",
		"P18-journal":  "TestJournalOfMutableSource",
		"I8-bound":     "TestPrefetchBound",
		"I9-executor":  "TestAdoption$",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			run := func(env string) ([]byte, error) {
				c := exec.Command(os.Args[0], "-test.run", "^"+test, "-test.timeout", "20s")
				c.Env = append(os.Environ(), env)
				return c.CombinedOutput()
			}
			if out, err := run("MILLRACE_FAULT=none"); err != nil {
				t.Fatalf("%s is red without the fault: %s", test, out)
			}
			if out, err := run("MILLRACE_FAULT=" + fault); err == nil {
				t.Errorf("%s stays green with %s: %s", test, fault, out)
			}
		})
	}
}
