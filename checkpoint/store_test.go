package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ck")
	s, r := openStore(t, dir, Options{Job: "words"})
	if !r.Fresh || r.Epoch != 1 || r.Timeline != 1 || r.UUID == "" {
		t.Fatalf("fresh: %+v", r)
	}
	ok(t, s.SetOperators([]Operator{{"counts", "runningCount", "value: utf8", "value: int64"}}, nil))
	ok(t, s.Append(plan(1), nil))
	state, err := OpenState(dir)
	ok(t, err)
	ref, err := state.Write(1, 0, "x1", 1, 0, []SectionData{{"counts", 0, 64, false, rows(change{3, "a", 1, false})}, {"counts", 64, 128, true, nil}})
	ok(t, err)
	ok(t, s.Append(plan(2), []Commit{commit(1, ref)}))
	ok(t, s.PutSetting("k", "v"))
	ok(t, s.PutValue([32]byte{7}, "table", []byte("bytes")))
	ok(t, s.Sync(1))
	ok(t, s.Prune(s.Horizon()))
	ok(t, s.Close())

	s2, r2 := openStore(t, dir, Options{Job: "words"})
	want := &Recovered{
		UUID: r.UUID, Timeline: 1, Epoch: 2, Committed: 1, Planned: []Plan{*plan(2)}, Last: plan(2),
		Positions: map[string]map[int]int64{"lines": {0: 20}}, Partitions: plan(1).New,
		Operators: []Operator{{"counts", "runningCount", "value: utf8", "value: int64"}}, Deltas: []DeltaRef{ref}, Durable: 1,
	}
	if diff := cmp.Diff(want, r2); diff != "" {
		t.Fatal(diff)
	}
	if v, err := s2.Setting("k"); v != "v" || err != nil {
		t.Fatalf("setting: %q, %v", v, err)
	}
	if v, err := s2.Value([32]byte{7}); string(v) != "bytes" || err != nil {
		t.Fatalf("value: %q, %v", v, err)
	}
	plans, err := s2.Plans(1, 2)
	ok(t, err)
	if diff := cmp.Diff([]Plan{*plan(1), *plan(2)}, plans); diff != "" {
		t.Fatal(diff)
	}
	rec, err := state.Load(ref, ref.Sections[0])
	ok(t, err)
	if rec.NumRows() != 1 || rec.Column(3).ValueStr(0) != "a" {
		t.Fatalf("loaded %v", rec)
	}
	ok(t, state.Check(ref))
}

// TestFence goes red with MILLRACE_FAULT=I9-append.
func TestFence(t *testing.T) {
	dir := t.TempDir()
	a, _ := openStore(t, dir, Options{})
	ok(t, a.Append(plan(1), nil))
	b, r := openStore(t, dir, Options{})
	if r.Last == nil || r.Last.Batch != 1 {
		t.Fatalf("second opener does not see batch 1: %+v", r)
	}
	if err := a.Append(plan(2), []Commit{commit(1)}); !errors.Is(err, ErrFenced) {
		t.Fatalf("append of the old driver: %v", err)
	}
	if err := a.PutSetting("x", "y"); !errors.Is(err, ErrFenced) {
		t.Fatalf("later append of the old driver: %v", err)
	}
	ok(t, b.Append(nil, []Commit{commit(1)}))
	_, r = openStore(t, dir, Options{})
	if r.Committed != 1 || len(r.Planned) != 0 {
		t.Fatalf("what the old driver wrote counts: %+v", r)
	}
}

// TestSlotTaken goes red with MILLRACE_FAULT=P4-slot.
func TestSlotTaken(t *testing.T) {
	dir := t.TempDir()
	a, _ := openStore(t, dir, Options{roll: 1})
	ok(t, a.Append(plan(1), nil))
	b, _ := openStore(t, dir, Options{})
	ok(t, b.Append(nil, []Commit{commit(1)}))
	// a's segment is full: its next one has the number of b's.
	if err := a.Append(plan(2), []Commit{commit(1)}); !errors.Is(err, ErrFenced) {
		t.Fatalf("roll of the old driver: %v", err)
	}
	ok(t, b.Append(plan(2), nil))
	_, r := openStore(t, dir, Options{})
	if r.Committed != 1 || len(r.Planned) != 1 {
		t.Fatalf("the new driver's segment was overwritten: %+v", r)
	}
}

// TestNewUUID goes red with MILLRACE_FAULT=P5-uuid.
func TestNewUUID(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ck")
	s, a := openStore(t, dir, Options{})
	ok(t, s.Close())
	_, again := openStore(t, dir, Options{})
	if again.UUID != a.UUID {
		t.Fatalf("reopened with UUID %s, was %s", again.UUID, a.UUID)
	}
	ok(t, os.RemoveAll(dir))
	_, b := openStore(t, dir, Options{})
	if a.UUID == b.UUID {
		t.Fatalf("a deleted and new checkpoint has the old UUID %s", a.UUID)
	}
}
