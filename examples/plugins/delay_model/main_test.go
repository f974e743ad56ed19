package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/internal/pythontest"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/plugins/plugintest"
)

const year = "../../flights/data/departures.jsonl.gz"

// trained is a Python with the model's packages, and a model that it has just learned.
func trained(t *testing.T) (pythontest.Python, string) {
	t.Helper()
	b, err := os.ReadFile("requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	py, file := pythontest.With(t, strings.Fields(string(b))...), filepath.Join(t.TempDir(), "model.joblib")
	out, err := py.Command(".", "train.py", year, file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "245,723 departures learned, 82,798 judged") {
		t.Fatalf("train.py: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	return py, file
}

// ref is the plugin of a Python.
func ref(py pythontest.Python, file string) plugins.Ref {
	script, _ := filepath.Abs("plugin.py")
	return plugins.Command(py.Path, script, file).Set(plugins.Settings{Env: py.Env, Start: time.Minute, Call: time.Minute}).Op("DelayRisk")
}

// The risks that processes give are those that Python gives by itself, for what the model knows and for what it does not.
func TestRisk(t *testing.T) {
	py, file := trained(t)
	rows := append(departures(t, 5000), Departure{Scheduled: "no time", Carrier: "??", Origin: "LHR", Miles: -1})
	want := plain(t, py, file, rows)
	pool := host.New(host.Options{})
	t.Cleanup(func() { _ = pool.Close() })
	for _, portable := range []bool{false, true} {
		r := ref(py, file)
		r.Settings.Portable = portable
		p, op, err := pool.Resolve(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != "delay-model" || !strings.HasPrefix(p.Version, "1.0+") {
			t.Errorf("plugin %s %s", p.Name, p.Version)
		}
		got := plugintest.Apply[Departure, struct{ Risk float64 }](t, op, rows...)
		for i, g := range got {
			if g.Risk != want[i] {
				t.Fatalf("portable %v: risk of %+v is %v, want %v", portable, rows[i], g.Risk, want[i])
			}
		}
	}
}

// The job names the departures of high risk, however they are cut into batches and partitions.
func TestJob(t *testing.T) {
	py, file := trained(t)
	*python, *model = program(t, py), file
	t.Cleanup(func() { _ = host.CloseDefault() })
	type line struct {
		Scheduled, Carrier string
		Flight             int64
		Origin             string
		Risk               float64
		Delay              int64
	}
	rows := departures(t, 3000)
	risks := plain(t, py, file, rows)
	var want []line
	for i, d := range rows {
		if risks[i] >= *risk {
			want = append(want, line{d.Scheduled, d.Carrier, d.Flight, d.Origin, math.Round(risks[i]*1000) / 1000, d.Delay})
		}
	}
	if len(want) < 10 {
		t.Fatalf("few departures are risky, and the test proves little: %v", want)
	}
	job := dstreamtest.Run(t, risky, dstreamtest.Partitions(3))
	var got []line
	for len(rows) > 0 {
		n := min(len(rows), 700)
		b := job.Batch(records(t, 0, rows[:n/3]), records(t, 1, rows[n/3:n/2]), records(t, 2, rows[n/2:n]))
		got = append(got, dstreamtest.Values[line](b, "risky")...)
		rows = rows[n:]
	}
	order := func(a, b line) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, order) // the order among partitions is not the job's to say
	slices.SortFunc(want, order)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// program is an executable that runs Python in the environment in which it finds the SDK.
func program(t *testing.T, py pythontest.Python) string {
	t.Helper()
	text := "#!/bin/sh\n"
	for k, v := range py.Env {
		text += fmt.Sprintf("export %s=%q\n", k, v)
	}
	path := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(path, []byte(text+fmt.Sprintf("exec %q \"$@\"\n", py.Path)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// records are rows as the log has them.
func records(t *testing.T, partition int, rows []Departure) dstreamtest.Rows {
	t.Helper()
	var lines []string
	for _, r := range rows {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	return dstreamtest.Records("log:departures", partition, lines...)
}

// departures are the first of the year.
func departures(t *testing.T, n int) []Departure {
	t.Helper()
	f, err := os.Open(year)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var rows []Departure
	for s := bufio.NewScanner(z); len(rows) < n && s.Scan(); {
		var d Departure
		if err := json.Unmarshal(s.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, d)
	}
	return rows
}

// plain are the risks as a program in Python without an engine has them.
func plain(t *testing.T, py pythontest.Python, file string, rows []Departure) []float64 {
	t.Helper()
	c := py.Command(".", "-c", `
import json, sys
import pyarrow as pa
from plugin import DelayRisk
from millrace_plugin.testing import run
rows = json.load(sys.stdin)
schema = pa.schema([(c, pa.int64() if c == "miles" else pa.string()) for c in ("scheduled", "carrier", "origin", "miles")])
print(json.dumps(run(DelayRisk, pa.Table.from_pylist([{c: r[c] for c in schema.names} for r in rows], schema=schema)).column("risk").to_pylist()))
`, file)
	b, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	c.Stdin, c.Stderr = strings.NewReader(string(b)), &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var risks []float64
	if err := json.Unmarshal(out, &risks); err != nil || len(risks) != len(rows) {
		t.Fatalf("%d risks for %d rows: %v\n%s", len(risks), len(rows), err, out)
	}
	return risks
}
