//go:build faults

package commitlog

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// Each planted fault turns a test red.
func TestFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"P11-rolled-unsynced":      "TestLives",
		"P11-torn":                 "TestTornAtEveryByte",
		"P11-visible-before-fsync": "TestNothingVisibleBeforeFsync",
		"P11-marker-lost":          "TestMarkerOutlivesSegments",
		"P11-cut-durable":          "TestNothingDurableIsCut",
		"P11-misread":              "TestFlippedBits",
		"P11-deferred":             "TestDeferredDamage",
		"P11-beyond-end":           "TestMistakes",
		"P11-journal-unsynced":     "TestMachineCrash",
		"P11-journal-half":         "TestMachineCrash",
		"P11-journal-ignored":      "TestMachineCrash",
		"P11-journal-in-use":       "TestTakenOverAfterFailedSync",
		"P11-journal-refused":      "TestRefusedStaysAway",
		"P11-journal-uncut":        "TestRefusedIsCutOff",
		"I9-log":                   "TestTakenOverFromLiveProcess",
		"I9-log-epoch":             "TestTakenOverFromLiveProcess",
	} {
		t.Run(fault, func(t *testing.T) { faulttest.Red(t, fault, test) })
	}
}

// A process that commits is killed at each moment that matters, several times in a row.
func TestCrashPoints(t *testing.T) {
	for _, point := range []string{"log-frame", "log-before-fsync", "log-before-durable-end", "log-roll", "log-rolled",
		"log-journal-before-fsync", "log-journal-after-fsync"} {
		t.Run(point, func(t *testing.T) {
			topic := newTopic(t, Options{}, Settings{SegmentBytes: 2000})
			for round := range 6 {
				p := start(t, topic, "commit", fmt.Sprintf("MILLRACE_CRASH=%s:%d", point, 1+round%3))
				said := p.rest() // until it is dead
				p.kill()
				markerIsOfLastBatch(t, topic, 0, said)
			}
		})
	}
}
