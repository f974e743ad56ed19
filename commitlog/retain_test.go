package commitlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/records"

	"github.com/millrace/millrace/internal/clock"
)

func commitOne(t *testing.T, w *Writer, key, value, marker string) {
	t.Helper()
	var b Batch
	var m []byte
	if marker != "" {
		m = []byte(marker)
	}
	check(t, b.Add(bytesOf(key), bytesOf(value), 7))
	_, err := w.Commit(context.Background(), &b, m)
	check(t, err)
}

func TestRetainBytes(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 1000, RetainBytes: 3000})
	w := openWriter(t, topic, 0)
	slow := must[*Reader](t)(topic.Reader(0, 0))
	defer slow.Close()
	for i := range 100 {
		commitOne(t, w, "k", fmt.Sprint(i), "")
	}
	b := must[Bounds](t)(topic.Bounds(0))
	in := must[Info](t)(topic.Describe(0))
	if b.Start == 0 || b.End != 100 || in.Bytes > 3000+1000 || in.Segments < 2 {
		t.Errorf("bounds %+v, %+v", b, in)
	}
	if _, err := topic.Reader(0, b.Start-1); !errors.Is(err, ErrOffsetGone) {
		t.Errorf("reader below the start: %v; want ErrOffsetGone", err)
	}
	if _, err := slow.Poll(); !errors.Is(err, ErrOffsetGone) {
		t.Errorf("reader that was overtaken: %v; want ErrOffsetGone", err)
	}
	if got := readAll(t, topic, 0, b.Start); int64(len(got)) != 100-b.Start || got[0].Value != fmt.Sprint(b.Start) {
		t.Errorf("%d records from %d", len(got), b.Start)
	}
	check(t, w.Close())
}

// A reader that is in a segment when it is removed reads it to its end.
func TestRetainUnderReader(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 1000, RetainBytes: 2500})
	w := openWriter(t, topic, 0)
	defer w.Close()
	commitOne(t, w, "k", "0", "")
	r := must[*Reader](t)(topic.Reader(0, 0))
	defer r.Close()
	must[any](t)(r.Poll())
	for i := range 50 {
		commitOne(t, w, "k", fmt.Sprint(i+1), "")
	}
	b, err := r.Poll()
	if err != nil || string(b.Value(0)) != "1" {
		t.Fatalf("block %v, %v; want the rest of the segment", b, err)
	}
	if _, err := r.Poll(); !errors.Is(err, ErrOffsetGone) {
		t.Errorf("behind it: %v; want ErrOffsetGone", err)
	}
}

// Age counts from when records were written, and the active segment stays.
func TestRetainAge(t *testing.T) {
	c := clock.NewManual(time.Unix(1_000_000, 0))
	topic := newTopic(t, Options{Clock: c}, Settings{SegmentBytes: 1000, SegmentAge: 1000 * time.Hour, RetainAge: 10 * time.Hour})
	w := openWriter(t, topic, 0)
	for i := range 40 { // an hour each
		commitOne(t, w, "k", fmt.Sprint(i), "")
		c.Advance(time.Hour)
	}
	b := must[Bounds](t)(topic.Bounds(0))
	if b.Start < 15 || b.Start > 30 {
		t.Errorf("records from %d on are left, want about the last ten and the rest of their segment", b.Start)
	}
	check(t, w.Close())
	c.Advance(1000 * time.Hour)
	w = openWriter(t, topic, 0)
	commitOne(t, w, "k", "x", "")
	check(t, w.Close())
	if got := must[Bounds](t)(topic.Bounds(0)); got.End != 41 || got.Start >= 41 {
		t.Errorf("bounds %+v: the active segment must stay", got)
	}
}

// The last marker survives retention and compaction of the segment that held it (P11).
func TestMarkerOutlivesSegments(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 500, RetainBytes: 1000})
	w := openWriter(t, topic, 0)
	commitOne(t, w, "k", "v", "the marker")
	for range 50 {
		commitOne(t, w, "k", "no marker", "")
	}
	if b := must[Bounds](t)(topic.Bounds(0)); b.Start == 0 {
		t.Fatal("retention removed nothing")
	}
	check(t, w.Close())
	w = openWriter(t, topic, 0)
	if m, err := w.Marker(); string(m) != "the marker" || err != nil {
		t.Errorf("marker %q, %v", m, err)
	}
	check(t, w.Close())
	check(t, os.WriteFile(w.p.dir+"/"+markerName, []byte("12345678 not the sum"), 0o644))
	w = openWriter(t, topic, 0)
	defer w.Close()
	if _, err := w.Marker(); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged marker: %v; want ErrDamaged", err)
	}
}

// Compaction against a model: the last record of each key stays, at its offset.
func TestCompact(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			c := clock.NewManual(time.Unix(1_000_000, 0))
			l := openLog(t, fastDir(t), Options{Clock: c})
			topic := must[*Topic](t)(l.Create("t", Settings{SegmentBytes: 3000, Compact: true}))
			w := openWriter(t, topic, 0)
			var all []rec
			for i := range 300 {
				r := rec{Offset: int64(i), Key: fmt.Sprint("k", rng.IntN(30)), Value: fmt.Sprint("v", i), Time: 7}
				switch rng.IntN(8) {
				case 0:
					r.Value = "<nil>"
				case 1:
					r.Key = "<nil>"
				}
				commitOne(t, w, r.Key, r.Value, fmt.Sprint("m", i))
				all = append(all, r)
			}
			open := must[*Reader](t)(topic.Reader(0, 0)) // opened before, reads what is left or what was there
			defer open.Close()
			if done, err := w.Compact(t.Context()); err != nil || done.BytesAfter > done.BytesBefore {
				t.Fatalf("%+v, %v", done, err)
			}
			want := latest(all, true)
			if d := cmp.Diff(want, readAll(t, topic, 0, 0)); d != "" {
				t.Fatalf("compacted (-want +got):\n%s", d)
			}
			for _, from := range []int64{1, 50, 151, 299, 300} {
				i := 0
				for i < len(want) && want[i].Offset < from {
					i++
				}
				if got := readAll(t, topic, 0, from); fmt.Sprint(got) != fmt.Sprint(want[i:]) {
					t.Fatalf("from %d: %+v, want %+v", from, got, want[i:])
				}
			}
			c.Advance(25 * time.Hour)
			_, err := w.Compact(t.Context())
			check(t, err)
			check(t, w.Close())
			if d := cmp.Diff(latest(all, false), readAll(t, topic, 0, 0)); d != "" {
				t.Fatalf("compacted without tombstones (-want +got):\n%s", d)
			}
			w = openWriter(t, topic, 0)
			defer w.Close()
			if m, err := w.Marker(); string(m) != "m299" || w.Next() != 300 || err != nil {
				t.Errorf("marker %q, next %d, %v", m, w.Next(), err)
			}
		})
	}
}

// latest is what compaction leaves.
func latest(all []rec, tombstones bool) []rec {
	last := map[string]int64{}
	for _, r := range all {
		last[r.Key] = r.Offset
	}
	var left []rec
	for i, r := range all {
		stays := last[r.Key] == r.Offset && (tombstones || r.Value != "<nil>")
		if r.Key == "<nil>" || i == len(all)-1 || stays {
			left = append(left, r)
		}
	}
	return left
}

// A compacted topic is compacted as it grows, without being told.
func TestCompactsItself(t *testing.T) {
	topic := must[*Topic](t)(openLog(t, fastDir(t), Options{}).Create("t", Settings{SegmentBytes: 2000, Compact: true}))
	w := openWriter(t, topic, 0)
	for i := 0; ; i++ {
		commitOne(t, w, fmt.Sprint("k", i%3), fmt.Sprint(i), "")
		in := must[Info](t)(topic.Describe(0))
		if in.End > 100 && in.Bytes < in.End*60 {
			break
		}
		if i > 20_000 {
			t.Fatalf("%d bytes for %d records of three keys", in.Bytes, in.End)
		}
	}
	check(t, w.Close())
}

// Records behind a segment of which compaction has left nothing have their own offsets.
func TestOffsetsBehindEmptySegment(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{Compact: true})
	w := openWriter(t, topic, 0)
	defer w.Close()
	var want []rec
	for i := range int64(2) {
		check(t, w.Add([]byte("key"), []byte("value"), i))
		check(t, w.Sync(t.Context()))
		_, err := w.Compact(t.Context())
		check(t, err)
		want = []rec{{Offset: i, Key: "key", Value: "value", Time: i}}
	}
	r := must[*Reader](t)(topic.Reader(0, 0))
	defer r.Close()
	b := must[*records.Block](t)(r.Next(t.Context()))
	if d := cmp.Diff(want, appendBlock(t, nil, b)); d != "" || b.First != 0 || b.Next != 2 {
		t.Errorf("block [%d, %d) (-want +got):\n%s", b.First, b.Next, d)
	}
}
