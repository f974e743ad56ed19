//go:build faults

package sink_test

import (
	"testing"

	"github.com/millrace/millrace/sink/sinktest"
)

func TestCallbackFaults(t *testing.T) { sinktest.Red(t, "P12-early", "^TestCallback$") }
