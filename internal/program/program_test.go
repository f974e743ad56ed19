package program

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestHashOf: two programs that differ in one constant have different hashes, with a build ID of Go's, without one, and with one that is the same for all; and the same
// program built again has the same.
func TestHashOf(t *testing.T) {
	dir := t.TempDir()
	build := func(name, constant, id string) []byte {
		t.Helper()
		main := "package main\n\nfunc main() { println(" + constant + ") }\n"
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(main), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{"build", "-o", name}
		if id != "default" {
			args = append(args, "-ldflags=-buildid="+id)
		}
		cmd := exec.Command("go", append(args, "main.go")...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if want := id == "default" && runtime.GOOS == "linux"; (buildID(f) != "") != want {
			t.Errorf("build ID %q of a binary with %q", buildID(f), id)
		}
		h, err := hashOf(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, id := range []string{"default", "", "redacted"} {
		a, b, again := build("a", "1", id), build("b", "2", id), build("c", "1", id)
		if bytes.Equal(a, b) || !bytes.Equal(a, again) {
			t.Errorf("build ID %q: hashes %x, %x, and %x for the first program again", id, a, b, again)
		}
	}
}
