// Package python_test runs the Python SDK against the engine's side.
package python_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/pythontest"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/plugins/plugintest"
)

// frames are the optional packages that the SDK knows.
var frames = []string{"pandas>=2", "polars>=1"}

// TestConformance runs the conformance plugin in Python, in processes: over both kinds of channels, and with threads in one process.
func TestConformance(t *testing.T) {
	py := pythontest.With(t, frames...)
	script, err := filepath.Abs("conformance.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		portable bool
		args     []string
	}{
		{"memory", false, []string{script}}, {"portable", true, []string{script}}, {"concurrent", false, []string{script, "--concurrent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := host.New(host.Options{})
			t.Cleanup(func() { _ = pool.Close() })
			ref := plugins.Command(py.Path, c.args...).Set(plugins.Settings{Env: py.Env, Start: time.Minute, Portable: c.portable})
			var mu sync.Mutex
			plugintest.Suite(t, func(name string) plugins.Operator {
				mu.Lock()
				defer mu.Unlock()
				p, op, err := pool.Resolve(context.Background(), ref.Op(name))
				if err != nil {
					t.Fatal(err)
				}
				if p.Name != "conformance" || p.Version != "1" {
					t.Fatalf("plugin %s %s", p.Name, p.Version)
				}
				return op
			})
		})
	}
}

// TestPython runs the SDK's own tests, with the installed wheel.
func TestPython(t *testing.T) {
	py := pythontest.With(t, frames...)
	out, err := py.Command(".", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=", "tests").CombinedOutput()
	if err != nil || strings.Contains(string(out), "skipped") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
