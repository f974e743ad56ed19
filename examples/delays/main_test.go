package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/sink"
)

// TestMain lets the test binary be the job's, so that a test can run it as a user does.
func TestMain(m *testing.M) {
	if os.Getenv("DELAYS_MAIN") != "" {
		main()
	}
	*planesFile, *out = "../flights/data/planes.csv", "unused" // dstreamtest opens no files
	os.Exit(m.Run())
}

// result is what reaches the job's outputs.
type result struct {
	hours []hour
	late  []lateRow
}

// drive runs the year through the job, in batches of up to most departures over three partitions, and says which departures its watermark leaves behind: those whose hour the batches
// before have closed, W being the lowest of the partitions' newest schedules, minus the delay. The weather comes some batches behind the departures.
func drive(t *testing.T, y *year, patience time.Duration, most int) (r result, late []flight) {
	defer func(d time.Duration) { *delay = d }(*delay)
	*delay = patience
	job := dstreamtest.Run(t, delays, dstreamtest.Partitions(3), dstreamtest.Start(time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)))
	take := func(b *dstreamtest.Batch) {
		r.hours = append(r.hours, dstreamtest.Values[hour](b, "hours")...)
		r.late = append(r.late, dstreamtest.Values[lateRow](b, "late")...)
	}
	random := rand.New(rand.NewPCG(uint64(most), 0))
	var highs [3]time.Time
	watermark, measured := time.Time{}, 0
	for rest := y.flights; len(rest) > 0; {
		n := min(1+random.IntN(most), len(rest))
		var parts [3][]string
		for _, f := range rest[:n] {
			if !f.hour().Add(time.Hour).After(watermark) {
				late = append(late, f)
			}
			p := random.IntN(3)
			parts[p] = append(parts[p], f.line)
			if f.due.After(highs[p]) {
				highs[p] = f.due
			}
		}
		if low := slices.MinFunc(highs[:], time.Time.Compare); !low.IsZero() {
			watermark = low.Add(-patience)
		}
		rest = rest[n:]
		ready := max(0, len(y.weather)*(len(y.flights)-len(rest)-5000)/len(y.flights))
		take(job.Batch(dstreamtest.Records("log:departures", 0, parts[0]...), dstreamtest.Records("log:departures", 1, parts[1]...),
			dstreamtest.Records("log:departures", 2, parts[2]...), dstreamtest.Records("log:weather", 0, y.weather[measured:ready]...)))
		measured = ready
	}
	take(job.Batch(dstreamtest.Records("log:weather", 0, y.weather[measured:]...)))
	take(job.Finish())
	slices.SortFunc(r.hours, hour.before) // the order among airports is not the job's to say
	slices.SortFunc(r.late, lateRow.before)
	return r, late
}

// With a day's patience no departure is late, and what the job says is what a plain program says over the files.
func TestYear(t *testing.T) {
	y := readYear(t)
	r, late := drive(t, y, 24*time.Hour, 4000)
	if len(late) > 0 {
		t.Fatalf("a day is too short for %d departures", len(late))
	}
	if d := cmp.Diff(y.hours(y.flights), r.hours); d != "" {
		t.Errorf("hours (-files +job):\n%s", short(d))
	}
	if len(r.late) > 0 {
		t.Errorf("late: %v", r.late)
	}
}

// With less, exactly the departures whose hours were closed come out as late, and the hours hold all others: the first months of the year.
func TestImpatience(t *testing.T) {
	y := readYear(t)
	y.flights, y.weather = y.flights[:60_000], y.weather[:len(y.weather)/4]
	for _, patience := range []time.Duration{0, 2 * time.Hour} {
		t.Run(patience.String(), func(t *testing.T) {
			r, late := drive(t, y, patience, 200)
			if len(late) < 100 || len(late) > len(y.flights)/10 {
				t.Fatalf("%d departures late: the case shows nothing", len(late))
			}
			t.Logf("%d of %d late", len(late), len(y.flights))
			left := map[string]bool{}
			for _, f := range late {
				left[f.line] = true
			}
			inTime := slices.DeleteFunc(slices.Clone(y.flights), func(f flight) bool { return left[f.line] })
			if d := cmp.Diff(y.hours(inTime), r.hours); d != "" {
				t.Errorf("hours (-files +job):\n%s", short(d))
			}
			if d := cmp.Diff(lateRows(late), r.late); d != "" {
				t.Errorf("late (-files +job):\n%s", short(d))
			}
		})
	}
}

// The binary loads the year, computes it on two processes, and leaves the same in files.
func TestBinary(t *testing.T) {
	y, dir := readYear(t), t.TempDir()
	run := func(args ...string) (string, error) {
		args = append(args, "--planes", *planesFile, "--log", filepath.Join(dir, "log"), "--checkpoint", filepath.Join(dir, "state"), "--out", filepath.Join(dir, "out"))
		job := exec.CommandContext(t.Context(), os.Args[0], args...)
		job.Env = append(os.Environ(), "DELAYS_MAIN=1")
		text, err := job.CombinedOutput()
		return string(text), err
	}
	if text, err := run("--load", "--finish", "--master", "procs[2,1]"); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(y.hours(y.flights), decode(t, published(t, filepath.Join(dir, "out", "hours")))); d != "" {
		t.Errorf("hours (-files +job):\n%s", short(d))
	}
	if late := published(t, filepath.Join(dir, "out", "late")); len(late) > 0 {
		t.Errorf("late: %s", late)
	}
	if text, err := run("--finish"); err == nil || !strings.Contains(text, "finished") {
		t.Errorf("started again: %v\n%s", err, text)
	}
}

// published are the rows of a file sink.
func published(t *testing.T, dir string) (rows []byte) {
	t.Helper()
	files, err := sink.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, data...)
	}
	return rows
}

// decode reads rows of JSON, sorted.
func decode(t *testing.T, rows []byte) (all []hour) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(rows))
	d.DisallowUnknownFields()
	for {
		var h hour
		err := d.Decode(&h)
		if err == io.EOF {
			slices.SortFunc(all, hour.before)
			return all
		}
		check(t, err)
		all = append(all, h)
	}
}

// short is the beginning of a long difference.
func short(d string) string { return d[:min(len(d), 4000)] }
