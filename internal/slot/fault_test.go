//go:build faults

package slot

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// TestRed proves that TestOneWinner and TestCreateOnce can fail.
func TestRed(t *testing.T) {
	for _, name := range []string{"TestCreateOnce", "TestOneWinner"} {
		faulttest.Red(t, "P10-double-slot", name)
	}
}
