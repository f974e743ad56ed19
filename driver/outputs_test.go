package driver_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// TestSaveAsAcrossRestarts writes each row to files of all forms, in several runs with other numbers of executors and partitions: each row is there once.
func TestSaveAsAcrossRestarts(t *testing.T) {
	f := newFixture(t, "local[1]")
	dir := func(name string) string { return filepath.Join(f.dir, name) }
	job := func(job *dstream.Job) {
		words := dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).Cache()
		words.SaveAsTextFiles(dir("text"))
		words.SaveAsJSON(dir("json"))
		words.SaveAsParquet(dir("parquet"))
		counts := words.KeyBy(dstream.Self).Persist().RunningCount("words")
		counts.SaveAsTextFiles(dir("pairs"), sink.FileLanes(2))
		counts.SaveAsParquet(dir("pairs parquet"))
	}
	lines, want := text(3000)
	for i, master := range []string{"local[1]", "local[3]", "local[2]"} {
		f.write(lines[i*1000 : (i+1)*1000]...)
		f.cfg.Master, f.cfg.MaxRate = master, 50_000
		if err := driver.Run(context.Background(), job, f.cfg); err != nil {
			t.Fatal(err)
		}
	}
	total, got, last := int64(0), map[string]int64{}, map[string]int64{}
	for _, n := range want {
		total += n
	}
	for _, line := range linesOf(t, dir("text")) {
		got[line]++
	}
	for _, line := range linesOf(t, dir("pairs")) {
		key, value, _ := strings.Cut(line, "\t")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n <= last[key] {
			t.Fatalf("%q behind %d: %v", line, last[key], err)
		}
		last[key] = n
	}
	if d := cmp.Diff([]map[string]int64{want, want}, []map[string]int64{got, last}); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"json", "parquet"} {
		if err := sink.VerifyFiles(dir(name)); err != nil {
			t.Error(err)
		}
		rows := int64(0)
		files, err := sink.ReadManifest(dir(name))
		for _, file := range files {
			rows += file.Rows
		}
		if err != nil || rows != total {
			t.Errorf("%s has %d rows, want %d (%v)", name, rows, total, err)
		}
	}
}

// linesOf are the lines of the files that the manifest of a directory names.
func linesOf(t *testing.T, dir string) (lines []string) {
	t.Helper()
	if err := sink.VerifyFiles(dir); err != nil {
		t.Fatal(err)
	}
	files, err := sink.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file.Path)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
	}
	return lines
}

// eachWord notes every call of ForeachPartition in a file of the process that it was made in.
func eachWord(job *dstream.Job) {
	place := os.Getenv("DRIVER_TEST_CALLS")
	dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").
		ForeachPartition(func(_ context.Context, b dstream.Batch, rows iter.Seq2[string, int64]) error {
			note, err := os.OpenFile(filepath.Join(place, strconv.Itoa(os.Getpid())), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer note.Close()
			var text strings.Builder // one write: calls of other lanes write here too
			for word, n := range rows {
				fmt.Fprintf(&text, "%d %s %d\n", b.Number, word, n)
			}
			_, err = note.WriteString(text.String())
			return err
		})
}

// TestForeachPartition runs a callback in processes that are killed, one after the other, and under a driver that is: every row of every batch comes at least
// once, a repeated batch brings the same rows, and a word's counts never fall but for that.
func TestForeachPartition(t *testing.T) {
	needProc(t)
	f := newFixture(t, "")
	calls := filepath.Join(f.dir, "calls")
	if err := os.Mkdir(calls, 0o700); err != nil {
		t.Fatal(err)
	}
	lines, want := text(3000)
	env := []string{"DRIVER_TEST_MASTER=procs[2,1]", "DRIVER_TEST_JOB=each", "DRIVER_TEST_CALLS=" + calls}
	f.write(lines[:1000]...)
	p := f.startDriver(env...)
	seen := func() map[string]int64 { last, _ := readCalls(t, calls); return last }
	for i := 1; i < 3; i++ {
		until(t, "children", p, func() bool { return len(driver.ChildrenIn(f.dir)) == 2 })
		until(t, "calls", p, func() bool { return seen()["common"] >= int64(i)*1000 })
		if i == 1 {
			kill(driver.ChildrenIn(f.dir)[0])
		} else {
			p.kill()
			p = f.startDriver(env...)
		}
		f.write(lines[i*1000 : (i+1)*1000]...)
	}
	until(t, "last calls", p, func() bool { return cmp.Equal(seen(), want) })
	driverPID := strconv.Itoa(p.cmd.Process.Pid)
	p.kill()
	_, pids := readCalls(t, calls)
	if len(pids) == 0 || slices.Contains(pids, driverPID) {
		t.Errorf("called in processes %v, the driver's is %s", pids, driverPID)
	}
}

// readCalls gives each word's highest count, and the processes that called. In each of them a word's counts rise from batch to batch, but for batches that come
// again (all that were in flight when the driver was killed), and one batch has one count of a word wherever it was called.
func readCalls(t *testing.T, dir string) (last map[string]int64, pids []string) {
	t.Helper()
	last = map[string]int64{}
	counts := map[string]int64{} // by batch and word
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		pids = append(pids, file.Name())
		data, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		before := map[string]int64{}
		for line := range strings.Lines(string(data[:bytes.LastIndexByte(data, '\n')+1])) { // what is being written right now is passed over
			var batch, n int64
			var word string
			if _, err := fmt.Sscanf(line, "%d %s %d\n", &batch, &word, &n); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			id := fmt.Sprint(batch, " ", word)
			if known, again := counts[id]; again && known != n || !again && n < before[word] {
				t.Fatalf("%s: batch %d has count %d, before it was %d, and the count before that %d", word, batch, n, known, before[word])
			}
			counts[id], before[word] = n, n
			last[word] = max(last[word], n)
		}
	}
	return last, pids
}
