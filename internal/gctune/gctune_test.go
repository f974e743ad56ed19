package gctune

import (
	"context"
	"runtime/debug"
	"testing"

	"github.com/millrace/millrace/internal/clock"
)

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, percentMax}, {8 << 20, 1200}, {96 << 20, 100}, {150 << 20, 64}, {8 << 30, percentMin}} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("%d bytes live: GOGC %d, want %d", c.live, got, c.want)
		}
	}
}

func TestRunSetsAndEnds(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Run(ctx, clock.System{})
	if got := debug.SetGCPercent(100); got == 100 {
		t.Error("the setting was left as it was")
	}
}
