package sink_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// readFiles reads the rows of the files that the manifest of dir names, and checks the directory.
func readFiles(dir string, read func(path string) ([]sinktest.Row, error)) ([]sinktest.Row, error) {
	if err := sink.VerifyFiles(dir); err != nil {
		return nil, err
	}
	files, err := sink.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	var rows []sinktest.Row
	for _, f := range files {
		more, err := read(f.Path)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// readLines reads the rows of a directory of JSON lines.
func readLines(dir string) ([]sinktest.Row, error) {
	return readFiles(dir, func(path string) ([]sinktest.Row, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var rows []sinktest.Row
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			var r sinktest.Row
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
		return rows, nil
	})
}

// filesSubject is a file sink under test.
func filesSubject(to func(dir string, opts ...sink.FileOption) sink.Sink, read func(dir string) ([]sinktest.Row, error), opts []sink.FileOption) sinktest.Make {
	return func(t testing.TB, dir string) sinktest.Subject {
		return sinktest.Subject{
			Spec:          to(dir, opts...).Spec(),
			Read:          func() ([]sinktest.Row, error) { return read(dir) },
			EpochsRefused: true,
		}
	}
}

func jsonSubject(opts ...sink.FileOption) sinktest.Make {
	return filesSubject(sink.FilesJSON, readLines, opts)
}

func TestFilesJSON(t *testing.T) { sinktest.Run(t, jsonSubject()) }

// With files of a few rows each, every Publish rolls, and every third file is merged away.
func TestFilesJSONSmall(t *testing.T) {
	sinktest.Run(t, jsonSubject(sink.RollSize(300), sink.MergeFiles(3), sink.MergeGrace(0)))
}

// pairs is a record of one key with values.
func pairs(key string, vals ...int64) []arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, sinktest.Schema.Arrow)
	for _, v := range vals {
		b.Field(0).(*array.StringBuilder).Append(key)
		b.Field(1).(*array.Int64Builder).Append(v)
	}
	return []arrow.Record{b.NewRecord()}
}

func publish(t testing.TB, l sink.Lane, n int64, rows []arrow.Record) {
	t.Helper()
	b := sink.Batch{Number: n, PlanHash: []byte{byte(n)}}
	if err := l.Stage(context.Background(), b, rows); err != nil {
		t.Fatal(err)
	}
	if err := l.Publish(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func values(t testing.TB, dir string) []int64 {
	t.Helper()
	rows, err := readLines(dir)
	if err != nil {
		t.Fatal(err)
	}
	var vals []int64
	for _, r := range rows {
		vals = append(vals, r.Value)
	}
	return vals
}

// TestTornJournal loses the end of the staging journal, at every byte of the last two batches, and damages it: the marker
// and the rows always agree (P7).
func TestTornJournal(t *testing.T) {
	live, dir := t.TempDir(), t.TempDir()
	l := openLane(t, openOutput(t, sink.FilesJSON(live), sinktest.Schema), 1)
	for n := int64(1); n <= 3; n++ {
		publish(t, l, n, pairs("k", n))
	}
	if err := os.CopyFS(dir, os.DirFS(live)); err != nil { // a second later the lane makes a file of them
		t.Fatal(err)
	}
	journals, err := filepath.Glob(filepath.Join(dir, "_staging", "*-a.journal"))
	if err != nil || len(journals) != 1 {
		t.Fatal(journals, err)
	}
	data, err := os.ReadFile(journals[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := len(data) / 3; at <= len(data); at += 3 {
		for _, damage := range []string{"cut", "flip"} {
			if at == len(data) && damage == "flip" {
				continue
			}
			torn := slices.Clone(data[:at])
			if damage == "flip" {
				torn = slices.Clone(data)
				torn[at] ^= 0x10
			}
			again := t.TempDir()
			if err := os.CopyFS(again, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(again, "_staging", filepath.Base(journals[0])), torn, 0o644); err != nil {
				t.Fatal(err)
			}
			m, _ := openLane(t, openOutput(t, sink.FilesJSON(again), sinktest.Schema), 2).Marker()
			var want []int64
			for n := int64(1); n <= m.Batch; n++ {
				want = append(want, n)
			}
			if got := values(t, again); !slices.Equal(got, want) {
				t.Fatalf("%s at byte %d of %d: the marker says batch %d, the rows are %v", damage, at, len(data), m.Batch, got)
			}
			if at == len(data) && m.Batch != 3 {
				t.Fatalf("the whole journal gives batch %d", m.Batch)
			}
		}
	}
}

// TestRollByTime: a batch is in a file a second later though nothing else happens.
func TestRollByTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := openLane(t, openOutput(t, sink.FilesJSON(dir), sinktest.Schema), 1)
		publish(t, l, 1, pairs("k", 1))
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if got := values(t, dir); len(got) > 0 {
			t.Fatalf("visible too early: %v", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := values(t, dir); !slices.Equal(got, []int64{1}) {
			t.Fatalf("after a second: %v", got)
		}
		publish(t, l, 2, pairs("k", 2))
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		if got := values(t, dir); !slices.Equal(got, []int64{1, 2}) {
			t.Fatalf("after another: %v", got)
		}
	})
}

// TestRollBySize: a large batch is in a file at once, and the journal is bounded though rolls lag behind.
func TestRollBySize(t *testing.T) {
	dir := t.TempDir()
	l := openLane(t, openOutput(t, sink.FilesJSON(dir, sink.RollSize(4096), sink.MergeFiles(0)), sinktest.Schema), 1)
	var want []int64
	for n := int64(1); n <= 50; n++ {
		vals := make([]int64, 100)
		for i := range vals {
			vals[i] = n*1000 + int64(i)
		}
		publish(t, l, n, pairs("k", vals...))
		want = append(want, vals...)
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := values(t, dir); !slices.Equal(got, want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	files, _ := sink.ReadManifest(dir)
	if len(files) < 10 {
		t.Errorf("only %d files", len(files))
	}
	for _, f := range files {
		for i, b := range f.Batches {
			if b.Batch != f.First+int64(i) || b.Rows != 100 {
				t.Errorf("%s: batches %v", f.Path, f.Batches)
				break
			}
		}
	}
}

// TestMerge: small files become one, the old ones stay for the grace, and nothing else is left behind.
func TestMerge(t *testing.T) {
	dir := t.TempDir()
	c := clock.NewManual(time.Unix(1_700_000_000, 0))
	l := openLane(t, openOutputAt(t, sink.FilesJSON(dir, sink.MergeFiles(4)), sinktest.Schema, c), 1)
	count := func() int {
		names, _ := filepath.Glob(filepath.Join(dir, "data-*"))
		return len(names)
	}
	var want []int64
	write := func(n int64) {
		publish(t, l, n, pairs("k", n))
		want = append(want, n)
		if err := l.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for n := int64(1); n <= 18; n++ {
		write(n)
	}
	files, err := sink.ReadManifest(dir)
	if err != nil || len(files) != 3 || files[0].First != 1 || files[0].Last != 16 {
		t.Fatalf("files %+v, %v", files, err)
	}
	if n := count(); n != 18+4+1 {
		t.Errorf("%d files before the grace is over", n)
	}
	c.Advance(11 * time.Minute)
	write(19)
	if n := count(); n != 4 {
		t.Errorf("%d files after the grace", n)
	}
	if got := values(t, dir); !slices.Equal(got, want) {
		t.Errorf("values %v", got)
	}
	slots, _ := filepath.Glob(filepath.Join(dir, "_manifest", "*"))
	if len(slots) > 12 {
		t.Errorf("%d slots are left", len(slots))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "_staging")); len(left) > 0 {
		t.Errorf("staging holds %v after a clean end", left)
	}
}

// TestVerify: damage to files and slots is found and named.
func TestVerify(t *testing.T) {
	for _, damage := range []struct {
		name, glob, want string
		do               func(path string) error
	}{
		{"a flipped byte", "data-*", "checksum", func(path string) error {
			data, err := os.ReadFile(path)
			data[3] ^= 1
			return cmpErr(err, os.WriteFile(path, data, 0o644))
		}},
		{"a short file", "data-*", "bytes", func(path string) error { return os.Truncate(path, 5) }},
		{"a missing file", "data-*", "no such file", os.Remove},
		{"a missing slot", "_manifest/*1.json", "slot 1 is missing", os.Remove},
		{"a short slot", "_manifest/*2.json", "checksum", func(path string) error { return os.Truncate(path, 40) }},
	} {
		t.Run(damage.name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLane(t, openOutput(t, sink.FilesJSON(dir), sinktest.Schema), 1)
			publish(t, l, 1, pairs("k", 1))
			if err := l.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := sink.VerifyFiles(dir); err != nil {
				t.Fatal(err)
			}
			paths, _ := filepath.Glob(filepath.Join(dir, damage.glob))
			if err := damage.do(paths[0]); err != nil {
				t.Fatal(err)
			}
			if err := sink.VerifyFiles(dir); err == nil || !strings.Contains(err.Error(), damage.want) {
				t.Errorf("got %v, want …%s…", err, damage.want)
			}
		})
	}
	if _, err := sink.ReadManifest(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is no output is read")
	}
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestOrphans: what a killed owner left without a slot is removed by the next one, and nothing else is.
func TestOrphans(t *testing.T) {
	dir := t.TempDir()
	out := openOutput(t, sink.FilesJSON(dir), sinktest.Schema)
	l := openLane(t, out, 1)
	publish(t, l, 1, pairs("k", 1))
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	orphans := []string{"data-000-000000000002-000000000002-e1-s3.jsonl", "_staging/data-000-x.tmp", "_manifest/.tmp-lane-000-000000000003.json-1"}
	others := []string{"data-001-000000000002-000000000002-e1-s3.jsonl", "README"}
	for _, name := range append(slices.Clone(orphans), others...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	openLane(t, out, 2)
	for _, name := range orphans {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if got := values(t, dir); !slices.Equal(got, []int64{1}) {
		t.Errorf("values %v", got)
	}
}

func TestFilesOptions(t *testing.T) {
	if err := sink.FilesJSON("").Spec().Err; err == nil {
		t.Error("no directory is taken")
	}
	if err := sink.FilesJSON("x", sink.RollSize(0)).Spec().Err; err == nil {
		t.Error("a roll size of 0 is taken")
	}
	bad := sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{{Name: "d", Type: &arrow.Decimal256Type{Precision: 9}}}, nil)}
	if err := sink.FilesParquet("x").Spec().Check(bad); err == nil || !strings.Contains(err.Error(), "column d") {
		t.Errorf("check: %v", err)
	}
	s := sink.FilesJSON("out")
	if got := fmt.Sprint(s.Spec().Name, " ", s.Named("n").Spec().Name, " ", s.Atomic().Spec().Atomic, " ", s.Spec().Atomic); got != "files:out n true false" {
		t.Error(got)
	}
}

// TestPausedOwner wakes up when even the slot that fenced it is gone, with and without a journal of its own (I9).
func TestPausedOwner(t *testing.T) {
	dir := t.TempDir()
	out := openOutput(t, sink.FilesJSON(dir), sinktest.Schema)
	slots := func() []string {
		names, _ := filepath.Glob(filepath.Join(dir, "_manifest", "*"))
		return names
	}
	idle := openLane(t, out, 1)
	gone := slots()
	writer := openLane(t, out, 2)
	publish(t, writer, 1, pairs("k", 1))
	gone = append(gone, slots()...)
	l := openLane(t, out, 3)
	publish(t, l, 2, pairs("k", 2))
	for _, name := range gone {
		_ = os.Remove(name)
	}
	for _, paused := range []sink.Lane{idle, writer} {
		err := paused.Stage(context.Background(), sink.Batch{Number: 2}, pairs("k", 7))
		if err == nil {
			err = paused.Publish(context.Background(), sink.Batch{Number: 2})
		}
		if !errors.Is(err, sink.ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "_staging", "lane-000-e1-*")); len(left) > 0 {
		t.Errorf("journals of a fenced owner: %v", left)
	}
}
