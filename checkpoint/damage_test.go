package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
)

// smallLog is a checkpoint with three segments, the last of them with several frames; ends are its recovered states
// after each acknowledged append, oldest first.
func smallLog(t testing.TB) (dir string, ends []*Recovered) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ck")
	o := Options{roll: 200, Random: bytes.NewReader(make([]byte, 16)), Clock: clock.NewManual(time.UnixMicro(1))}
	s, _ := openStore(t, dir, o)
	note := func(err error) {
		t.Helper()
		ok(t, err)
		log, err := readLog(dir)
		ok(t, err)
		ends = append(ends, log.ledger.recovered())
	}
	note(s.Append(plan(1), nil))
	note(s.Append(plan(2), []Commit{commit(1)}))
	ok(t, s.Close())
	o.roll = 1000
	s, _ = openStore(t, dir, o)
	note(s.PutSetting("color", "red"))
	note(s.Append(plan(3), []Commit{commit(2)}))
	note(s.Append(plan(4), []Commit{commit(3)}))
	note(s.Append(nil, []Commit{commit(4)}))
	ok(t, s.Close())
	return dir, ends
}

// clone copies a checkpoint, without the index: it would tell that the log lost something.
func clone(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	ok(t, os.CopyFS(to, os.DirFS(dir)))
	ok(t, remove(filepath.Join(to, indexFile)))
	return to
}

// lastFrame is the byte range of the last frame of the newest segment.
func lastFrame(t testing.TB, dir string) (path string, from, end int64) {
	t.Helper()
	path = lastSegment(t, dir)
	f, err := readSegmentFile(dir, number(filepath.Base(path)[:12]))
	ok(t, err)
	s, err := scanSegment(f.number, f.data)
	ok(t, err)
	return path, s.frames[len(s.frames)-1].off, s.end
}

// TestTornWrites cuts the last record at every byte, as a crash in the middle of a write does.
func TestTornWrites(t *testing.T) {
	dir, ends := smallLog(t)
	want := ends[len(ends)-2]
	path, from, end := lastFrame(t, dir)
	whole := readFile(t, path)
	for cut := from; cut < end; cut++ {
		for _, pad := range []int64{0, int64(len(whole)) - cut} { // the file ends there, or its reserved space follows
			copied := clone(t, dir)
			torn := append(append([]byte(nil), whole[:cut]...), make([]byte, pad)...)
			ok(t, os.WriteFile(filepath.Join(copied, logDir, filepath.Base(path)), torn, 0o600))
			s, r, err := Open(copied, Options{Volatile: true})
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if r.Committed != want.Committed || len(r.Planned) != len(want.Planned) || (r.TornBytes > 0) != (cut > from) {
				t.Fatalf("cut at %d: committed %d, %d planned, torn %d", cut, r.Committed, len(r.Planned), r.TornBytes)
			}
			ok(t, s.Append(plan(5), []Commit{commit(4)}))
			ok(t, s.Close())
			in, err := Inspect(copied)
			ok(t, err)
			if in.Committed != 4 || len(in.Planned) != 1 {
				t.Fatalf("cut at %d: after appending: committed %d, %d planned", cut, in.Committed, len(in.Planned))
			}
		}
	}
}

// flip flips one bit of a byte of a file, another one in each byte.
func flip(t testing.TB, path string, data []byte, at int) {
	t.Helper()
	data[at] ^= 1 << (at % 8)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	ok(t, err)
	defer f.Close()
	_, err = f.WriteAt(data[at:at+1], int64(at))
	ok(t, err)
}

// TestBitFlips flips a bit of each byte of each segment: it is reported, or falls in the last frame, which is then cut and reported as
// torn. Nothing else is ever read. It goes red with MILLRACE_FAULT=P3-torn.
func TestBitFlips(t *testing.T) {
	dir, ends := smallLog(t)
	segments, err := filepath.Glob(filepath.Join(dir, logDir, "*"+segmentSuffix))
	ok(t, err)
	if len(segments) < 2 {
		t.Fatal("one segment only")
	}
	last, before := ends[len(ends)-1], ends[len(ends)-2]
	_, from, _ := lastFrame(t, dir)
	cut, reported := 0, 0
	for i, path := range segments {
		data := readFile(t, path)
		for at := range data {
			flip(t, path, data, at)
			log, err := readLogOnce(dir)
			flip(t, path, data, at)
			where := fmt.Sprintf("%s byte %d", filepath.Base(path), at)
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("%s: %v is not ErrDamaged", where, err)
				}
				reported++
				continue
			}
			want := last
			if i == len(segments)-1 && int64(at) >= from && log.ledger.lastPlanned() == before.Last.Batch && log.ledger.committed == before.Committed {
				want = before
				cut++
			}
			if diff := cmp.Diff(want, log.ledger.recovered()); diff != "" {
				t.Fatalf("%s is misread:\n%s", where, diff)
			}
			if i == len(segments)-1 && log.tornBytes() == 0 {
				t.Fatalf("%s: nothing is said of it", where)
			}
		}
	}
	if cut == 0 || reported == 0 {
		t.Fatalf("%d cut, %d reported", cut, reported)
	}
}

// TestStateFlips flips bits of a state file. It goes red with MILLRACE_FAULT=P15-sum.
func TestStateFlips(t *testing.T) {
	dir := t.TempDir()
	d, err := OpenState(dir)
	ok(t, err)
	ref, err := d.Write(1, 0, "x/1", 1, 0, []SectionData{
		{"counts", 0, 64, false, rows(change{1, "a", 7, false}, change{2, "bb", 8, true})},
		{"counts", 64, 128, true, nil},
		{"seen", 0, 128, true, rows(change{9, "k", 1, false})},
	})
	ok(t, err)
	path := filepath.Join(dir, stateDir, ref.File)
	data := readFile(t, path)
	for i := range data {
		flip(t, path, data, i)
		if err := d.Check(ref); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d: check: %v", i, err)
		}
		for _, s := range ref.Sections {
			_, err := d.Load(ref, s)
			hit := int64(i) >= s.Off && int64(i) < s.Off+s.Len
			if errors.Is(err, ErrDamaged) != hit || !hit && err != nil {
				t.Fatalf("byte %d, section %s at %d: %v", i, s.Operator, s.Off, err)
			}
		}
		flip(t, path, data, i)
	}
	for cut := len(data) - 1; cut >= 0; cut-- {
		ok(t, os.Truncate(path, int64(cut)))
		if err := d.Check(ref); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: check: %v", cut, err)
		}
		if _, err := d.Load(ref, ref.Sections[2]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: load: %v", cut, err)
		}
	}
	ref.File = "../" + ref.File
	if err := d.Check(ref); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a name that leads out of the folder: %v", err)
	}
}

// TestWriteKeeps: a file that exists is never written to by another, and nothing in it twice, whatever attempt comes again.
func TestWriteKeeps(t *testing.T) {
	d, err := OpenState(t.TempDir())
	ok(t, err)
	a, err := d.Write(1, 0, "x1", 1, 0, []SectionData{{"counts", 0, 128, true, rows(change{1, "a", 1, false})}})
	ok(t, err)
	b, err := d.Write(1, 0, "x1", 1, 0, []SectionData{{"counts", 0, 128, true, rows(change{1, "a", 2, false})}})
	ok(t, err)
	if a.File != b.File || a.At+a.Bytes > b.At {
		t.Fatalf("%s at %d, then %s at %d", a.File, a.At, b.File, b.At)
	}
	other, err := OpenState(d.dir)
	ok(t, err)
	c, err := other.Write(1, 0, "x1", 1, 0, nil)
	ok(t, err)
	other.most = -1
	e, err := other.Write(1, 0, "x1", 1, 0, nil)
	ok(t, err)
	f, err := other.Write(1, 0, "x1", 1, 0, nil)
	ok(t, err)
	if c.File == a.File || e.File == f.File {
		t.Fatalf("files %s and %s, %s and %s", a.File, c.File, e.File, f.File)
	}
	for _, ref := range []DeltaRef{a, b, c, e, f} {
		ok(t, d.Check(ref))
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	d, err := OpenState(dir)
	ok(t, err)
	if _, found, err := d.ReadJournal(1, "a/b", 0); found || err != nil {
		t.Fatalf("none yet: %t, %v", found, err)
	}
	ok(t, d.WriteJournal(1, "a/b", 0, []byte("rows")))
	ok(t, d.WriteJournal(1, "a_b", 0, []byte("other source")))
	ok(t, d.WriteJournal(1, "a/b", 0, []byte("rows")))
	if err := d.WriteJournal(1, "a/b", 0, []byte("changed")); err == nil {
		t.Fatal("a second journal with another content was taken")
	}
	data, found, err := d.ReadJournal(1, "a/b", 0)
	if string(data) != "rows" || !found || err != nil {
		t.Fatalf("%q, %t, %v", data, found, err)
	}
	path := d.journalPath(1, "a/b", 0)
	sealed := readFile(t, path)
	for i := range sealed {
		sealed[i] ^= 4
		ok(t, os.WriteFile(path, sealed, 0o600))
		if _, _, err := d.ReadJournal(1, "a/b", 0); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
		sealed[i] ^= 4
	}
}
