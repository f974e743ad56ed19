//go:build faults

package join

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// Each planted fault must turn its test red; the same tests are green without it.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"P29-join-late":     "TestWithinTimeline",
		"P29-join-highest":  "TestWithinLowestWatermark",
		"P29-version-early": "TestAsOfTimeline",
		"P29-versions-stay": "TestAsOfAgainstReference",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			faulttest.Red(t, fault, test)
		})
	}
}
