package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// Counted is a row of the output.
type Counted struct {
	Country string
	Visits  int64
}

func counted(visits dstream.Stream[Visit]) dstream.Stream[Counted] {
	return byCountry(visits).As[Counted]()
}

// The addresses are in examples/plugins/country/geo/ranges.csv: the first two lines.
var (
	input = [][]Visit{{{"ada", "192.0.2.7"}, {"bob", "192.0.2.21"}, {"eve", "10.0.0.1"}}, {}, {{"ada", "192.0.2.19"}, {"bob", "::ffff:192.0.2.0"}}}
	want  = [][]Counted{{{"QR", 1}, {"QN", 1}, {"ZZ", 1}}, {}, {{"QR", 3}}}
)

func TestCompiledIn(t *testing.T) { dstreamtest.Check(t, counted, input, want) }

// TestProcess is the same through a process, which gives the same bytes.
func TestProcess(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "country")
	if out, err := exec.Command("go", "build", "-o", exe, "../country").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	*plugin = exe
	t.Cleanup(func() { *plugin = "" })
	dstreamtest.Check(t, counted, input, want)
}
