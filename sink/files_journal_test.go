package sink

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testJournal holds batch 1 in two pieces, published, batch 2 in two attempts, published, and batch 3, staged only.
func testJournal(t testing.TB) ([]byte, []int64) {
	j, err := createJournal(filepath.Join(t.TempDir(), "j"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if err := j.restart(5); err != nil {
		t.Fatal(err)
	}
	var ends []int64 // of publish frames
	add := func(batch int64, flags byte, payload string) extent {
		at, err := j.append(frame{kind: kindData, flags: flags, batch: batch, rows: 2}, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	publish := func(batch int64, extents ...extent) {
		b := &stagedBatch{number: batch, rows: int64(2 * len(extents)), extents: extents, marker: Marker{UUID: "u", Batch: batch, PlanHash: []byte("h")}}
		if err := j.publish(b); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, j.end)
	}
	publish(1, add(1, flagFirst, "one"), add(1, 0, "more"))
	add(2, flagFirst, "thrown away")
	add(2, 0, "this too")
	publish(2, add(2, flagFirst, "two"))
	add(3, flagFirst, "three")
	data, err := os.ReadFile(j.f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data, ends
}

// contents are the published batches and their bytes.
func contents(data []byte) (scanned, []string) {
	s := scanJournal(bytes.NewReader(data), int64(len(data)))
	var texts []string
	for _, b := range s.published {
		text := ""
		for _, e := range b.extents {
			text += string(data[e.off : e.off+e.len])
		}
		texts = append(texts, text)
	}
	return s, texts
}

// A journal that is torn or damaged anywhere gives whole batches up to there, never anything else (P7).
func TestScanTornJournal(t *testing.T) {
	data, ends := testJournal(t)
	whole := []string{"onemore", "two"}
	expect := func(what string, got []string, upTo int64) {
		t.Helper()
		n := 0
		for n < len(ends) && ends[n] <= upTo {
			n++
		}
		if diff := cmp.Diff(whole[:n], append([]string{}, got...)); diff != "" {
			t.Fatalf("%s: %s", what, diff)
		}
	}
	for n := range len(data) + 1 {
		_, got := contents(data[:n])
		expect("cut", got, int64(n))
		damaged := bytes.Clone(data)
		if n < len(data) {
			damaged[n] ^= 0x41
		}
		_, got = contents(damaged)
		if n < len(data) {
			expect("flip", got, int64(n))
		} else {
			expect("whole", got, int64(n))
		}
	}
	// What an earlier generation left behind the end is not read.
	older, _ := testJournal(t)
	j := append(bytes.Clone(data[:ends[0]]), older[ends[0]:]...)
	for i := int(ends[0]); i < len(j); {
		f, _, _, ok := readFrame(bytes.NewReader(j), int64(i), int64(len(j)), nil)
		if !ok {
			break
		}
		j[i+8]-- // generation
		i = int(f.at.off + f.at.len)
	}
	_, got := contents(j)
	expect("generations", got, ends[0])
}

func FuzzScanJournal(f *testing.F) {
	data, _ := testJournal(f)
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, _ := contents(data)
		for _, b := range s.published {
			if b.number != b.marker.Batch || len(b.extents) == 0 && b.rows > 0 {
				t.Fatalf("batch %+v", b)
			}
		}
	})
}

func FuzzDecodeSlot(f *testing.F) {
	s := &manifestSlot{Kind: slotData, Lane: 3, Slot: 7, UUID: "u", Add: &fileEntry{Name: "n"}, Marker: newFileMarker(Marker{PlanHash: []byte{1}})}
	data, err := s.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := decodeSlot(in, 3, 7)
		if err == nil && got.Kind == slotData && got.Add == nil {
			t.Fatal("a data slot without a file")
		}
	})
}

func TestSlotDamage(t *testing.T) {
	s := &manifestSlot{Kind: slotFence, Lane: 3, Slot: 7, UUID: "u"}
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeSlot(data, 3, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeSlot(data, 3, 8); err == nil {
		t.Error("a slot under another number is taken")
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		if _, err := decodeSlot(damaged, 3, 7); err == nil {
			t.Errorf("a flipped bit in byte %d is not seen", i)
		}
		if _, err := decodeSlot(data[:i], 3, 7); err == nil {
			t.Errorf("a slot of %d bytes is taken", i)
		}
	}
}
