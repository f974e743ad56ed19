//go:build faults

package executor

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestPlantedFaults expects the test that guards a rule to go red with each planted fault.
func TestPlantedFaults(t *testing.T) {
	for fault, test := range map[string]string{
		"P14-rollback":    "TestAdoption",
		"P16-checksum":    "TestDuplicateBlocks",
		"P17-attempt":     "TestRetry",
		"P17-accumulator": "TestAccumulatorsOfAttempts",
		"I3-order":        "TestOrderOfState",
		"P18-journal":     "TestJournalOfMutableSource",
		"I8-bound":        "TestPrefetchBound",
		"I9-executor":     "TestAdoption",
		"P23-shared":      "TestElsewhere",
		"P31-pass":        "TestEvery",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			faulttest.Red(t, fault, test)
		})
	}
}
