package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/rdd"
)

func ints(name string, n int64) Total {
	return Total{name, "sum of int64", rdd.Amount{Int: n, Set: true}}
}

func floats(name string, f float64) Total {
	return Total{name, "max of float64", rdd.Amount{Float: f, Set: true}}
}

// TestTotals: accumulators' totals outlive restarts, and the segments that their commits were in.
func TestTotals(t *testing.T) {
	dir := t.TempDir()
	s, r := openStore(t, dir, Options{roll: 2000})
	if r.Totals != nil {
		t.Fatalf("a new checkpoint has totals %v", r.Totals)
	}
	ok(t, s.Append(plan(1), nil))
	ok(t, s.Append(plan(2), []Commit{{Batch: 1, Hash: plan(1).Hash, Totals: []Total{floats("heat", math.NaN()), ints("rows", 7)}}}))
	for b := int64(2); b < 100; b++ {
		ok(t, s.Append(plan(b+1), []Commit{{Batch: b, Hash: plan(b).Hash, Totals: []Total{ints("rows", 7*b)}}}))
	}
	ok(t, s.Sync(99))
	ok(t, s.Prune(99))
	if _, err := s.Plans(1, 1); err == nil {
		t.Fatal("the first batch's segment is still there: the test shows nothing")
	}
	ok(t, s.Close())
	want := []Total{floats("heat", math.NaN()), ints("rows", 7*99)}
	for range 2 {
		s, r = openStore(t, dir, Options{})
		if d := cmp.Diff(want, r.Totals, cmpopts.EquateNaNs()); d != "" {
			t.Fatal(d)
		}
		ok(t, s.Close())
	}
	in, err := Inspect(dir)
	ok(t, err)
	sum, err := in.Summarize(1)
	ok(t, err)
	var text, json bytes.Buffer
	ok(t, sum.Text(&text))
	ok(t, sum.JSON(&json))
	for _, line := range []string{"heat         max of float64  NaN", "rows         sum of int64    693"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("show lacks %q:\n%s", line, text.String())
		}
	}
	if !strings.Contains(json.String(), `"value": "NaN"`) {
		t.Error(json.String())
	}
}

func pinned(b, version int64, data string) *Plan {
	p := plan(b)
	hash := sha256.Sum256([]byte(data))
	p.Broadcasts = []Pin{{"rates", version, hash[:]}}
	return p
}

// TestPruneVersions: a version of a broadcast stays as long as it may become that of a plan, or a restart or lineage may ask for it, and no longer.
func TestPruneVersions(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{})
	hash := func(data string) [32]byte { return sha256.Sum256([]byte(data)) }
	check := func(when string, want ...string) {
		t.Helper()
		ok(t, s.Sync(99))
		ok(t, s.Prune(99))
		var got []string
		for i := range 5 {
			data := fmt.Sprint("v", i)
			if b, err := s.Value(hash(data)); err == nil && string(b) == data {
				got = append(got, data)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", when, d)
		}
	}
	put := func(data string) { ok(t, s.PutValue(hash(data), "rates", []byte(data))) }
	put("v1")
	put("v1")
	s.ReleaseValue(hash("v1"), 1)
	check("put twice, released once", "v1")
	ok(t, s.Append(pinned(1, 1, "v1"), nil))
	s.ReleaseValue(hash("v1"), 1)
	put("v2")
	check("planned", "v1", "v2")
	ok(t, s.Append(pinned(2, 2, "v2"), []Commit{commit(1)}))
	check("the last batch that is committed, and a planned one", "v1", "v2")
	put("v3") // used by nobody
	s.ReleaseValue(hash("v3"), 1)
	ok(t, s.Append(pinned(3, 2, "v2"), []Commit{commit(2)}))
	check("behind both", "v2")
	if r, err := Verify(dir); err != nil || len(r.Findings) > 0 {
		t.Errorf("%v, %v", r.Findings, err)
	}
	ok(t, s.Close())
	s, r := openStore(t, dir, Options{})
	if d := cmp.Diff(pinned(3, 2, "v2").Broadcasts, r.Last.Broadcasts); d != "" {
		t.Error(d)
	}
	check("restart", "v2")
	in, err := Inspect(dir)
	ok(t, err)
	sum, err := in.Summarize(1)
	ok(t, err)
	if d := cmp.Diff([]BroadcastSummary{{"rates", 2, 2, fmt.Sprintf("%x", hash("v2"))}}, sum.Broadcasts); d != "" {
		t.Error(d)
	}
}
