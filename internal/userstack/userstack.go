// Package userstack answers: which line of the user's program called us, and where in it did a panic begin?
package userstack

import (
	"fmt"
	"runtime"
	"strings"
)

// enginePackages are the prefixes of functions that stand between the runtime and user code.
var enginePackages = []string{
	"github.com/millrace/millrace/rdd.", "github.com/millrace/millrace/dstream.", "github.com/millrace/millrace/sink.",
	"github.com/millrace/millrace/plugins/host.",
	"github.com/millrace/millrace/internal/", "github.com/apache/arrow/",
}

// Misuse is what the engine panics with where user code called it in a way that cannot work: the fault is the caller's.
type Misuse struct{ Err error }

func (m Misuse) Error() string { return m.Err.Error() }

// describing are the prefixes of functions that stand between a job function and the nodes of its plan.
var describing = []string{
	"github.com/millrace/millrace/dstream.", "github.com/millrace/millrace/rdd.", "github.com/millrace/millrace/internal/ops.",
	"github.com/millrace/millrace/source.", // Read
}

// Line is the user's line that called into the packages that describe plans, "" if there is none.
func Line() (file string, line int) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		switch {
		case !is(f.Function, describing):
			return f.File, f.Line
		case !more:
			return "", 0
		}
	}
}

// PanicLine is the user's line at which a panic began, or that called what panicked in the packages that describe plans; inside tells these two
// apart. It must be called in the deferred function that recovers, or by what that calls.
func PanicLine() (file string, line int, inside bool) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	panicking, first := false, true
	for {
		f, more := frames.Next()
		switch {
		case !more:
			return "", 0, inside
		case strings.HasPrefix(f.Function, "runtime."):
			panicking = true
		case !panicking: // the deferred function itself
		case is(f.Function, describing):
			inside = inside || first
			first = false
		default:
			return f.File, f.Line, inside
		}
	}
}

// Of is the panicking goroutine's stack from the panic with cause, or for a Misuse from the code at fault, down to the engine's first frame. It must be
// called in the deferred function that recovers. user is false if the engine itself panicked.
func Of(cause any) (stack string, user bool) {
	_, misuse := cause.(Misuse)
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var b strings.Builder
	panicking, shown := false, 0
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case !panicking || strings.HasPrefix(f.Function, "runtime."):
		case misuse && shown == 0 && is(f.Function, enginePackages): // what was called in a wrong way
		case is(f.Function, enginePackages):
			return b.String(), shown > 0
		default:
			shown++
			fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String(), shown > 0
		}
	}
}

// is tells whether a function is of one of the packages.
func is(function string, packages []string) bool {
	for _, p := range packages {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}
