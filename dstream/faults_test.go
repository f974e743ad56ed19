//go:build faults

package dstream_test

import (
	"os"
	"os/exec"
	"testing"
)

// Each planted fault must turn its test red; the same tests are green without it. The test binary runs itself with the
// fault switched on.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"I2-clock":             "TestRunningCountExpires",
		"I7-maporder":          "TestRowOrder",
		"I7-union-order":       "TestUnionOrder",
		"P13-dropped":          "TestDeadLetters",
		"P21-value-everywhere": "TestValueOnExecutor",
		"P24-user-times":       "TestTimesAreNormalised",
		"P25-any-key":          "TestMistakesAreReportedTogether",
		"P26-reuse":            "TestMemoryIsNotReused",
		"P28-timers-wait":      "TestStatefulTimers",
		"P32-no-gates":         "TestExplain",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
			cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+fault)
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("%s stays green with the fault:\n%s", test, out)
			}
		})
	}
}
