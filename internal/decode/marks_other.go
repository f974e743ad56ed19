//go:build !amd64

package decode

import "unsafe"

// hasMarks tells whether marks is faster than looking for the end of each text.
var hasMarks = false

// marks sets bit i of out where byte i of the n bytes at p, a positive multiple of 64, is no plain character.
func marks(p unsafe.Pointer, n int, out []uint64) { marksPlain(p, n, out) }
