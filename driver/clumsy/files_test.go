package clumsy

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFileThatGrewStops: a file that was read and then got more lines stops the job, and does not count twice (P18).
func TestFileThatGrewStops(t *testing.T) {
	p := newPlace(t)
	args := []string{"--from", "files:in", "--checkpoint", "ck", "--until-caught-up"}
	path := p.settled("in/a.txt", "a b a\n")
	p.produce("counts")
	p.ok("words", args...)
	p.settled("in/a.txt", "a b a\nc\n")
	p.run("words", args...).refused(t, 1, "has changed since it was taken as complete", path[len(p.dir)+1:])
	if err := os.Rename(path, filepath.Join(p.dir, "moved")); err != nil {
		t.Fatal(err)
	}
	p.settled("in/b.txt", "c\n")
	p.ok("words", args...)
	if d := cmp.Diff(map[string]int{"a": 2, "b": 1, "c": 1}, p.totals("counts")); d != "" {
		t.Error(d)
	}
}

// TestFileThatGrowsMeanwhile: the same while the job runs.
func TestFileThatGrowsMeanwhile(t *testing.T) {
	p := newPlace(t)
	p.settled("in/a.txt", "a b a\n")
	r := p.start("words", "--from", "files:in", "--checkpoint", "ck", "--verbose")
	r.says("batch committed")
	p.settled("in/a.txt", "a b a\nc\n")
	r.wait().refused(t, 1, "has changed since it was taken as complete")
}
