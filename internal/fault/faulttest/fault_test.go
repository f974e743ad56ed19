//go:build faults

package faulttest

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/fault"
)

// TestSubject is the test that TestRed runs.
func TestSubject(t *testing.T) {
	t.Run("Guard", func(t *testing.T) {
		if fault.Planted("one") {
			t.Error("the rule is broken")
		}
	})
	t.Run("Blind", func(*testing.T) {})
	t.Run("Broken", func(t *testing.T) {
		if fault.Planted("none") { // with "none", no fault is switched on
			t.Error("red as it is")
		}
	})
}

// TestRed: each way in which a test proves nothing is told.
func TestRed(t *testing.T) {
	Red(t, "one", "TestSubject/Guard", "the rule is broken", "--- FAIL: TestSubject/Guard")
	for _, c := range []struct{ fault, test, message, why string }{
		{"two", "TestSubject/Guard", "", "TestSubject/Guard stays green with two"},
		{"one", "TestSubject/Blind", "", "TestSubject/Blind stays green with one"},
		{"one", "TestSubject/Broken", "", "TestSubject/Broken is red without a fault"},
		{"one", "TestSubj", "", "no test is called TestSubj"},
		{"one", "TestSubject/Guard", "another rule", `ends without "another rule"`},
	} {
		if why := red(c.fault, c.test, []string{c.message}); !strings.Contains(why, c.why) {
			t.Errorf("%s with %s: %q, want %q", c.test, c.fault, why, c.why)
		}
	}
}
