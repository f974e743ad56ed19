//go:build faults

package driver

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestFaultsTurnRed runs the machine's tests with each planted fault: they have to fail, or they prove nothing.
func TestFaultsTurnRed(t *testing.T) {
	machine := "TestScripts|TestRandomMachine"
	for fault, test := range map[string]string{
		"I1-publish": machine, "I4-order": machine, "I4-skip": machine, "I4-quiet": machine, "I5-skip": machine, "I9-generation": machine,
		"P1-layout": machine, "P2-time": machine, "P3-alone": machine, "P7-foreign": machine, "P7-future": machine, "P14-rollback": machine,
		"P16-sums": machine, "P17-twice": machine, "P1-broadcast": machine, "P22-hash": machine, "P28-empty": machine, "P28-idle": machine, "P28-timer": machine, "P31-passed": machine, "P31-tick": machine, "P30-close": machine, "P32-gate": machine, "P23-place": machine,
		"P22-replay": "TestLineageComparesFragments", "P15-lineage": "TestLineage", "P15-behind": "TestOperatorInterval", "P20-adopt": "TestDriverKilled", "P20-orphan": "TestProgramChanged", "P26-needed": "TestBacklogWithBadRecords",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			faulttest.Red(t, fault, test)
		})
	}
}
