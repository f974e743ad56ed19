//go:build faults

package commitlog

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Each planted fault turns a test red.
func TestFaultsAreCaught(t *testing.T) {
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("is itself run with a fault")
	}
	for fault, test := range map[string]string{
		"P11-torn":                 "TestTornAtEveryByte",
		"P11-visible-before-fsync": "TestNothingVisibleBeforeFsync",
		"P11-marker-lost":          "TestMarkerOutlivesSegments",
		"P11-cut-durable":          "TestNothingDurableIsCut",
		"P11-misread":              "TestFlippedBits",
		"P11-beyond-end":           "TestMistakes",
		"I9-log":                   "TestTakenOverFromLiveProcess",
		"I9-log-epoch":             "TestTakenOverFromLiveProcess",
	} {
		t.Run(fault, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.count=1")
			cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+fault)
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("%s is green with %s:\n%s", test, fault, out)
			}
		})
	}
}

// A process that commits is killed at each moment that matters, several times in a row.
func TestCrashPoints(t *testing.T) {
	for _, point := range []string{"log-frame", "log-before-fsync", "log-before-durable-end", "log-roll", "log-rolled"} {
		t.Run(point, func(t *testing.T) {
			topic := newTopic(t, Options{}, Settings{SegmentBytes: 2000})
			for round := range 6 {
				p := start(t, topic, "commit", fmt.Sprintf("MILLRACE_CRASH=%s:%d", point, 1+round%3))
				said := p.rest() // until it is dead
				p.kill()
				markerIsOfLastBatch(t, topic, said)
			}
		})
	}
}
