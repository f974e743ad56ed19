package floor

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/check"
	"github.com/millrace/millrace/bench/gen"
)

// The loop counts what the checker of W4 wants, and stays short enough to be a floor.
func TestCount(t *testing.T) {
	mk, err := gen.New("ads", gen.Seed)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for i := range 5000 {
		_, val := mk(i, gen.EventMillis(i)+int64(i))
		data = append(append(data, val...), '\n')
	}
	c, err := check.New("w4", check.Data{N: 5000, Window: 10_000_000_000, Event: func(i int) int64 { return (gen.EventMillis(i) + int64(i)) * 1000 }})
	if err != nil {
		t.Fatal(err)
	}
	for w, n := range count(data, gen.CampaignOf()) {
		c.Take(jsonOf(t, map[string]any{"campaign": w.campaign, "start": w.start}), jsonOf(t, map[string]any{"count": n}))
	}
	if err := c.Done(); err != nil {
		t.Error(err)
	}
	src, err := os.ReadFile("floor.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(src, []byte("\n")); n > 60 {
		t.Errorf("floor.go has %d lines, want 60 at most", n)
	}
}

func TestState(t *testing.T) {
	if got := State(100, 100); got != "fast: 100 ns an event" {
		t.Error(got)
	}
	if got := State(240, 100); !strings.HasPrefix(got, "slow: 240 ns an event, 2.4 times") {
		t.Error(got)
	}
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
