//go:build faults

package row

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

func TestRedNormalize(t *testing.T) {
	faulttest.Red(t, "P24-normalize", "TestNormalizeMakesTheRoundTripTheIdentity", "time.Time")
}

func TestRedKeys(t *testing.T) { faulttest.Red(t, "P25-key", "TestKeys", "have one encoding") }

func TestRedNullKeys(t *testing.T) {
	faulttest.Red(t, "P25-null-key", "TestNullableKeys", "have one encoding")
}

func TestRedGroupID(t *testing.T) { faulttest.Red(t, "P27-group-id", "TestGroupID", "group 0: hash") }

func TestRedOrderOfColumns(t *testing.T) {
	faulttest.Red(t, "P19-order", "TestOrderOfColumns", "--- FAIL: TestOrderOfColumns")
}
