package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/row"
)

// FuzzEntry: bytes of any kind are decoded or refused; what is decoded can be checked and applied, and says the same when it is written again.
func FuzzEntry(f *testing.F) {
	for _, e := range []*entry{
		{Plan: plan(1)}, {Plan: plan(2), Commits: []Commit{commit(1, DeltaRef{File: "f", Batch: 1, Sections: []Section{{Operator: "o", Until: 128, Full: true}}})}},
		{Settings: []setting{{"a", "b"}}, Durable: 3, Timeline: 2, Finished: true},
		{Operators: &operators{Set: []Operator{{Name: "n", Op: "o", Key: "k", Val: "v"}, {Name: "m", Added: []row.Default{{Path: "p", Null: true}, {Path: "q", Value: "v"}}}}, Dropped: []string{"x"}}},
		{Header: newLedger().header(1, 1, 0)}, {Replaced: &replaced{After: 1}},
	} {
		data, err := encoding.Marshal(e)
		ok(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEntry(data)
		if err != nil {
			return
		}
		l := newLedger()
		l.uuid = "u"
		l.apply(&entry{Plan: plan(1)}, place{1, 0})
		l.apply(&entry{Plan: plan(2)}, place{1, 1})
		if l.check(e) == nil && e.Header == nil {
			l.apply(e, place{1, 2})
			l.recovered()
		}
		again, err := encoding.Marshal(e)
		ok(t, err)
		e2, err := decodeEntry(again)
		ok(t, err)
		third, err := encoding.Marshal(e2)
		ok(t, err)
		if !bytes.Equal(again, third) {
			t.Fatalf("%x becomes %x", again, third)
		}
	})
}

// FuzzSegment harms a good segment: what is read is a prefix of what was written, or damage.
func FuzzSegment(f *testing.F) {
	dir, _ := smallLog(f)
	path := filepath.Join(dir, logDir, segmentName(1))
	whole := readFile(f, path)
	good, err := scanSegment(1, whole)
	ok(f, err)
	f.Add(uint16(0), []byte{1}, uint16(0))
	f.Add(uint16(40), []byte{0, 0, 0, 0}, uint16(3))
	f.Add(uint16(100), whole[:100], uint16(9))
	f.Fuzz(func(t *testing.T, at uint16, over []byte, cut uint16) {
		data := bytes.Clone(whole)
		n := 0
		if int(at) < len(data) {
			n = copy(data[at:], over)
		}
		data = data[:len(data)-int(cut)%len(data)]
		s, err := scanSegment(1, data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v is not ErrDamaged", err)
			}
			return
		}
		if len(s.frames) > len(good.frames) && n == 0 {
			t.Fatalf("%d frames out of %d", len(s.frames), len(good.frames))
		}
		for i, fr := range s.frames {
			if i < len(good.frames) {
				if diff := cmp.Diff(good.frames[i].entry, fr.entry); diff != "" {
					t.Fatalf("frame %d is misread:\n%s", i, diff)
				}
			}
		}
	})
}

// FuzzSegmentBytes reads bytes of any kind.
func FuzzSegmentBytes(f *testing.F) {
	dir, _ := smallLog(f)
	f.Add(readFile(f, filepath.Join(dir, logDir, segmentName(1))))
	f.Add([]byte("MRB1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := scanSegment(1, data); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v is not ErrDamaged", err)
		}
		_, _ = headerOf(1, data)
	})
}

// FuzzStateFile harms a state file: its sections are read as they were written, or not at all.
func FuzzStateFile(f *testing.F) {
	dir := f.TempDir()
	d, err := OpenState(dir)
	ok(f, err)
	ref, err := d.Write(1, 0, "x", 1, 0, []SectionData{
		{"counts", 0, 128, false, rows(change{1, "a", 7, false}, change{2, "bb", 8, true})}, {"seen", 0, 128, true, rows(change{9, "k", 1, false})},
	})
	ok(f, err)
	path := filepath.Join(dir, stateDir, ref.File)
	whole := readFile(f, path)
	f.Add(uint16(9), []byte{1}, uint16(0))
	f.Add(uint16(300), []byte{0, 0, 0, 0}, uint16(3))
	f.Fuzz(func(t *testing.T, at uint16, over []byte, cut uint16) {
		data := bytes.Clone(whole)
		if int(at) < len(data) {
			copy(data[at:], over)
		}
		data = data[:len(data)-int(cut)%len(data)]
		ok(t, os.WriteFile(path, data, 0o600))
		same := bytes.Equal(data, whole)
		if err := d.Check(ref); (err == nil) != same || err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("check: %v, though the file is the same: %t", err, same)
		}
		for _, s := range ref.Sections {
			intact := int64(len(data)) >= s.Off+s.Len && bytes.Equal(data[s.Off:s.Off+s.Len], whole[s.Off:s.Off+s.Len])
			rec, err := d.Load(ref, s)
			if (err == nil) != intact || err != nil && !errors.Is(err, ErrDamaged) || err == nil && rec.NumRows() != s.Rows {
				t.Fatalf("load: %v, though the section is the same: %t", err, intact)
			}
		}
	})
}
