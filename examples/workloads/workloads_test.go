package workloads

import (
	"maps"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// job is a workload under a clock that the test moves.
func job(t *testing.T, args ...string) *dstreamtest.Job {
	t.Helper()
	fs := pflag.NewFlagSet("job", pflag.ContinueOnError)
	s := Register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return dstreamtest.Run(t, func(j *dstream.Job) { s.Job(j) })
}

// Both forms of W2 say the same of lines that nearly have the word. The other workloads' forms are compared by the benchmark's checks.
func TestFormsOfGrepAgree(t *testing.T) {
	for _, form := range []string{"closures", "frame"} {
		b := job(t, "--work", "w2", "--form", form).Batch(dstreamtest.Records("log:lines", 0, "w1 w777 w1", "w7777", "w777", "", "w1 xw777 w777x", "a  w777 b"))
		if got, want := b.JSON("log:out-w2"), `{"count":3}`+"\n"; got != want {
			t.Errorf("%s: %q, want %q", form, got, want)
		}
	}
}

func TestHoldsWord(t *testing.T) {
	for line, want := range map[string]bool{"w777": true, "a w777": true, "w777 b": true, "w7777": false, "xw777": false, "w7777 w777": true, "": false} {
		if holdsWord(line) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

// Every workload that there is has topics, and a name that there is not is none.
func TestKnown(t *testing.T) {
	for _, work := range slices.Concat(slices.Collect(maps.Keys(forms)), slices.Collect(maps.Keys(others)), []string{"q0", "q8", "q22"}) {
		if !Known(work) || len(Outputs(work)) == 0 || len(Inputs(work)) == 0 && work != "closures" {
			t.Errorf("%s: %v, from %q to %q", work, Known(work), Inputs(work), Outputs(work))
		}
	}
	if Known("w9") || Known("") || TwoForms("q0") {
		t.Error("too much is known")
	}
}
