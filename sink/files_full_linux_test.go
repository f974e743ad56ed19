package sink_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// TestFullDisk fills a file system of its own: one clear line, nothing lost, and it goes on when there is room.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=600k"); err != nil {
		t.Skipf("no right to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	dir := filepath.Join(mount, "out")
	l := openLane(t, openOutput(t, sink.FilesJSON(dir), sinktest.Schema), 1)
	ctx := context.Background()
	var want []int64
	write := func(n int64) error {
		vals := make([]int64, 1000)
		for i := range vals {
			vals[i] = n*1000 + int64(i)
		}
		b := sink.Batch{Number: n}
		if err := l.Stage(ctx, b, pairs("k", vals...)); err != nil {
			return err
		}
		if err := l.Publish(ctx, b); err != nil {
			return err
		}
		want = append(want, vals...)
		return nil
	}
	n := int64(1)
	var err error
	for ; n < 1000 && err == nil; n++ {
		err = write(n)
	}
	if err == nil || !strings.Contains(err.Error(), "the disk is full: free some space") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
	if err := l.Flush(ctx); err == nil {
		t.Fatal("a file was rolled on a full disk")
	}
	if err := unix.Mount("tmpfs", mount, "tmpfs", unix.MS_REMOUNT, "size=10m"); err != nil {
		t.Fatal(err)
	}
	if err := write(n - 1); err != nil { // the same lane goes on with the batch that failed
		t.Fatal(err)
	}
	l = openLane(t, openOutput(t, sink.FilesJSON(dir), sinktest.Schema), 2)
	if got := values(t, dir); !slices.Equal(got, want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
}

// TestReadOnly: a directory that cannot be written is one clear line.
func TestReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Skipf("no right to mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	_, err := sink.FilesJSON(dir).Spec().Open(context.Background(), sink.Env{}, sinktest.Schema)
	if err == nil || !strings.Contains(err.Error(), "cannot be written") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
}
