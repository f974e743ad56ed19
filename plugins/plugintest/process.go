package plugintest

import (
	"os"
	"testing"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
)

// Run is Suite for an executable, through channels in memory and through those over gRPC.
func Run(t *testing.T, ref plugins.Ref) {
	for _, portable := range []bool{false, true} {
		name := "memory"
		if portable {
			name = "portable"
		}
		t.Run(name, func(t *testing.T) {
			ref.Settings.Portable = portable
			Suite(t, Started(t, ref))
		})
	}
}

// Started gives the operators of an executable by name. Its process ends with the test. A name that it does not have fails the test.
func Started(t testing.TB, ref plugins.Ref) func(name string) plugins.Operator {
	pool := host.New(host.Options{})
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(name string) plugins.Operator {
		t.Helper()
		_, op, err := pool.Resolve(t.Context(), ref.Op(name))
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
}

// Main is for TestMain of tests that want operators of their own package in a process: it serves them where the test binary was started by Self, and runs the tests otherwise.
//
//	func TestMain(m *testing.M) { plugintest.Main(m, plugins.Plugin{Name: "shop", Version: "1", Operators: operators}) }
func Main(m *testing.M, p plugins.Plugin) {
	if plugins.Started() {
		plugins.ServePlugin(p)
		return
	}
	os.Exit(m.Run())
}

// Self is the running test binary as a plugin, whose TestMain is Main.
func Self(t testing.TB) plugins.Ref {
	exe, err := os.Executable()
	must(t, err)
	return plugins.Command(exe)
}
