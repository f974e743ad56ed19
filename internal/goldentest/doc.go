// Package goldentest answers whether text is as it was: tests compare it with a file in testdata, and `go test PACKAGE -update` rewrites the files, so that
// the difference is reviewed like code.
package goldentest
