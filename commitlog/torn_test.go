package commitlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crashed is a partition as a crash left it: the segment with a commit behind the durable end.
type crashed struct {
	topic   *Topic
	dir     string
	durable []byte // file of the durable end, before the last commit
	segment []byte // with the last commit
	from    int    // byte at which the last commit begins
	before  []rec  // without the last commit
	all     []rec
}

// newCrashed commits some batches, and last n records with marker "last".
func newCrashed(t *testing.T, n, size int) *crashed {
	t.Helper()
	topic := must[*Topic](t)(openLog(t, fastDir(t), Options{}).Create("t", Settings{}))
	c := &crashed{topic: topic, dir: filepath.Join(topic.log.dir, "t", "0")}
	w := openWriter(t, topic, 0)
	for i := range 3 {
		var b Batch
		for j := range 4 {
			check(t, b.Add([]byte(fmt.Sprint("key", j)), []byte(fmt.Sprint("value ", i, " ", j)), int64(i*10+j)))
		}
		_, err := w.Commit(context.Background(), &b, []byte(fmt.Sprint("mark ", i)))
		check(t, err)
	}
	c.before = readAll(t, topic, 0, 0)
	c.durable = must[[]byte](t)(os.ReadFile(filepath.Join(c.dir, durableName)))
	c.from = len(must[[]byte](t)(os.ReadFile(segmentPath(c.dir, 0))))
	var b Batch
	for j := range n {
		check(t, b.Add(nil, []byte(strings.Repeat("z", size)+fmt.Sprint(j)), int64(j)))
	}
	_, err := w.Commit(context.Background(), &b, []byte("last"))
	check(t, err)
	check(t, w.Close())
	c.all = readAll(t, topic, 0, 0)
	c.segment = must[[]byte](t)(os.ReadFile(segmentPath(c.dir, 0)))
	return c
}

// fastDir is a directory in memory where there is one: these tests sync thousands of times, and it is not the disk that they test.
func fastDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "commitlog-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}

// beginning tells whether got are the first of want.
func beginning(got, want []rec) bool {
	return len(got) <= len(want) && fmt.Sprint(got) == fmt.Sprint(want[:len(got)])
}

// restore puts the durable end of before the last commit back, and a segment.
func (c *crashed) restore(t *testing.T, segment []byte) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(c.dir, durableName), c.durable, 0o644))
	check(t, os.WriteFile(segmentPath(c.dir, 0), segment, 0o644))
}

// recovered opens the partition and checks that it holds want, can be appended to, and says what it cut.
func (c *crashed) recovered(t *testing.T, name string, want []rec, marker string, cut int) {
	t.Helper()
	w, err := c.topic.Writer(0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer w.Close()
	m, err := w.Marker()
	if string(m) != marker || err != nil || w.Recovered().CutBytes != int64(cut) {
		t.Errorf("%s: marker %q, %v, %+v; want %q and %d bytes cut", name, m, err, w.Recovered(), marker, cut)
	}
	check(t, w.Add([]byte("k"), []byte("after"), 1))
	check(t, w.Sync(context.Background()))
	want = append(want[:len(want):len(want)], rec{Offset: int64(len(want)), Key: "k", Value: "after", Time: 1})
	got, err := tryReadAll(t, c.topic, 0, 0)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Fatalf("%s: %v (-want +got):\n%s", name, err, d)
	}
}

// The last frame is cut at every byte: it is there as a whole or not at all.
func TestTornAtEveryByte(t *testing.T) {
	c := newCrashed(t, 3, 20)
	whole := len(c.segment)
	for at := c.from; at <= whole; at++ {
		want, marker, cut := c.before, "mark 2", at-c.from
		if at == whole {
			want, marker, cut = c.all, "last", 0
		}
		c.restore(t, c.segment[:at])
		c.recovered(t, fmt.Sprintf("cut at byte %d of %d", at, whole), want, marker, cut)
		if at == whole {
			continue
		}
		// The file has its length, but what lies behind did not reach the disk.
		zeros := append(append([]byte(nil), c.segment[:at]...), make([]byte, whole-at)...)
		if cmp.Equal(zeros, c.segment) { // padding
			continue
		}
		c.restore(t, zeros)
		c.recovered(t, fmt.Sprintf("zeros from byte %d of %d", at, whole), c.before, "mark 2", whole-c.from)
		// Only this byte is wrong.
		c.restore(t, flipped(c.segment, at, 0x40))
		c.recovered(t, fmt.Sprintf("byte %d of %d is wrong", at, whole), c.before, "mark 2", whole-c.from)
	}
}

func flipped(b []byte, at int, bits byte) []byte {
	c := append([]byte(nil), b...)
	c[at] ^= bits
	return c
}

// A commit of several frames counts as a whole, wherever it is cut.
func TestTornCommitOfSeveralFrames(t *testing.T) {
	c := newCrashed(t, 3000, 1000)
	var cuts []int
	frames := 0
	for pos := int64(c.from); pos < int64(len(c.segment)); frames++ {
		h, err := parseFrame(c.segment[pos:])
		check(t, err)
		if h.more() == (pos+h.total() == int64(len(c.segment))) {
			t.Fatalf("frame at byte %d: more %v", pos, h.more())
		}
		cuts = append(cuts, int(pos), int(pos)+1, int(pos)+headBytes, int(pos+h.total())-1)
		pos += h.total()
	}
	if frames < 3 {
		t.Fatalf("%d frames, want several", frames)
	}
	for _, at := range cuts {
		c.restore(t, c.segment[:at])
		c.recovered(t, fmt.Sprint("cut at byte ", at), c.before, "mark 2", at-c.from)
	}
	c.restore(t, c.segment)
	c.recovered(t, "whole", c.all, "last", 0)
}

// What readers have seen is never cut: a shorter file is an error, for writers and readers, and changes nothing.
func TestNothingDurableIsCut(t *testing.T) {
	c := newCrashed(t, 3, 20)
	for at := 0; at < c.from; at++ {
		c.restore(t, c.segment[:at])
		if w, err := c.topic.Writer(0); !errors.Is(err, ErrDamaged) {
			if err == nil {
				w.Close()
			}
			t.Fatalf("writer on a segment of %d bytes, %d are durable: %v; want ErrDamaged", at, c.from, err)
		}
		if st, err := os.Stat(segmentPath(c.dir, 0)); err != nil || st.Size() != int64(at) {
			t.Fatalf("the refused writer changed the segment: %v, %v", st, err)
		}
		got, err := tryReadAll(t, c.topic, 0, 0)
		if !errors.Is(err, ErrDamaged) || !beginning(got, c.before) {
			t.Fatalf("reader on a segment of %d bytes: %d records, %v; want a true beginning and ErrDamaged", at, len(got), err)
		}
	}
}

// Each flipped bit of the durable part is reported with topic, partition, offset and file, and nothing false is returned before.
func TestFlippedBits(t *testing.T) {
	c := newCrashed(t, 3, 20)
	for at := range c.from {
		c.restore(t, flipped(c.segment, at, 1<<(at%8)))
		got, err := tryReadAll(t, c.topic, 0, 0)
		var d *DamagedError
		if !errors.As(err, &d) || len(got) >= len(c.before) || !beginning(got, c.before) {
			t.Fatalf("byte %d: %d records, %v; want a true beginning and a DamagedError", at, len(got), err)
		}
		if d.Topic != "t" || d.Partition != 0 || d.Offset != int64(len(got)) || d.File != segmentPath(c.dir, 0) || d.Pos > int64(at) {
			t.Fatalf("byte %d: %+v, want offset %d", at, d, len(got))
		}
	}
}

// A frame that was durable once is not taken for a torn tail when the durable end is lost or old: a later frame knows better.
func TestDamageBehindLostDurableEnd(t *testing.T) {
	c := newCrashed(t, 3, 20)
	for _, lost := range []bool{true, false} {
		for at := 0; at < c.from; at += 7 {
			c.restore(t, flipped(c.segment, at, 4))
			old := durable{seq: 1, mark: -1}
			file := make([]byte, slotDistance+slotBytes)
			if !lost {
				copy(file[slotDistance:], old.encode())
			}
			check(t, os.WriteFile(filepath.Join(c.dir, durableName), file, 0o644))
			if w, err := c.topic.Writer(0); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d, lost %v: %v, %v; want ErrDamaged", at, lost, err, w.Recovered())
			}
		}
	}
	c.restore(t, c.segment)
	check(t, os.WriteFile(filepath.Join(c.dir, durableName), nil, 0o644))
	if _, err := tryReadAll(t, c.topic, 0, 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("reader without a durable end: %v", err)
	}
	c.recovered(t, "lost durable end", c.all, "last", 0)
}

// One torn slot of the durable end leaves the other: at most one publication older, and recovery goes on from there.
func TestTornDurableEnd(t *testing.T) {
	c := newCrashed(t, 3, 20)
	file := must[[]byte](t)(os.ReadFile(filepath.Join(c.dir, durableName)))
	for slot := range 2 {
		for at := range slotBytes {
			c.restore(t, c.segment)
			check(t, os.WriteFile(filepath.Join(c.dir, durableName), flipped(file, slot*slotDistance+at, 0x10), 0o644))
			got, err := tryReadAll(t, c.topic, 0, 0)
			if err != nil || !beginning(got, c.all) {
				t.Fatalf("slot %d byte %d: %d records, %v", slot, at, len(got), err)
			}
		}
		c.recovered(t, fmt.Sprint("slot ", slot), c.all, "last", 0)
	}
}
