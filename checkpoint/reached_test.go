package checkpoint

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
