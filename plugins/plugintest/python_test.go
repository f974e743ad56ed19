package plugintest_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/plugintest"
)

// TestPython is the suite for the conformance plugin of the Python SDK. It needs a Python with pyarrow and grpcio: python3, or what MILLRACE_PYTHON names;
// MILLRACE_REQUIRE_PYTHON=1 makes it a failure that there is none.
func TestPython(t *testing.T) {
	python := cmp.Or(os.Getenv("MILLRACE_PYTHON"), "python3")
	path, err := exec.LookPath(python)
	if err == nil {
		err = exec.Command(path, "-c", "import pyarrow, grpc, google.protobuf").Run()
	}
	if err != nil {
		if os.Getenv("MILLRACE_REQUIRE_PYTHON") == "1" {
			t.Fatalf("%s cannot run plugins: %v", python, err)
		}
		t.Skipf("NOT TESTED: %s has no pyarrow and grpcio (%v); name one that has in MILLRACE_PYTHON", python, err)
	}
	src, err := filepath.Abs("../python/src")
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("../python/conformance.py")
	if err != nil {
		t.Fatal(err)
	}
	plugintest.Run(t, plugins.Command(path, script).Set(plugins.Settings{Env: map[string]string{"PYTHONPATH": src}}))
}
