package checkpoint

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/rdd"
)

// TestReached: what event-time inputs have come to outlives restarts, and the segments that the commits were in.
func TestReached(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{roll: 2000})
	ok(t, s.Append(plan(1), nil))
	ok(t, s.Append(plan(2), []Commit{{Batch: 1, Hash: plan(1).Hash, Reached: []Reached{{"b", 5, []PartitionHigh{{"b", 1, 7}, {"b", 3, 9}}}}}}))
	for b := int64(2); b < 100; b++ {
		ok(t, s.Append(plan(b+1), []Commit{{Batch: b, Hash: plan(b).Hash, Reached: []Reached{{"a.at", b, []PartitionHigh{{"a", 0, 2 * b}}}}}}))
	}
	ok(t, s.Sync(99))
	ok(t, s.Prune(99))
	ok(t, s.Close())
	want := []Reached{{"a.at", 99, []PartitionHigh{{"a", 0, 198}}}, {"b", 5, []PartitionHigh{{"b", 1, 7}, {"b", 3, 9}}}}
	for range 2 {
		s, r := openStore(t, dir, Options{})
		if d := cmp.Diff(want, r.Reached); d != "" {
			t.Fatal(d)
		}
		ok(t, s.Close())
	}
}

// TestShowEventTime: show tells the watermarks around each batch, and what inputs and partitions have come to.
func TestShowEventTime(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{})
	timed := func(b int64, marks ...rdd.Watermark) *Plan {
		p := plan(b)
		p.Watermarks = marks
		return p
	}
	at := func(before int64) rdd.Watermark {
		return rdd.Watermark{Input: "lines.at", Before: before, Rest: rdd.EndOfTime}
	}
	end := func(before int64) rdd.Watermark {
		return rdd.Watermark{Input: "lines.due", Before: before, Rest: rdd.EndOfTime}
	}
	ok(t, s.Append(timed(1, at(rdd.NoTime), end(rdd.NoTime)), nil))
	ok(t, s.Append(timed(2, at(5_000_000), end(rdd.NoTime)), []Commit{{Batch: 1, Hash: plan(1).Hash, Reached: []Reached{{"lines.at", 5_000_000, []PartitionHigh{{"lines", 0, 7_000_000}}}}}}))
	ok(t, s.Append(timed(3, at(5_000_000), end(rdd.EndOfTime)), []Commit{{Batch: 2, Hash: plan(2).Hash, Reached: []Reached{{"lines.due", rdd.EndOfTime, nil}}}}))
	ok(t, s.Close())
	in, err := Inspect(dir)
	ok(t, err)
	sum, err := in.Summarize(10)
	ok(t, err)
	want := []EventTimeSummary{
		{"lines.at", "1970-01-01T00:00:05.000000Z", []ReachedSummary{{"lines", 0, "0", "1970-01-01T00:00:07.000000Z"}}},
		{"lines.due", "end", []ReachedSummary{}},
	}
	if d := cmp.Diff(want, sum.EventTime); d != "" {
		t.Error(d)
	}
	var text, data bytes.Buffer
	ok(t, sum.Text(&text))
	flat := regexp.MustCompile(`  +`).ReplaceAllString(text.String(), " | ")
	for _, line := range []string{
		"EVENT TIME | WATERMARK\nlines.at | 1970-01-01T00:00:05.000000Z\nlines.due | end\n",
		"lines.at | lines | 0 | 0 | 1970-01-01T00:00:07.000000Z\n",
		"| 0 | lines.at=1970-01-01T00:00:05.000000Z lines.due=none | lines/0:0-10\n",
		"| 0 | lines.at=1970-01-01T00:00:05.000000Z lines.due=end | lines/0:10-20\n",
		"| 0 | lines.at=1970-01-01T00:00:05.000000Z... lines.due=end... | lines/0:20-30\n",
	} {
		if !strings.Contains(flat, line) {
			t.Errorf("show lacks %q:\n%s", line, flat)
		}
	}
	ok(t, sum.JSON(&data))
	var back Summary
	ok(t, json.Unmarshal(data.Bytes(), &back))
	if d := cmp.Diff([]WatermarkSummary{{"lines.at", "1970-01-01T00:00:05.000000Z", ""}, {"lines.due", "end", ""}}, back.Batches[2].Watermarks); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]WatermarkSummary{{"lines.at", "none", "1970-01-01T00:00:05.000000Z"}, {"lines.due", "none", "none"}}, back.Batches[0].Watermarks); d != "" {
		t.Error(d)
	}
}
