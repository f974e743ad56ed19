package source_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/source"
)

// openFiles opens the files of dir with a clock that stands at the machine's time.
func openFiles(t testing.TB, spec *source.Spec) (source.Connector, *clock.Manual) {
	t.Helper()
	if spec.Err != nil {
		t.Fatal(spec.Err)
	}
	c := clock.NewManual(time.Now())
	conn, err := spec.Open(t.Context(), source.Env{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	return conn, c
}

// readRows reads a partition from an offset to its end and decodes it.
func readRows[T any](ctx context.Context, conn source.Connector, spec *source.Spec, p source.Partition, from int64) (rows []T, bad []string, err error) {
	r, err := conn.Reader(ctx, p, from)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	d := spec.NewDecoder()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, bad, nil
		}
		if err != nil {
			return rows, bad, err
		}
		c, _, wrong := d.Decode(b, 0, b.Len())
		rows = append(rows, c.Vals.([]T)...)
		for _, w := range wrong {
			bad = append(bad, w.Reason)
		}
	}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, conn source.Connector) []string {
	t.Helper()
	parts, err := conn.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range parts {
		path, _, _ := strings.Cut(p.Key, "|")
		names = append(names, filepath.Base(path))
	}
	return names
}

// TestFilesComplete checks which files are taken, and when.
func TestFilesComplete(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for i, name := range []string{"b", "a", ".hidden", "_dead", "x.tmp", "x.part", "x~", "empty"} {
		text := "line\n"
		if name == "empty" {
			text = ""
		}
		write(t, filepath.Join(dir, name), text)
		if err := os.Chtimes(filepath.Join(dir, name), old, old.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	conn, c := openFiles(t, source.FilesText(dir).Spec())
	if got := keys(t, conn); !cmp.Equal(got, []string{"b", "a"}) { // by the time of writing
		t.Errorf("first: %v", got)
	}
	write(t, filepath.Join(dir, "young"), "1\n")
	if got := keys(t, conn); !cmp.Equal(got, []string{"b", "a"}) {
		t.Errorf("a file that was just written: %v", got)
	}
	c.Advance(1500 * time.Millisecond)
	write(t, filepath.Join(dir, "young"), "1\n2\n")
	keys(t, conn)
	c.Advance(1500 * time.Millisecond)
	if err := os.Chtimes(filepath.Join(dir, "young"), c.Now(), c.Now()); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, conn); len(got) != 2 {
		t.Errorf("a file that was written again: %v", got)
	}
	c.Advance(2 * time.Second)
	if got := keys(t, conn); !cmp.Equal(got, []string{"b", "a", "young"}) {
		t.Errorf("at last: %v", got)
	}
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, conn); !cmp.Equal(got, []string{"b", "a", "young"}) {
		t.Errorf("after one was removed: %v", got)
	}
}

// TestFilesFirstListingWaits checks that a bounded run sees what was written just before.
func TestFilesFirstListingWaits(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "young"), "1\n")
	conn, c := openFiles(t, source.FilesText(dir).Spec())
	done := make(chan []string)
	go func() { done <- keys(t, conn) }()
	for {
		c.Advance(100 * time.Millisecond)
		select {
		case got := <-done:
			if !cmp.Equal(got, []string{"young"}) {
				t.Errorf("%v", got)
			}
			return
		default:
		}
	}
}

// changedFile plans a file, changes it, and is what the engine says to that: on listing, on resuming, and on reading.
func changedFile(t *testing.T, change func(t *testing.T, name string)) (list, resume, read error) {
	dir := t.TempDir()
	name := filepath.Join(dir, "rows")
	write(t, name, strings.Repeat("0123456789\n", 100000))
	spec := source.FilesText(dir, source.Settle(0)).Spec()
	conn, _ := openFiles(t, spec)
	parts, err := conn.Partitions(t.Context())
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	change(t, name)
	_, list = conn.Partitions(t.Context())
	second, _ := openFiles(t, spec)
	if err := second.(source.Resumer).Resume(parts); err != nil {
		t.Fatal(err)
	}
	_, resume = second.Partitions(t.Context())
	_, _, read = readRows[string](t.Context(), second, spec, parts[0], 550)
	return list, resume, read
}

// rewrite changes one byte in the middle and puts the time of the file back.
func rewrite(t *testing.T, name string) {
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 500000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// appendLine makes the file longer.
func appendLine(t *testing.T, name string) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("more\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFileChangedIsAnError is rule P18: a planned file that changed stops the job and gives no row.
func TestFileChangedIsAnError(t *testing.T) {
	list, resume, read := changedFile(t, appendLine)
	for what, err := range map[string]error{"listing": list, "resuming": resume, "reading": read} {
		if err == nil || !strings.Contains(err.Error(), "has changed since it was taken as complete") {
			t.Errorf("a longer file, %s: %v", what, err)
		}
	}
	_, _, read = changedFile(t, rewrite)
	if read == nil || !strings.Contains(read.Error(), "its checksum was") {
		t.Errorf("a file with another byte and the same size and time, reading: %v", read)
	}
	_, _, read = changedFile(t, func(t *testing.T, name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	})
	if !errors.Is(read, os.ErrNotExist) || !strings.Contains(read.Error(), "planned") {
		t.Errorf("a file that is gone, reading: %v", read)
	}
}

func TestFilesBadGzip(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x.gz"), "this is not gzip")
	conn, _ := openFiles(t, source.FilesText(dir, source.Settle(0)).Spec())
	if _, err := conn.Partitions(t.Context()); err == nil || !strings.Contains(err.Error(), "x.gz: gzip") {
		t.Errorf("%v", err)
	}
}

func TestFilesMissing(t *testing.T) {
	spec := source.FilesText(filepath.Join(t.TempDir(), "nowhere")).Spec()
	if _, err := spec.Open(t.Context(), source.Env{}); err == nil || !strings.Contains(err.Error(), "create the directory") {
		t.Errorf("%v", err)
	}
}

// TestFilesRows reads one file, of lines that are long, bad, and without an end.
func TestFilesRows(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rows.txt")
	long := strings.Repeat("x", 3<<20)
	write(t, name, "\ufefffirst\r\n\n"+long+"\nbehind\n"+long+"\n\xff\nlast")
	spec := source.FilesText(name, source.Settle(0), source.MaxRecord(1000)).Spec()
	conn, _ := openFiles(t, spec)
	parts, err := conn.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, bad, err := readRows[string](t.Context(), conn, spec, parts[0], 0)
	if err != nil || !cmp.Equal(rows, []string{"first", "", "behind", "last"}) {
		t.Errorf("%.50q %v", rows, err)
	}
	if want := []string{"too long: more than 1000 bytes", "too long: more than 1000 bytes", "invalid UTF-8"}; !cmp.Equal(bad, want) {
		t.Errorf("%q", bad)
	}
}

func TestFilesHeader(t *testing.T) {
	type row struct {
		A string
		B *int64
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1"), "a,b\nx,1\ny,NA\n")
	write(t, filepath.Join(dir, "2"), "extra,b,a\r\n,3,z\r\n")
	write(t, filepath.Join(dir, "3"), "a,b\n")
	write(t, filepath.Join(dir, "4"), "b\n1\n2\n")
	spec := source.FilesCSV[row](dir, source.Settle(0), source.Header(), source.NullText("NA")).Spec()
	conn, _ := openFiles(t, spec)
	parts, err := conn.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, three := int64(1), int64(3)
	want := [][]row{{{"x", &one}, {"y", nil}}, {{"z", &three}}, nil, nil}
	for i, p := range parts {
		rows, bad, err := readRows[row](t.Context(), conn, spec, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], rows); diff != "" && len(want[i])+len(rows) > 0 {
			t.Errorf("file %d: %s", i, diff)
		}
		if (len(bad) > 0) != (i == 3) {
			t.Errorf("file %d: %q", i, bad)
		}
	}
}
