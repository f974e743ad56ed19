package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// disk is a disk that can be full, or break, or be slow.
type disk struct {
	mu      sync.Mutex
	left    int64 // bytes that fit; negative: no limit
	syncErr error
	syncing func() // called before each sync
}

type diskedFile struct {
	segmentFile
	d *disk
}

func (f diskedFile) WriteAt(b []byte, pos int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.left >= 0 && int64(len(b)) > f.d.left {
		n, _ := f.segmentFile.WriteAt(b[:f.d.left], pos)
		f.d.left = 0
		return n, syscall.ENOSPC
	}
	if f.d.left >= 0 {
		f.d.left -= int64(len(b))
	}
	return f.segmentFile.WriteAt(b, pos)
}

func (f diskedFile) Sync() error {
	f.d.mu.Lock()
	err, syncing := f.d.syncErr, f.d.syncing
	f.d.mu.Unlock()
	if syncing != nil {
		syncing()
	}
	if err != nil {
		return err
	}
	return f.segmentFile.Sync()
}

func (d *disk) set(left int64, syncErr error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.syncErr = left, syncErr
}

func newDiskTopic(t *testing.T) (*disk, *Topic) {
	d := &disk{left: -1}
	topic := newTopic(t, Options{wrap: func(f segmentFile) segmentFile { return diskedFile{f, d} }}, Settings{SegmentBytes: 2000})
	return d, topic
}

// On a full disk a commit is refused as a whole, appended records wait, readers go on; with space again all goes on.
func TestFullDisk(t *testing.T) {
	for _, failure := range []struct {
		name    string
		left    int64
		syncErr error
	}{{"write", 100, nil}, {"fsync", -1, syscall.ENOSPC}} {
		t.Run(failure.name, func(t *testing.T) {
			ctx := context.Background()
			d, topic := newDiskTopic(t)
			w := openWriter(t, topic, 0)
			check(t, w.Add(nil, []byte("before"), 1))
			check(t, w.Sync(ctx))
			d.set(failure.left, failure.syncErr)
			var b Batch
			check(t, b.Add(nil, make([]byte, 500), 2))
			for range 2 {
				if _, err := w.Commit(ctx, &b, []byte("m")); !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("Commit on a full disk: %v", err)
				}
			}
			check(t, w.Add(nil, []byte("waits"), 3))
			if err := w.Sync(ctx); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Sync on a full disk: %v", err)
			}
			if m, err := w.Marker(); m != nil || err != nil {
				t.Errorf("marker %q, %v; the commit failed", m, err)
			}
			if got := readAll(t, topic, 0, 0); got[0].Value != "before" {
				t.Errorf("records %+v", got)
			}
			d.set(-1, nil)
			check(t, w.Sync(ctx))
			first, err := w.Commit(ctx, &b, []byte("m"))
			if err != nil || first != 2 {
				t.Errorf("Commit after space was freed: %d, %v; want offset 2", first, err)
			}
			check(t, w.Close())
			var values []string
			for _, r := range readAll(t, topic, 0, 0) {
				values = append(values, fmt.Sprint(len(r.Value), " ", r.Time))
			}
			if d := cmp.Diff([]string{"6 1", "5 3", "500 2"}, values); d != "" {
				t.Error(d)
			}
		})
	}
}

// The limit of pending bytes is kept: on a disk that fails, the error; on a slow one, the caller waits.
func TestPendingLimit(t *testing.T) {
	d := &disk{left: -1}
	topic := newTopic(t, Options{MaxPending: 10_000, wrap: func(f segmentFile) segmentFile { return diskedFile{f, d} }}, Settings{})
	w := openWriter(t, topic, 0)
	for i := range 1000 {
		check(t, w.Add(nil, make([]byte, 100), int64(i)))
	}
	check(t, w.Sync(t.Context()))
	d.set(0, nil)
	var err error
	for i := 0; i < 1000 && err == nil; i++ {
		err = w.Add(nil, make([]byte, 100), int64(i))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Add with a full disk and a full queue: %v; want ENOSPC", err)
	}
	d.set(-1, nil)
	check(t, w.Close())
}

// Readers see nothing that is not fsynced (P11).
func TestNothingVisibleBeforeFsync(t *testing.T) {
	d, topic := newDiskTopic(t)
	w := openWriter(t, topic, 0)
	defer w.Close()
	var b Batch
	check(t, b.Add(nil, []byte("v"), 1))
	seen := -1
	d.mu.Lock()
	d.syncing = func() { seen = len(readAll(t, topic, 0, 0)) }
	d.mu.Unlock()
	_, err := w.Commit(t.Context(), &b, []byte("m"))
	check(t, err)
	if seen != 0 {
		t.Errorf("%d records were visible before the fsync", seen)
	}
	if got := readAll(t, topic, 0, 0); len(got) != 1 {
		t.Errorf("%d records after the fsync", len(got))
	}
}

// A tail that cannot be cut back to what is durable takes the writer out of service, and a new one recovers.
func TestBrokenFile(t *testing.T) {
	d := &disk{left: -1}
	topic := newTopic(t, Options{wrap: func(f segmentFile) segmentFile { return stuckFile{diskedFile{f, d}} }}, Settings{})
	w := openWriter(t, topic, 0)
	d.set(50, nil)
	var b Batch
	check(t, b.Add(nil, make([]byte, 100), 1))
	for range 2 {
		if _, err := w.Commit(t.Context(), &b, nil); err == nil {
			t.Fatal("committed to a broken file")
		}
		d.set(-1, nil)
	}
	_ = w.Close()
	other := must[*Topic](t)(openLog(t, topic.log.dir, Options{}).Topic("t"))
	w = openWriter(t, other, 0)
	if w.Recovered().CutBytes != 50 {
		t.Errorf("recovered %+v, want 50 bytes cut", w.Recovered())
	}
	check(t, w.Close())
}

type stuckFile struct{ diskedFile }

func (stuckFile) Truncate(int64) error { return syscall.EIO }
