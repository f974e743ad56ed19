package goldentest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected text in testdata")

// Check compares got with testdata/name, or writes it there.
func Check(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s differs (-want +got; go test with -update rewrites it):\n%s", path, d)
	}
}

// Scripts runs each testdata/*.txt as a test of its own. A file is blocks with an empty line between: a command of one or more lines, a line of dashes,
// the expected text. start begins a file, and what it returns runs one command after the other; it is the text that the command must give.
func Scripts(t *testing.T, start func(t *testing.T) (run func(command string) string)) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			run := start(t)
			var blocks []string
			for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
				command, _, _ := strings.Cut(block, "\n----")
				blocks = append(blocks, strings.TrimRight(command+"\n----\n"+run(command), "\n"))
			}
			Check(t, name, strings.Join(blocks, "\n\n")+"\n")
		})
	}
}
