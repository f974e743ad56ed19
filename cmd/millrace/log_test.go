package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runLog runs millrace log with input and arguments.
func runLog(t *testing.T, input string, args ...string) (out string, err error) {
	t.Helper()
	c := logCommand()
	var stdout, stderr bytes.Buffer
	c.SetIn(strings.NewReader(input))
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(context.Background())
	return stdout.String(), err
}

func mustLog(t *testing.T, input string, args ...string) string {
	t.Helper()
	out, err := runLog(t, input, args...)
	if err != nil {
		t.Fatalf("log %v: %v", args, err)
	}
	return out
}

func TestLogCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	mustLog(t, "", "create", dir, "--topic", "lines", "--partitions", "2")
	mustLog(t, "", "create", dir, "--topic", "table", "--compact")
	mustLog(t, "one\ntwo\nthree\n", "produce", dir, "--topic", "lines")
	mustLog(t, "k=1\nk=2\nj=3\n", "produce", dir, "--topic", "table", "--key-separator", "=")
	mustLog(t, `{"key":"j","value":null,"time":"2020-01-02T00:00:00Z"}`+"\n"+`{"key":"x","value":{"a": 1},"time":7}`, "produce", dir, "--topic", "table", "--json")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"list", dir}, "lines\ntable\n"},
		{[]string{"consume", dir, "--topic", "lines"}, "one\nthree\ntwo\n"},
		{[]string{"consume", dir, "--topic", "lines", "--partition", "1"}, "two\n"},
		{[]string{"consume", dir, "--topic", "lines", "--from", "1"}, "three\n"},
		{[]string{"consume", dir, "--topic", "lines", "--from", "latest"}, ""},
		{[]string{"consume", dir, "--topic", "lines", "--max", "2"}, "one\nthree\n"},
		{[]string{"consume", dir, "--topic", "table", "--key-separator", "="}, "k=1\nk=2\nj=3\nj=\nx={\"a\": 1}\n"},
		{[]string{"consume", dir, "--topic", "table", "--json", "--from", "3"}, `{"partition":0,"offset":3,"time":"2020-01-02T00:00:00Z","key":"j","value":null}
{"partition":0,"offset":4,"time":"1970-01-01T00:00:00.000007Z","key":"x","value":"{\"a\": 1}"}
`},
		{[]string{"consume", dir, "--topic", "lines", "-f", "-n", "2", "-p", "0"}, "one\nthree\n"},
	} {
		if d := cmp.Diff(c.want, mustLog(t, "", c.args...)); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, d)
		}
	}
	if out := mustLog(t, "", "compact", dir, "--topic", "table"); !strings.Contains(out, "2 records removed, 3 kept") {
		t.Errorf("compact: %s", out)
	}
	if d := cmp.Diff("2\n\n{\"a\": 1}\n", mustLog(t, "", "consume", dir, "--topic", "table")); d != "" {
		t.Errorf("after compact (-want +got):\n%s", d)
	}
	if out := mustLog(t, "", "describe", dir); !strings.Contains(out, "compacted by key") || !strings.Contains(out, "kept for 168h0m0s") {
		t.Errorf("describe: %s", out)
	}
}

func TestLogCommandMistakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	mustLog(t, "", "create", dir, "--topic", "t")
	for _, c := range []struct {
		input string
		args  []string
		want  string
	}{
		{"", []string{"list", dir + "/no"}, "there is no log"},
		{"", []string{"create", dir, "--topic", "t"}, "exists already"},
		{"", []string{"create", dir, "--topic", "a/b"}, "use letters"},
		{"", []string{"create", dir}, `"topic" not set`},
		{"", []string{"consume", dir, "--topic", "no"}, "millrace log create"},
		{"", []string{"consume", dir, "--topic", "t", "--from", "soon"}, "want earliest, latest"},
		{"", []string{"consume", dir, "--topic", "t", "--partition", "1"}, "has partitions 0 to 0"},
		{"", []string{"compact", dir, "--topic", "t"}, "made with --compact"},
		{"a\nb\n", []string{"produce", dir, "--topic", "t", "-k", ":"}, "line 1: no key separator"},
		{"{}\n{\"valeu\":1}\n", []string{"produce", dir, "--topic", "t", "--json"}, "line 2: not an object with key, value, time"},
	} {
		if _, err := runLog(t, c.input, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; want %q", c.args, err, c.want)
		}
	}
}
