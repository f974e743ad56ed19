package checkpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// delta writes a delta with n rows.
func delta(t testing.TB, d *StateDir, b int64, executor string, n int) DeltaRef {
	t.Helper()
	var list []change
	for i := range n {
		list = append(list, change{i % 128, fmt.Sprint("key", b, i), b, false})
	}
	slices.SortStableFunc(list, func(x, y change) int { return x.group - y.group })
	ref, err := d.Write(b, b-1, executor, 1, 0, []SectionData{{"counts", 0, 64, true, nil}, {"counts", 0, 128, false, rows(list...)}})
	ok(t, err)
	return ref
}

// TestTracts writes random deltas, two at a time as an executor does, and reads each by itself. Files end with their span and at their size; large deltas have their own.
func TestTracts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	d, err := OpenState(t.TempDir())
	ok(t, err)
	d.most = 64 << 10
	refs := make([]DeltaRef, 700)
	for b := 0; b < len(refs); b += 2 {
		var g sync.WaitGroup
		for i := range 2 {
			n := 1 + r.IntN(20)
			if r.IntN(50) == 0 {
				n = 5000
			}
			g.Go(func() { refs[b+i] = delta(t, d, int64(b+i+1), "x1", n) })
		}
		g.Wait()
	}
	files := map[string]int64{}
	var ends []DeltaRef
	for _, ref := range refs {
		ok(t, d.Check(ref))
		rec, err := d.Load(ref, ref.Sections[1])
		ok(t, err)
		if rec.NumRows() != ref.Sections[1].Rows {
			t.Fatalf("batch %d: %d rows, want %d", ref.Batch, rec.NumRows(), ref.Sections[1].Rows)
		}
		if last, named := lastOf(ref.File); !named || ref.Batch > last || strings.HasSuffix(ref.File, stateSuffix) != (ref.Bytes > 64<<10) {
			t.Fatalf("batch %d of %d bytes is in %s", ref.Batch, ref.Bytes, ref.File)
		}
		files[ref.File] += ref.Bytes
		ends = append(ends, ref)
	}
	slices.SortFunc(ends, func(a, b DeltaRef) int { return strings.Compare(a.File, b.File)*2 + compareInt(a.At, b.At) })
	for i := 1; i < len(ends); i++ {
		if a, b := ends[i-1], ends[i]; a.File == b.File && a.At+a.Bytes != b.At {
			t.Fatalf("%s: batch %d ends at %d, batch %d begins at %d", a.File, a.Batch, a.At+a.Bytes, b.Batch, b.At)
		}
	}
	if len(files) > 40 {
		t.Errorf("%d files for %d deltas", len(files), len(refs))
	}
	ok(t, d.sync(refs, 0, 700))
	damageOf(t, d, refs)
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// damageOf changes one byte of a delta, and then cuts its file there: only what the change touches is damaged.
func damageOf(t *testing.T, d *StateDir, refs []DeltaRef) {
	t.Helper()
	hurt := refs[300]
	path := filepath.Join(d.dir, stateDir, hurt.File)
	data := readFile(t, path)
	at := hurt.At + hurt.Bytes/2
	data[at] ^= 1
	ok(t, os.WriteFile(path, data, 0o600))
	for _, ref := range refs {
		if err := d.Check(ref); errors.Is(err, ErrDamaged) != (ref.Batch == hurt.Batch) {
			t.Fatalf("batch %d was hurt, of batch %d: %v", hurt.Batch, ref.Batch, err)
		}
	}
	data[at] ^= 1
	ok(t, os.WriteFile(path, data[:at], 0o600))
	for _, ref := range refs {
		torn := ref.File == hurt.File && ref.At+ref.Bytes > at
		_, lerr := d.Load(ref, ref.Sections[1])
		if err := d.Check(ref); errors.Is(err, ErrDamaged) != torn || torn != errors.Is(lerr, ErrDamaged) {
			t.Fatalf("%s was cut at %d, batch %d from %d on: %v, %v", hurt.File, at, ref.Batch, ref.At, err, lerr)
		}
	}
}

// TestTractsPruned: a tract stays until the last batch of its span is behind the horizon, and goes then, whoever has it open. Nobody writes to it any more.
func TestTractsPruned(t *testing.T) {
	d, err := OpenState(t.TempDir())
	ok(t, err)
	var refs []DeltaRef
	for b := int64(5); b <= 5+2*tractSpan; b++ {
		if b%7 == 0 {
			continue // nothing changed
		}
		refs = append(refs, delta(t, d, b, "x1", 1))
	}
	for h := int64(1); h <= 5+2*tractSpan; h++ {
		ok(t, pruneFiles(filepath.Join(d.dir, stateDir), h))
		for _, ref := range refs {
			if ref.Batch >= h {
				if err := d.Check(ref); err != nil {
					t.Fatalf("horizon %d: %v", h, err)
				}
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(d.dir, stateDir))
	ok(t, err)
	if len(entries) != 1 || refs[len(refs)-1].File != entries[0].Name() {
		t.Errorf("left: %v", entries)
	}
}

// TestTractOfDead: whoever cannot write begins another file.
func TestTractOfDead(t *testing.T) {
	d, err := OpenState(t.TempDir())
	ok(t, err)
	a := delta(t, d, 1, "x1", 3)
	f, err := d.tract.open()
	ok(t, err)
	ok(t, f.Close())
	if _, err := d.Write(2, 1, "x1", 1, 0, []SectionData{{"counts", 0, 128, false, rows(change{1, "a", 1, false})}}); err == nil {
		t.Fatal("written to a file that is closed")
	}
	b := delta(t, d, 2, "x1", 3)
	c := delta(t, d, 3, "x2", 3)
	if a.File == b.File || b.File == c.File {
		t.Errorf("files %s, %s, %s", a.File, b.File, c.File)
	}
	for _, ref := range []DeltaRef{a, b, c} {
		ok(t, d.Check(ref))
	}
}
