package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
)

const pluginEnv = "MILLRACE_TEST_PLUGIN"

func TestMain(m *testing.M) {
	if version := os.Getenv(pluginEnv); version != "" {
		plugins.ServePlugin(plugins.Plugin{Name: "same", Version: version, Operators: []plugins.Operator{
			{Name: "as-is", Doc: "gives rows back", Map: func([]byte) (plugins.Map, error) { return asIs{}, nil }},
		}})
	}
	os.Exit(m.Run())
}

type asIs struct{}

func (asIs) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	return plugins.Declaration{Output: in}, nil
}

func (asIs) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	return plugins.Result{N: int(in.NumRows()), Rec: in}, nil
}

// A plugin is looked at, locked, and refused once it has changed.
func TestPluginCommands(t *testing.T) {
	dir := t.TempDir()
	exe, lock, script := filepath.Join(dir, "same"), filepath.Join(dir, "lock"), filepath.Join(dir, "model.py")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, self, exe)
	if err := os.WriteFile(script, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := []string{"--env", pluginEnv + "=1.5", exe, script, "--flag"}
	command := func(code int, want string, args ...string) {
		t.Helper()
		var out, errOut bytes.Buffer
		got := run(context.Background(), append([]string{"plugin"}, args...), strings.NewReader(""), &out, &errOut)
		if text := out.String() + errOut.String(); got != code || !strings.Contains(text, want) {
			t.Errorf("millrace plugin %s: status %d, want %d; want %q in\n%s", args, got, code, want, text)
		}
	}
	command(0, "same 1.5, sdk go 1", append([]string{"list"}, start...)...)
	command(0, "map  as-is  gives rows back\n", append([]string{"list"}, start...)...)
	command(1, "there is no lock file "+lock, "verify", "--lock", lock)
	command(0, exe+" (same 1.5)\n", append([]string{"lock", "--lock", lock}, start...)...)
	command(0, exe+" is as locked (same 1.5)\n", "verify", "--lock", lock)
	command(0, script+" is as locked (same 1.5)\n", "verify", "--lock", lock)
	command(0, exe+" is as locked (same 1.5)\n", append([]string{"verify", "--lock", lock}, start...)...)

	if err := os.WriteFile(script, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(1, "1 of 2 files are not as "+lock+" has them", "verify", "--lock", lock)
	command(1, script+" has other bytes than it must have", append([]string{"verify", "--lock", lock}, start...)...)
	command(1, "lock it again with\n    millrace plugin lock --lock "+lock+" "+exe+" "+script+" --flag", append([]string{"verify", "--lock", lock}, start...)...)
	command(0, exe, append([]string{"lock", "--lock", lock}, start...)...)
	command(0, exe+" is as locked (same 1.5)\n", append([]string{"verify", "--lock", lock}, start...)...)

	command(1, "is not in the lock file "+lock, "verify", "--lock", lock, self)
	command(1, "is it a plugin of millrace?", "list", "true")
	command(2, "want NAME=VALUE", "list", "--env", "x", exe)
	command(2, "requires at least 1 arg", "list")
	command(0, "list, lock, verify", "--help")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o700); err != nil {
		t.Fatal(err)
	}
}
