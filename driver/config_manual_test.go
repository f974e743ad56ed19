package driver

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// TestManualClock: only a clock that a test moves makes commits go alone and leases last for ever. A job with default settings goes by the machine's time.
func TestManualClock(t *testing.T) {
	plain := Config{Name: "job"}
	plain.defaults()
	for _, c := range []struct {
		cfg  Config
		want bool
	}{
		{plain, false},
		{Config{Clock: clock.System{}}, false},
		{Config{Clock: clock.Fine{}}, false},
		{Config{Clock: clock.NewManual(time.Unix(1, 0))}, true},
	} {
		if got := c.cfg.manual(); got != c.want {
			t.Errorf("%T counts as a clock that a test moves: %v, want %v", c.cfg.Clock, got, c.want)
		}
	}
}
