//go:build faults

package kafkafetch

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestFaultsAreCaught runs, for each violation that is planted in this package, the test that must go red.
func TestFaultsAreCaught(t *testing.T) {
	faulttest.Red(t, "P9-aborted", "TestEqualToRecords")
}
