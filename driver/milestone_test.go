package driver_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Batches that change no state leave nothing to compute again: a restart knows that state was whole behind them.
func TestIdleStateIsNotComputedAgain(t *testing.T) {
	f := newFixture(t, "local[2]")
	lines, want := text(100)
	f.write(lines...)
	f.run()
	for range 2 {
		f.write("", "", " ") // rows without words
		var said bytes.Buffer
		f.cfg.Log = slog.New(slog.NewTextHandler(&said, nil))
		f.run()
		if strings.Contains(said.String(), "computed again") {
			t.Errorf("state was computed again:\n%s", said.String())
		}
	}
	if d := cmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
}
