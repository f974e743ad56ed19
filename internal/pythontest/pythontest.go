// Package pythontest gives tests a Python that has the SDK for plugins as it stands in this tree: a virtual environment with what the SDK needs, which is made once and kept in the user's cache, and
// the SDK itself, built and installed anew for each test.
package pythontest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Python is an interpreter with the SDK.
type Python struct {
	Path string            // the executable
	Env  map[string]string // the environment in which it finds the SDK
}

// Command runs the interpreter with arguments, in the environment, in dir.
func (p Python) Command(dir string, args ...string) *exec.Cmd {
	c := exec.Command(p.Path, args...)
	c.Dir = dir
	c.Env = os.Environ()
	for k, v := range p.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	return c
}

// With is a Python with the SDK and other packages, as pip names them ("pandas==2.2.3"). It needs Python 3.9 or newer as python3, pip, and the packages' index: what is missing fails the test. Only
// under go test -short it skips.
func With(t testing.TB, packages ...string) Python {
	t.Helper()
	if testing.Short() {
		t.Skip("python with packages is not for -short")
	}
	base := environment(t, append(needs(t), packages...))
	return Python{Path: filepath.Join(base, "bin", "python"), Env: map[string]string{"PYTHONPATH": install(t, base), "PYTHONDONTWRITEBYTECODE": "1"}}
}

// tree is the SDK's folder.
func tree() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "plugins", "python")
}

// needs are the SDK's dependencies, with what builds it.
func needs(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tree(), "pyproject.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), "\ndependencies = [")
	list, _, closed := strings.Cut(rest, "]")
	if !found || !closed {
		t.Fatal("plugins/python/pyproject.toml: no line dependencies = [...]")
	}
	out := []string{"setuptools>=64", "wheel", "pytest>=7"}
	for _, d := range strings.Split(list, ",") {
		out = append(out, strings.Trim(strings.TrimSpace(d), `"`))
	}
	return out
}

// environment is the folder of a virtual environment with packages. Its name has their hash, so that it is made once a machine; a process that ends
// half-way leaves nothing that is taken for one.
func environment(t testing.TB, packages []string) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("python3 is not there: install Python 3.9 or newer, or run go test -short: %v", err)
	}
	about := run(t, "ask python3 for its version, which must be 3.9 at least", exec.Command(python, "-c", "import sys; assert sys.version_info >= (3, 9), sys.version; print(sys.version, sys.prefix)"))
	sum := sha256.Sum256([]byte(about + "\n" + strings.Join(packages, "\n")))
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "millrace-python")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	done := filepath.Join(root, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(done); err == nil {
		return done
	}
	making, err := os.MkdirTemp(root, "making-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(making)
	run(t, "make a virtual environment (Debian's package python3-venv has it)", exec.Command(python, "-m", "venv", making))
	args := append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, packages...)
	run(t, "install packages with pip", exec.Command(filepath.Join(making, "bin", "python"), args...))
	if err := os.Rename(making, done); err != nil {
		if _, e := os.Stat(done); e != nil { // another process was not faster
			t.Fatal(err)
		}
	}
	return done
}

// install builds the SDK's wheel out of a copy of the tree, and installs it into a folder of the test's.
func install(t testing.TB, base string) string {
	t.Helper()
	source, target := t.TempDir(), t.TempDir()
	for _, name := range []string{"pyproject.toml", "README.md", "src"} {
		copied(t, filepath.Join(tree(), name), filepath.Join(source, name))
	}
	run(t, "install the SDK with pip", exec.Command(filepath.Join(base, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--no-build-isolation", "--no-index", "--target", target, source))
	return target
}

func copied(t testing.TB, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, b, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, what string, c *exec.Cmd) string {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %s: %v\n%s%s", what, strings.Join(c.Args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}
