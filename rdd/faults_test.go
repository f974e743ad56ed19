//go:build faults

package rdd_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestPlantedFaultsAreCaught runs the tests of watermarks with each planted fault: they have to fail.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"I6-after":       "TestWatermarksFollow",
		"P28-falls":      "TestWatermarkAfter",
		"P29-hold":       "TestWatermarksFollow",
		"P29-mark-stays": "TestWatermarksFollow",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			faulttest.Red(t, fault, test)
		})
	}
}
