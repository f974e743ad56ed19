package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ck")
	s, r := openStore(t, dir, Options{Job: "words"})
	if !r.Fresh || r.Epoch != 1 || r.Timeline != 1 || r.UUID == "" {
		t.Fatalf("fresh: %+v", r)
	}
	ok(t, s.SetOperators([]Operator{{Name: "counts", Op: "runningCount", Key: "value: utf8", Val: "value: int64"}}, nil))
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
		Operators: []Operator{{Name: "counts", Op: "runningCount", Key: "value: utf8", Val: "value: int64"}}, Deltas: []DeltaRef{ref}, Durable: 1,
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
	ok(t, b.PutSetting("owner", "b"))
	c, r := openStore(t, dir, Options{})
	if owner, _ := c.Setting("owner"); r.Committed != 1 || len(r.Planned) != 0 || owner != "b" {
		t.Fatalf("the new driver's segment was overwritten: %+v, owner %q", r, owner)
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

// TestAcknowledgedSurvives: what Append acknowledged is there after a crash that loses all that was not synced. It goes red with MILLRACE_FAULT=P3-nosync.
func TestAcknowledgedSurvives(t *testing.T) {
	dir := t.TempDir()
	for b := int64(1); b <= 12; b += 3 {
		c, r, err := openLossy(dir, Options{roll: 600})
		ok(t, err)
		if r.Committed != max(b-2, 0) || len(r.Planned) != int(b-1-max(b-2, 0)) {
			t.Fatalf("before batch %d: committed %d, %d planned", b, r.Committed, len(r.Planned))
		}
		for i := b; i < b+3; i++ {
			var commits []Commit
			if i > 1 {
				commits = []Commit{commit(i - 1)}
			}
			before := syncs(c)
			ok(t, c.Append(plan(i), commits))
			if n := syncs(c) - before; n != 1 {
				t.Fatalf("batch %d took %d fdatasyncs", i, n)
			}
		}
		c.crash()
	}
}

func syncs(c *crashable) (n int) {
	for _, f := range c.files {
		n += f.syncs
	}
	return n
}

// failingFile is a disk that fails.
type failingFile struct {
	logFile
	err error
}

func (f *failingFile) WriteAt(p []byte, off int64) (int, error) {
	if f.err != nil {
		n, _ := f.logFile.WriteAt(p[:len(p)/2], off)
		return n, f.err
	}
	return f.logFile.WriteAt(p, off)
}

// TestFullDisk: one clear line, nothing more is taken, and nothing that was acknowledged is lost.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	var disk *failingFile
	s, _ := openStore(t, dir, Options{openFile: func(path string, reserve int64) (logFile, error) {
		f, err := openLogFile(path, reserve)
		disk = &failingFile{logFile: f}
		return disk, err
	}})
	ok(t, s.Append(plan(1), nil))
	disk.err = &os.PathError{Op: "write", Path: "x.seg", Err: syscall.ENOSPC}
	err := s.Append(plan(2), []Commit{commit(1)})
	want := "checkpoint " + dir + ": write x.seg: no space left on device; free some space on that disk and start the job again: nothing that was committed is lost"
	if err == nil || err.Error() != want {
		t.Fatalf("got  %v\nwant %s", err, want)
	}
	disk.err = nil
	if again := s.Append(plan(2), []Commit{commit(1)}); again == nil || again.Error() != want {
		t.Fatalf("after a failed write: %v", again)
	}
	_, r := openStore(t, dir, Options{})
	if r.Committed != 0 || len(r.Planned) != 1 || r.TornBytes == 0 {
		t.Fatalf("%+v", r)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	ok(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		err  error
		want string
	}{
		{explain("/d", &os.PathError{Op: "open", Path: "/d/x", Err: syscall.EROFS}), "checkpoint /d: open /d/x: read-only file system; make the directory writable for this user, or name another with --checkpoint"},
		{explain("/d", &os.PathError{Op: "mkdir", Path: "/d/x", Err: syscall.EACCES}), "checkpoint /d: mkdir /d/x: permission denied; make the directory writable for this user, or name another with --checkpoint"},
		{second(Open(file, Options{})), "checkpoint " + file + ": open " + file + ": not a directory; it, or one above it, is a file: name a directory with --checkpoint"},
		{second(Open("", Options{})), "no checkpoint directory: name one with --checkpoint"},
		{second2(Inspect(filepath.Join(dir, "none"))), "checkpoint " + filepath.Join(dir, "none") + ": there is no such directory"},
		{second2(Inspect(dir)), dir + ` is no checkpoint: it has no folder "log"; give the directory that the job has as --checkpoint`},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", c.err, c.want)
		}
	}
}

func second(_ *Store, _ *Recovered, err error) error { return err }
func second2(_ *Inspection, err error) error         { return err }

// TestPrivate: a checkpoint holds rows; nobody else reads it.
func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ck")
	s, _ := openStore(t, dir, Options{})
	ok(t, s.Append(plan(1), nil))
	ok(t, s.PutValue([32]byte{1}, "v", nil))
	d, err := OpenState(dir)
	ok(t, err)
	ok(t, d.WriteJournal(1, "s", 0, nil))
	_, err = d.Write(1, 0, "x", 1, 0, nil)
	ok(t, err)
	ok(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		ok(t, err)
		info, err := e.Info()
		ok(t, err)
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[e.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	}))
}

// TestPruneValues: shared values stay while a kept plan or this driver names them.
func TestPruneValues(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{})
	for i := byte(1); i <= 3; i++ {
		ok(t, s.PutValue([32]byte{i}, "v", []byte{i}))
	}
	named := [32]byte{1}
	p := plan(1)
	p.Values = [][]byte{named[:]}
	ok(t, s.Append(p, nil))
	ok(t, s.Close())
	s, _ = openStore(t, dir, Options{})
	ok(t, s.PutValue([32]byte{2}, "v", []byte{2}))
	ok(t, s.Prune(s.Horizon()))
	for i, want := range []bool{true, true, false} {
		if _, err := s.Value([32]byte{byte(i + 1)}); (err == nil) != want {
			t.Errorf("value %d: %v, want it kept: %t", i+1, err, want)
		}
	}
}

// TestInspectBesideDriver: tools read while the driver rolls, prunes and appends.
func TestInspectBesideDriver(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{roll: 2000, Volatile: true})
	ok(t, s.Append(plan(1), nil))
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := int64(2); b < 300; b++ {
			if err := s.Append(plan(b), []Commit{commit(b - 1)}); err != nil {
				t.Error(err)
				return
			}
			if b%10 == 0 {
				if err := errors.Join(s.Sync(b), s.Prune(s.Horizon())); err != nil {
					t.Error(err)
				}
			}
		}
	})
	last := int64(0)
	for last < 298 && !t.Failed() {
		in, err := Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		if in.Committed < last {
			t.Fatalf("committed fell from %d to %d", last, in.Committed)
		}
		last = in.Committed
	}
	wg.Wait()
	r, err := Verify(dir)
	ok(t, err)
	if len(r.Findings) > 0 {
		t.Fatal(r.Findings)
	}
}

// TestTakeoverRace: drivers that open at once; one of them, the highest epoch, is left, and what others were told is durable is there.
func TestTakeoverRace(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{Volatile: true})
	ok(t, s.Append(plan(1), nil))
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[int64]bool{}
	for range 6 {
		wg.Go(func() {
			c, r, err := Open(dir, Options{Volatile: true, roll: 700})
			if err != nil {
				if !errors.Is(err, ErrFenced) {
					t.Error(err)
				}
				return
			}
			defer c.Close()
			for b := r.Committed + int64(len(r.Planned)) + 1; ; b++ {
				if b > 40 {
					return
				}
				err := c.Append(plan(b), []Commit{commit(b - 1)})
				if errors.Is(err, ErrFenced) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if acknowledged[b] {
					t.Errorf("batch %d was planned twice", b)
				}
				acknowledged[b] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	in, err := Inspect(dir)
	ok(t, err)
	for b := range acknowledged {
		if b > in.log.ledger.lastPlanned() {
			t.Errorf("batch %d was acknowledged and is gone", b)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, volatile := range []bool{false, true} {
		b.Run(map[bool]string{false: "durable", true: "volatile"}[volatile], func(b *testing.B) { benchmarkAppend(b, Options{Volatile: volatile}) })
	}
}

func benchmarkAppend(b *testing.B, o Options) {
	s, _ := openStore(b, b.TempDir(), o)
	sections := []Section{{Operator: "counts", Until: 64, Rows: 100, Len: 500}, {Operator: "counts", From: 64, Until: 128, Rows: 100, Len: 500}}
	ref := DeltaRef{File: "000000000001-x1-e1-a0.state", Bytes: 1000, Sections: sections}
	for n := int64(1); b.Loop(); n++ {
		var commits []Commit
		if n > 1 {
			ref.Batch = n - 1
			commits = []Commit{commit(n-1, ref)}
		}
		ok(b, s.Append(plan(n), commits))
	}
}

func BenchmarkStateWrite(b *testing.B) {
	d, err := OpenState(b.TempDir())
	ok(b, err)
	var changes []change
	for i := range 1000 {
		changes = append(changes, change{i % 64, fmt.Sprint("key-", i), int64(i), false})
	}
	rec := rows(changes...)
	for n := int64(1); b.Loop(); n++ {
		if _, err := d.Write(n, n-1, "x1", 1, 0, []SectionData{{"counts", 0, 64, false, rec}, {"counts", 64, 128, false, nil}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, _, err := Open(dir, Options{})
		ok(b, err)
		ok(b, s.Close())
	}
}
