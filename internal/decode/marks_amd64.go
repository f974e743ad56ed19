package decode

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// hasMarks tells whether marks is faster than looking for the end of each text.
var hasMarks = cpu.X86.HasAVX2

//go:noescape
func marksAVX2(p unsafe.Pointer, n int, out *uint64)

// marks sets bit i of out where byte i of the n bytes at p, a positive multiple of 64, is no plain character.
func marks(p unsafe.Pointer, n int, out []uint64) { marksAVX2(p, n, &out[:n/64][0]) }
