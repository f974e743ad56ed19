package kill

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForeignMarkers starts a job beside an output that its checkpoint knows nothing of, because the checkpoint was deleted or brought back from an
// older copy. The job stops and says what can be done; it neither skips nor repeats a row (P7).
func TestForeignMarkers(t *testing.T) {
	needProc(t)
	for _, sink := range []string{"files", "log", "plugin", "kafka"} {
		t.Run(sink, func(t *testing.T) {
			w := scriptedWorld(t, "words", sink, seedOf(t), 12)
			w.master = "local[2]"
			w.start(t, "--batches", "5").finish(t)
			w.collect(t)
			older := w.path("older")
			copyDir(t, w.checkpt(), older)
			for range 2 { // more drivers than the copy knows of: the sink has seen higher epochs
				w.start(t, "--batches", "1").finish(t)
			}
			w.start(t).finish(t)
			w.start(t).finish(t) // the older copy will not reach this one's epoch
			before := w.verify(t)

			t.Run("older copy", func(t *testing.T) {
				replaceDir(t, older, w.checkpt())
				w.refused(t, before)
			})
			t.Run("deleted", func(t *testing.T) {
				if err := os.RemoveAll(w.checkpt()); err != nil {
					t.Fatal(err)
				}
				w.refused(t, before)
			})
			t.Run("adopt without offsets", func(t *testing.T) {
				w.refused(t, before, "--sink-adopt")
			})
		})
	}
}

// refused demands that the job stops with the choices, and that the output is as before.
func (w *world) refused(t *testing.T, before published, flags ...string) {
	t.Helper()
	p := w.start(t, flags...)
	if err := p.wait(t); err == nil {
		w.failf(t, "the job ran on:\n%s", p.output())
	}
	said := p.output()
	wants := []string{"sink " + map[string]string{"files": "files:", "log": "log:", "plugin": "rows", "kafka": "kafka:"}[w.sink], "another output", "--sink-adopt"}
	for _, want := range wants {
		if !strings.Contains(said, want) {
			w.failf(t, "the message lacks %q:\n%s", want, said)
		}
	}
	if diff := cmp.Diff(before, w.read(t), cmp.AllowUnexported(row{})); diff != "" {
		w.failf(t, "the output changed:\n%s", diff)
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func replaceDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	copyDir(t, from, to)
}
