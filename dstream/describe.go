package dstream

import (
	"runtime"

	"github.com/millrace/millrace/internal/userstack"
	"github.com/millrace/millrace/rdd"
)

// Describe calls the job function. A panic in it becomes a mistake at the user's line, beside those that were found before it. A stream that
// was declared and never made from a source is among them: its methods have no job to report to.
func (j *Job) Describe(f func(*Job)) {
	defer func() {
		if v := recover(); v != nil {
			file, line, inside := userstack.PanicLine()
			at := rdd.Site{File: file, Line: line}
			j.broken = true
			if _, ok := v.(runtime.Error); ok && inside {
				j.mistakef(at, "this stream comes from no source (or is the zero value): begin with dstream.From(job, …)")
				return
			}
			j.mistakef(at, "the job function panics: %v", v)
		}
	}()
	f(j)
}
