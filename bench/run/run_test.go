package run

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if IsJob() {
		RunJob()
		return
	}
	os.Exit(m.Run())
}

// small are options for a run of a moment.
func small(t *testing.T, work string) Options {
	o := Defaults()
	o.Work, o.Records, o.Profiles, o.Keys, o.Seconds, o.Lab = work, 5000, 2000, 1000, 1, t.TempDir()
	quiet, err := os.Create(filepath.Join(o.Lab, "job.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quiet.Close() })
	o.Quiet = quiet
	return o
}

func measure(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Measure(t.Context(), o)
	if err != nil {
		said, _ := os.ReadFile(o.Quiet.Name())
		t.Fatalf("%v\n%s", err, said)
	}
	if !r.Correct {
		t.Errorf("%s %s: %s", o.Work, o.Form, r.Why)
	}
	return r
}

// Drains of each kind of job run, are right, and bring the figures that the report shows.
func TestDrain(t *testing.T) {
	for _, c := range []struct{ work, form string }{{"w2", "closures"}, {"w4", "frame"}, {"w5", "frame"}, {"q3", "closures"}, {"q7", "closures"}} {
		t.Run(c.work, func(t *testing.T) {
			t.Parallel()
			o := small(t, c.work)
			o.Form, o.Stages = c.form, c.work == "w4"
			r := measure(t, o)
			if r.Records != 5000 || r.CPU <= 0 || r.CPUUser+r.CPUSystem <= 0 || r.PeakMB <= 0 || r.Startup <= 0 || r.Batches == 0 || r.Machine.Cores == 0 || r.Version == "" {
				t.Errorf("figures are missing: %+v", r)
			}
			if (c.work == "w4") != (r.Floor > 0) || (c.work == "w2") != (r.GrepCPU > 0) {
				t.Errorf("what is measured beside: floor %v, grep %v", r.Floor, r.GrepCPU)
			}
			if o.Stages && r.Stages == nil { // empty where the job took no hundredth of a second
				t.Error("no profile was read")
			}
		})
	}
}

// Data that is there is used again, and other data is not.
func TestDataIsUsedAgain(t *testing.T) {
	o := small(t, "w2")
	loaded := func() time.Time {
		measure(t, o)
		info, err := os.Stat(filepath.Join(o.Lab, "log", "lines"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	first := loaded()
	if !loaded().Equal(first) {
		t.Error("the same data was loaded again")
	}
	o.Records = 4000
	if loaded().Equal(first) {
		t.Error("other data was not loaded")
	}
}

func TestPaced(t *testing.T) {
	for _, work := range []string{"w1", "q0"} {
		t.Run(work, func(t *testing.T) {
			t.Parallel()
			o := small(t, work)
			o.Rate, o.Seconds, o.Interval = 2000, 2, "10ms"
			r := measure(t, o)
			if r.Records != 4000 || r.LatencyP50 <= 0 || r.LatencyP50 > r.LatencyP90 || r.LatencyP99 > r.LatencyMax {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestOthers(t *testing.T) {
	for _, work := range []string{"idle", "state", "empty"} {
		t.Run(work, func(t *testing.T) {
			t.Parallel()
			o := small(t, work)
			r := measure(t, o)
			if work == "state" && (r.Keys != 1000 || r.BatchP50 <= 0) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// What cannot be measured is said before anything is loaded.
func TestCheck(t *testing.T) {
	for want, change := range map[string]func(o *Options){
		`--work "w9": want w1 to w5, q0 to q8, empty, idle, start, state, closures, window, sessions, close or plugin`: func(o *Options) { o.Work = "w9" },
		`--form "sql": want closures or frame`:   func(o *Options) { o.Form = "sql" },
		`--source "nats": want log or kafka`:     func(o *Options) { o.Source = "nats" },
		`--rate: closures makes its rows itself`: func(o *Options) { o.Work, o.Rate = "closures", 1 },
	} {
		o := Defaults()
		change(&o)
		if err := o.Check(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// From 30% of the rows on: what start-up took is in no figure.
func TestMeter(t *testing.T) {
	m := &meter{rows: 100, samples: []sample{{rows: 0, cpu: 1, allocs: 1e6, allCPU: 1}, {rows: 29, cpu: 2, allocs: 2e6, allCPU: 2}, {rows: 30, cpu: 3, allocs: 3e6, gc: 0.1, allCPU: 4},
		{rows: 80, cpu: 4, allocs: 3e6 + 20, gc: 0.2, allCPU: 5}, {rows: 100, cpu: 5, allocs: 3e6 + 70, gc: 0.3, allCPU: 6}}}
	got := m.figures()
	if want := (meterFigures{CPU: 2.0 / 70 * 1e6, Allocs: 1, GCShare: 0.2 / 2}); math.Abs(got.CPU-want.CPU) > 0.01 || got.Allocs != want.Allocs || math.Abs(got.GCShare-want.GCShare) > 0.001 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := (&meter{samples: []sample{{rows: 5}}}).figures(); got != (meterFigures{}) {
		t.Errorf("one batch: %+v", got)
	}
}
