package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/stats"
)

func TestLine(t *testing.T) {
	for want, ratios := range map[string][]float64{
		"WORSE": {1.2, 1.15, 1.3}, "dearer, within the limit": {1.02, 1.05, 1.09}, "no difference that counts": {0.99, 1.01, 1.2}, "cheaper": {0.5, 0.6, 0.99},
	} {
		one := make([]float64, len(ratios))
		for i := range one {
			one[i] = 1
		}
		if got := line("w4", stats.Paired(one, ratios), 1.1); !strings.HasSuffix(got, want) {
			t.Errorf("%v: %s, want %s", ratios, got, want)
		}
	}
}

// The newest result of a clean tree names the base.
func TestRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if _, err := recorded(path); err == nil || !strings.Contains(err.Error(), "name BASE") {
		t.Errorf("without results: %v", err)
	}
	err := os.WriteFile(path, []byte(`{"id":"a","at":"2026-01-02T00:00:00Z","result":{"version":"new"}}
{"id":"b","at":"2026-01-01T00:00:00Z","result":{"version":"old"}}
{"id":"c","at":"2026-01-03T00:00:00Z","result":{"version":"dirty+"}}
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := recorded(path); err != nil || got != "new" {
		t.Errorf("%q, %v", got, err)
	}
}
