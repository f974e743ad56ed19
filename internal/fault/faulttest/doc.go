// Package faulttest answers whether a test can fail: it runs the test binary again with a planted fault switched on (package fault), and wants red.
// The tests that call it carry the build tag "faults", and "Fault", "Planted" or "Red" in their names.
package faulttest
