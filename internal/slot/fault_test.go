//go:build faults

package slot

import (
	"os"
	"os/exec"
	"testing"
)

// TestRed proves that TestOneWinner and TestCreateOnce can fail: it runs them with the fault switched on.
func TestRed(t *testing.T) {
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("is itself run with a fault")
	}
	for _, name := range []string{"TestCreateOnce", "TestOneWinner"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+name+"$")
		cmd.Env = append(os.Environ(), "MILLRACE_FAULT=P10-double-slot")
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%s is green with P10-double-slot:\n%s", name, out)
		}
	}
}
