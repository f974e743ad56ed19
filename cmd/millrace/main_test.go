package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// TestStatus: wrong arguments end with 2 and say where to read on, other errors with 1.
func TestStatus(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	mustLog(t, "", "create", dir, "--topic", "lines")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 0, "Usage:"},
		{"log", 0, "Usage:"},
		{"version", 0, "millrace"},
		{"log list " + dir, 0, "lines"},
		{"lgo", 2, "Did you mean"},
		{"log lsit", 2, `unknown command "lsit"; see millrace log --help`},
		{"log list", 2, "see millrace log list --help"},
		{"log list a b", 2, "accepts 1 arg"},
		{"log create " + dir, 2, `"topic" not set`},
		{"log create " + dir + " -t x -p 0", 2, "want 1 or more"},
		{"log consume " + dir + " -t lines --bogus", 2, "--bogus"},
		{"log consume " + dir + " -t lines --from yesterday", 2, "want earliest, latest"},
		{"log consume " + dir + " -t lines --from -1", 2, "want earliest, latest"},
		{"log consume " + dir + " -t lines -p 3", 1, "partitions 0 to 0"},
		{"log consume " + dir + " -t none", 1, "millrace log create " + dir + " --topic none"},
		{"log list " + dir + "x", 1, "millrace log create " + dir + "x"},
		{"checkpoint show " + dir, 1, "is no checkpoint"},
		{"checkpoint verify", 2, "accepts 1 arg"},
		{"bench suite --list", 0, "drain/w4/frame/log"},
		{"bench --work w9", 1, `--work "w9": want w1`},
		{"bench --bogus", 2, "--bogus"},
		{"bench w4", 2, "see millrace bench --help"},
		{"log list --work w4", 2, "--work"}, // flags of the jobs that bench runs are not everyone's
	} {
		var out, errOut bytes.Buffer
		code := run(context.Background(), strings.Fields(c.args), strings.NewReader(""), &out, &errOut)
		if text := out.String() + errOut.String(); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("millrace %s: status %d, want %d; want %q in\n%s", c.args, code, c.code, c.want, text)
		}
	}
}
