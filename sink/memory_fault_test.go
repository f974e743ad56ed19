//go:build faults

package sink_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

func TestCallbackFaults(t *testing.T) { faulttest.Red(t, "P12-early", "TestCallback") }
