package flights

import (
	"strings"
	"testing"
	"time"
)

// The demo checks its own result against a plain count of the file and fails on a difference.
func TestDemo(t *testing.T) {
	var out strings.Builder
	o := Options{Speed: 20_000_000, Interval: 20 * time.Millisecond, Out: &out, Dir: t.TempDir()}
	if err := Demo(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"Replaying", "United Air Lines Inc.", "328521 departures", "Every count equals"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
}

func TestDemoRefusesNonsense(t *testing.T) {
	if err := Demo(t.Context(), Options{Speed: -1}); err == nil || !strings.Contains(err.Error(), "speed") {
		t.Errorf("speed -1: %v", err)
	}
}
