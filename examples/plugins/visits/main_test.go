package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// What docs/plugins.md quotes is what runs.
func TestGuideQuotesCode(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range []string{"main.go", "../../../plugins/example_test.go", "../../../cmd/millrace/templates/go/main_test.go.tmpl"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for _, b := range strings.Split(string(guide), "```go\n")[1:] {
		if block, _, _ := strings.Cut(b, "```"); !strings.Contains(code.String(), block) {
			t.Errorf("docs/plugins.md quotes what is nowhere:\n%s", block)
		}
	}
}
