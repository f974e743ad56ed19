//go:build faults

package batch_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

func TestRedPadding(t *testing.T) {
	faulttest.Red(t, "I2-padding", "TestEqualRowsHaveEqualBytes", "has other bytes")
}
