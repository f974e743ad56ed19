//go:build faults

package dstreamtest_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestPlantedFaultsAreCaught: faults in the engine itself turn a plain Check red, each in the way that is there for it.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for _, f := range []struct{ fault, test, says string }{
		{"I4-skip", "TestCheckHolds", "the driver starts anew in the middle of each batch"},
		{"I7-arrival", "TestCheckHolds", "equal rows, but not to the last bit"},
		{"P1-layout", "TestCheckHolds", "with other partitions"},
		{"P27-groups", "TestCheckHolds", "a restart into another layout behind each batch"},
	} {
		t.Run(f.fault, func(t *testing.T) {
			t.Parallel()
			faulttest.Red(t, f.fault, f.test, f.says)
		})
	}
}
