//go:build faults

package sink_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

func TestLogFaultsAreCaught(t *testing.T) {
	for _, c := range []struct{ fault, test string }{
		{"I5-log", "TestLog/PublishedOnce"},
		{"I9-log", "TestLog/OldOwnerIsFenced"},
		{"I9-log-epoch", "TestLog/OldOwnerIsFenced"},
	} {
		t.Run(c.fault, func(t *testing.T) { faulttest.Red(t, c.fault, c.test) })
	}
}
