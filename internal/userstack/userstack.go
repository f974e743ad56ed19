// Package userstack answers: where in the user's code did a panic begin?
package userstack

import (
	"fmt"
	"runtime"
	"strings"
)

// enginePackages are the prefixes of functions that stand between the runtime and user code.
var enginePackages = []string{
	"github.com/millrace/millrace/rdd.", "github.com/millrace/millrace/dstream.", "github.com/millrace/millrace/sink.",
	"github.com/millrace/millrace/internal/", "github.com/apache/arrow/",
}

// Misuse is what the engine panics with where user code called it in a way that cannot work: the fault is the caller's.
type Misuse struct{ Err error }

func (m Misuse) Error() string { return m.Err.Error() }

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
		case misuse && shown == 0 && isEngine(f.Function): // what was called in a wrong way
		case isEngine(f.Function):
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

func isEngine(function string) bool {
	for _, p := range enginePackages {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}
