// Package assert stops the program when an invariant of the engine itself is broken.
//
// It is for mistakes in millrace, never for bad input or for mistakes in a user's job: those are errors.
package assert

import "fmt"

// True panics with the formatted message, prefixed with "invariant broken", when cond is false.
func True(cond bool, format string, args ...any) {
	if !cond {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}
