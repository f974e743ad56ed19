package dstream_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// TestDescribePanics: what panics while a job is built is a mistake with the user's line, beside the others.
func TestDescribePanics(t *testing.T) {
	for name, c := range map[string]struct {
		job  func(*dstream.Job)
		want string
	}{
		"sink without a stream": {func(job *dstream.Job) {
			var s dstream.Stream[string]
			s.To(sink.Console())
		}, "comes from no source"},
		"keyed without a stream": {func(job *dstream.Job) {
			var s dstream.Keyed[string, string]
			s.CountByKey().Print(3)
		}, "comes from no source"},
		"user's panic": {func(job *dstream.Job) { panic("no config") }, "the job function panics: no config"},
	} {
		t.Run(name, func(t *testing.T) {
			j := dstream.NewJob(dstream.JobOptions{Name: "j"})
			j.Describe(func(job *dstream.Job) {
				dstream.From(job, source.Memory([]string{"a"})).KeyBy(dstream.Self).RunningCount("").Print(1)
				c.job(job)
			})
			_, err := j.Plan()
			if err == nil {
				t.Fatal("no mistakes")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != 2 || !strings.Contains(lines[0], c.want) || !strings.Contains(lines[1], "needs a name") {
				t.Errorf("mistakes: %q", lines)
			}
			for _, l := range lines {
				if !strings.HasPrefix(l, "describe_test.go:") {
					t.Errorf("no line of the user's: %s", l)
				}
			}
		})
	}
}
