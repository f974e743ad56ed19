package plugin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/bench/run"
)

func TestMain(m *testing.M) {
	if run.IsJob() {
		run.RunJob()
		return
	}
	os.Exit(m.Run())
}

// W4's counts are checked in each run, and rows that come back are compared with those that went: a small measurement of everything but Python, which the SDK's own tests need.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	o := run.Defaults()
	o.Records, o.Lab = 5000, t.TempDir()
	quiet, err := os.Create(filepath.Join(o.Lab, "job.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	o.Quiet = quiet
	passed, trips, rounds = passed/30, trips/50, 1
	r, err := Measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Pass) != 4 || len(r.Trips) != 2 || len(r.W4) != 4 {
		t.Fatalf("measured %+v", r)
	}
	for _, p := range r.Pass {
		if p.Rows == 0 || p.Nanos <= 0 {
			t.Errorf("no figures: %+v", p)
		}
	}
	for _, d := range r.W4 {
		if d.CPU <= 0 || d.PeakMB <= 0 {
			t.Errorf("no figures: %+v", d)
		}
	}
}
