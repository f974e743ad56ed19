package dstream

import (
	"runtime"
	"strings"
)

// Describe calls the job function. A panic in it becomes a mistake at the user's line, beside those that were found before it. A stream that
// was declared and never made from a source is among them: its methods have no job to report to.
func (j *Job) Describe(f func(*Job)) {
	defer func() {
		if v := recover(); v != nil {
			at, inside := panicSite()
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

// panicSite is the user's line at which a panic began or that called what panicked, and whether it began in this package.
func panicSite() (at site, inside bool) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	panicking, first := false, true
	for {
		f, more := frames.Next()
		switch {
		case !more:
			return site{}, inside
		case strings.HasPrefix(f.Function, "runtime."):
			panicking = true
		case !panicking: // Describe's own deferred function
		case strings.HasPrefix(f.Function, "github.com/millrace/millrace/dstream."):
			inside = inside || first
			first = false
		default:
			return site{f.File, f.Line}, inside
		}
	}
}
