//go:build !faults

package fault

// Enabled tells whether this binary carries planted faults.
const Enabled = false

// Planted is false in every binary that is built without the tag "faults".
func Planted(string) bool { return false }

// Noise is 0 in every binary that is built without the tag "faults".
func Noise() uint64 { return 0 }

// Crash does nothing in a binary that is built without the tag "faults".
func Crash(string) {}
