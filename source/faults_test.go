//go:build faults

package source_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestFaultsAreCaught runs, for each violation that is planted in this package, the test that must go red.
func TestFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"P13-bad-lost":     "TestBadInput",
		"P13-filtered":     "TestColumnsOfJSON",
		"P18-changed-file": "TestFileChangedIsAnError",
		"P18-rate-start":   "TestRateResumes",
	} {
		t.Run(fault, func(t *testing.T) { faulttest.Red(t, fault, test) })
	}
}
