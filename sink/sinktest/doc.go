// Package sinktest answers: does a sink do what the engine relies on?
//
// Run takes a sink through staging, publishing, restarts at every step, takeovers and repeats, and compares what readers see with what
// exactly once means (I4, I5, I9, P6 to P8). Every connector runs it, and so should the author of a new one.
// Crash (build tag "faults") also kills a writing process at named points. Red proves that a test can fail.
package sinktest
