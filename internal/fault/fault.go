// Package fault lets tests prove that the proofs can fail.
//
// Two things are planted in the engine's code and compiled away unless the build tag "faults" is set:
//
//   - Planted(name) is a deliberate violation of one invariant or protocol rule ("I1", "P7"). A test builds the
//     engine with the tag, sets MILLRACE_FAULT=name and must go red.
//   - Crash(point) is a moment at which the kill test ends the process with SIGKILL: MILLRACE_CRASH=point:n ends it the
//     n-th time that it passes there, and with MILLRACE_CRASH_ONCE=file only one process of many.
//
// Names of faults are the rule's number, with a suffix where one rule has several ("P7-foreign-marker").
package fault
