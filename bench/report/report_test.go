package report

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/bench/machine"
	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/bench/stage"
)

var update = flag.Bool("update", false, "rewrite testdata")

// sample has a result for each table and plot.
func sample() *Set {
	s := &Set{Records: map[string]Record{}, Peers: []Peer{
		{Engine: "Flink <2>", Work: "w4", Settings: "exactly once", CPU: 2.94, Whole: 3.9, EventsS: 408000, PeakMB: 1235, Start: "11", Machine: "2 cores", Measured: "November"},
		{Engine: "grep", Work: "floor", Settings: "file", CPU: 0.22, Machine: "2 cores", Measured: "November"},
	}}
	here := machine.Info{CPU: "Test CPU", Cores: 2, Memory: 24, Kernel: "6.1", Go: "go1.27"}
	at := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	add := func(id string, r run.Result) {
		r.Machine, r.Version, r.Partitions, r.Correct = here, "abcdef", 8, r.Why == ""
		at = at.Add(time.Minute)
		s.Records[id] = Record{ID: id, At: at, Result: r}
	}
	w4 := run.Result{Work: "w4", Form: "frame", Source: "log", Master: "local", Interval: "100ms", Records: 2_000_000, CPU: 0.2345, Steady: 0.2, CPUUser: 0.4, CPUSystem: 0.07, EventsPerS: 1_234_567,
		PeakMB: 120.4, Startup: 0.21, Allocs: 0.0523, GCShare: 0.012, BatchP50: 20.5, BatchP99: 44, Floor: 120}
	add("drain/w4/frame/log", w4)
	kafka := w4
	kafka.Source, kafka.CPU, kafka.Floor = "kafka", 0.6, 240
	add("drain/w4/frame/kafka", kafka)
	add("drain/w2/closures/log", run.Result{Work: "w2", Form: "closures", Source: "log", Records: 100, CPU: 0.07, GrepCPU: 0.055, Why: "5 lines with w777, want 6"})
	add("drain/q5/log", run.Result{Work: "q5", Form: "frame", Source: "log", Records: 1_000_000, CPU: 1.5, EventsPerS: 500_000, PeakMB: 200})
	add("constant/empty/local[2]", run.Result{Work: "empty", Master: "local[2]", Interval: "5ms", BatchP50: 0.45, BatchP99: 1.2, Cut: 30, Launch: 4, Commit: 350, Cores: 0.1})
	add("constant/idle/local[2]", run.Result{Work: "idle", Master: "local[2]", Interval: "100ms", Cores: 0.004})
	add("constant/start/w4", run.Result{Work: "start", Startup: 0.25, StartAll: []float64{0.2, 0.25, 0.3}})
	for _, p := range []struct {
		id, interval string
		rate, ms     float64
	}{{"10000/5ms", "5ms", 10_000, 5}, {"50000/5ms", "5ms", 50_000, 6}, {"50000/10ms", "10ms", 50_000, 9}, {"50000/100ms", "100ms", 50_000, 60}} {
		add("paced/w4/log/"+p.id, run.Result{Work: "w4", Source: "log", Rate: p.rate, Interval: p.interval, LatencyP50: p.ms, LatencyP90: p.ms * 1.5, LatencyP99: p.ms * 2, LatencyMax: p.ms * 9, Cores: 0.3})
	}
	add("stages/w4/frame/log", run.Result{Work: "w4", Form: "frame", Source: "log", CPU: 0.25, Stages: map[string]float64{stage.Read: 0.3, stage.Decode: 0.5, stage.Other: 0.2}})
	add("scaling/0/local[2]", run.Result{Master: "local[2]", CPU: 0.3})
	add("scaling/5/procs[4,1]", run.Result{Master: "procs[4,1]", CPU: 0.33})
	for _, n := range []int{1_000, 10_000, 10_000_000} {
		add("state/"+map[int]string{1_000: "1000", 10_000: "10000", 10_000_000: "10000000"}[n], run.Result{Keys: n, BatchP50: 5 + float64(n)/5e6, BatchP99: 10, CPU: 20, PeakMB: 100})
	}
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", name, diff)
	}
}

// All tables, in a text whose other lines stay.
func TestMarkdown(t *testing.T) {
	text := "# By hand\n"
	for _, name := range Sections() {
		text += "\nbefore " + name + "\n<!-- bench:" + name + " -->\nold\n<!-- /bench:" + name + " -->\nbehind\n"
	}
	got, err := sample().Markdown(text)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tables.md", got)
	again, err := sample().Markdown(got)
	if err != nil || again != got {
		t.Errorf("a second time: %v\n%s", err, cmp.Diff(got, again))
	}
	if strings.Contains(got, "old") || strings.Count(got, "behind") != len(Sections()) {
		t.Error("what was between the markers is there still, or what was not is gone")
	}
}

func TestMarkersThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"nothing": "no markers", "<!-- bench:dain -->\n<!-- /bench:dain -->": "no such table", "<!-- bench:drain -->\n": "has no end",
		"<!-- /bench:drain -->\n": "without", "<!-- bench:drain -->\n<!-- bench:state -->\n": "before /bench:drain",
	} {
		if _, err := sample().Markdown(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The page needs nothing from elsewhere, and nothing that results say becomes markup.
func TestHTML(t *testing.T) {
	page := sample().HTML()
	golden(t, "page.html", page)
	if regexp.MustCompile(`(?i)<script|src=|href=|url\(|https?://|NaN|Inf\b|<2>`).MatchString(page) {
		t.Error("the page refers to something outside, has a number that is none, or markup from a name")
	}
	if n := strings.Count(page, "<svg"); n != 6 {
		t.Errorf("%d plots, want 6", n)
	}
	if empty := (&Set{}).HTML(); strings.Contains(empty, "<svg") || !strings.Contains(empty, "Not measured yet") {
		t.Error("without results there are no plots")
	}
}

// The newest line of a measurement counts, wherever it stands.
func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for _, day := range []int{2, 3, 1} {
		if err := Append(path, Record{ID: "a", At: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC), Result: run.Result{Records: day}}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Load(path, path+".none")
	if err != nil || len(s.Records) != 1 || s.Records["a"].Result.Records != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.WriteFile(path, []byte("{}\n{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, ""); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("damaged: %v", err)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0523: "0.052", 0.25: "0.25", 5.2: "5.20", 44.04: "44.0", 1234567: "1,234,567", 100: "100"} {
		if got := num(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if sortable("paced/5ms") > sortable("paced/10ms") || sortable("state/10000") > sortable("state/10000000") {
		t.Error("names do not sort by their numbers")
	}
}
