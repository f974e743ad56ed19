package rdd

import (
	"testing"
)

// A node without a name has no empty one in messages.
func TestLabel(t *testing.T) {
	at := "job.go:7"
	if got := (&Node{Op: "via", Site: at}).label(); got != "via (job.go:7)" {
		t.Errorf("without a name: %s", got)
	}
	if got := (&Node{Op: "via", Name: "x", Site: at}).label(); got != `via "x" (job.go:7)` {
		t.Errorf("with a name: %s", got)
	}
}
