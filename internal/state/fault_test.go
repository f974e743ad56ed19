//go:build faults

package state

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

func TestRedVersion(t *testing.T) {
	faulttest.Red(t, "I3-version", "TestBeginWantsTheNextBatch", "batch 7 was begun on version 0")
}
