package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/sink"
)

// counts is the newest count of each word among the rows that the manifest names.
func counts(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	files, err := sink.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, f := range files {
		in, err := os.Open(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(in); d.More(); {
			var row struct {
				Key   string
				Value int64
			}
			if err := d.Decode(&row); err != nil {
				t.Fatal(err)
			}
			got[row.Key] = max(got[row.Key], row.Value)
		}
		in.Close()
	}
	return got
}

// Counts go on where they were: the second run has only the second file to read.
func TestWordCount(t *testing.T) {
	dir := t.TempDir()
	in, result := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"files": in, "out": result} {
		if err := pflag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for i, text := range []string{"to be or not\nto be\n", "be that\n"} {
		tmp := filepath.Join(dir, "next.txt")
		if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(in, []string{"a.txt", "b.txt"}[i])); err != nil {
			t.Fatal(err)
		}
		err := driver.Run(t.Context(), wordCount, driver.Config{
			Name: "wordcount", Asap: true, Checkpoint: filepath.Join(dir, "state"), UntilCaughtUp: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int64{"to": 2, "be": 3, "or": 1, "not": 1, "that": 1}
	got := counts(t, result)
	for w, n := range want {
		if got[w] != n {
			t.Errorf("%s: %d, want %d", w, got[w], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("counts %v, want %v", got, want)
	}
}
