package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs millrace in a folder of its own.
func command(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

// TestPluginNewGo tests and builds what is made, without a network.
func TestPluginNewGo(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a project")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	out, errOut, code := command(t, "plugin", "new", "go", "score-2")
	if code != 0 || !strings.Contains(out, "go test ./...") {
		t.Fatalf("exit status %d, output %q, error %q", code, out, errOut)
	}
	readme, err := os.ReadFile(filepath.Join("score-2", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"go test ./...", "go build -o score-2 .", "go run ./job --until-caught-up"} {
		if !strings.Contains(string(readme), line) || !strings.Contains(out, line) {
			t.Errorf("README.md or the output does not have %q", line)
		}
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"build", "-o", "score-2", "."}, {"build", "-o", "run-job", "./job"}} {
		c := exec.Command("go", args...)
		c.Dir = filepath.Join(dir, "score-2")
		c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	job := exec.Command(filepath.Join(dir, "score-2", "run-job"), "--until-caught-up")
	job.Dir = filepath.Join(dir, "score-2")
	if out, err := job.CombinedOutput(); err != nil || !strings.Contains(string(out), "40.96") {
		t.Errorf("the job does not give the score of the third visit: %v\n%s", err, out)
	}
	b, err := exec.Command(filepath.Join(dir, "score-2", "score-2")).CombinedOutput()
	if err == nil || !strings.Contains(string(b), "map        score-2") {
		t.Errorf("started by hand the plugin says %q (%v), and not what it offers", b, err)
	}
}

func TestPluginNewPython(t *testing.T) {
	t.Chdir(t.TempDir())
	if out, errOut, code := command(t, "plugin", "new", "python", "score"); code != 0 || !strings.Contains(out, "python3 -m pytest") {
		t.Fatalf("exit status %d, output %q, error %q", code, out, errOut)
	}
	for name, want := range map[string]string{
		"plugin.py": `@operator(name="score"`, "test_plugin.py": "from plugin import score", "requirements.txt": "millrace-plugin @ file:///", "main.go": `plugins.Command("python3", "plugin.py").Op("score")`,
		"go.mod": "replace " + thisModule, "README.md": "python3 -m pytest", "data/visits.json": "ada",
	} {
		if b, err := os.ReadFile(filepath.Join("score", name)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s does not have %q: %v\n%s", name, want, err, b)
		}
	}
}

func TestPluginNewRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("there", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"go", "there"}, 1, "there is there already"}, {[]string{"rust", "x"}, 2, "choose go or python"}, {[]string{"go", "../x"}, 2, "cannot be a plugin's name"},
		{[]string{"go", "X"}, 2, "cannot be a plugin's name"}, {[]string{"go", ""}, 2, "cannot be"}, {[]string{"go", "internal"}, 2, "choose another name"},
		{[]string{"go"}, 2, "accepts 2 arg"}, {[]string{"go", "x", "--checkout", "there"}, 1, "has no go.mod of"},
	} {
		_, errOut, code := command(t, append([]string{"plugin", "new"}, c.args...)...)
		if code != c.code || !strings.Contains(errOut, c.want) {
			t.Errorf("%q: exit status %d, error %q; want %d, %q", c.args, code, errOut, c.code, c.want)
		}
	}
	if entries, _ := os.ReadDir("."); len(entries) != 1 {
		t.Errorf("refusals leave %v", entries)
	}
}

// TestPluginNewInstalled is what a command gives that was installed without sources.
func TestPluginNewInstalled(t *testing.T) {
	p := project{Language: "go", Name: "score", Version: "v1.2.3"}
	mod, sum, err := p.module()
	if err != nil || sum != nil || !strings.Contains(string(mod), "require "+thisModule+" v1.2.3\n") || strings.Contains(string(mod), "replace") {
		t.Errorf("go.mod is %s (%v)", mod, err)
	}
	if r := (project{Version: "v1.2.3"}).Requirement(); r != "millrace-plugin @ git+https://github.com/millrace/millrace@v1.2.3#subdirectory=plugins/python" {
		t.Errorf("requirement %s", r)
	}
}
