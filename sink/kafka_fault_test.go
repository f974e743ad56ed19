//go:build faults

package sink_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
	"github.com/millrace/millrace/internal/kafkatest"
)

func TestKafkaFaults(t *testing.T) {
	kafkatest.Addr(t)
	for _, f := range []struct{ fault, test string }{
		{"I5-kafka", "TestKafkaConforms/PublishedOnce"},
		{"I9-kafka", "TestKafkaConforms/OldOwnerIsFenced"},
		{"P9-marker", "TestKafkaConforms/RestartAtEveryStep"},
	} {
		t.Run(f.fault, func(t *testing.T) { faulttest.Red(t, f.fault, f.test) })
	}
}
