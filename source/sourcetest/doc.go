// Package sourcetest holds the conformance kit for sources: what package source promises of every connector, checked.
//
// Run takes a function that sets up a source and checks that its partitions are stable, that reading from any offset gives the
// same records as reading from the start, that blocks keep their invariants, that readers end when they should and
// return at once when they are told to, and that nothing is left running.
package sourcetest
