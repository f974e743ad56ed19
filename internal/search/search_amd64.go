package search

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// fast tells whether find is there.
var fast = cpu.X86.HasAVX2

//go:noescape
func findAVX2(p unsafe.Pointer, n, k1, k2 int, probe uint32) int

// find is the first i below n, a positive multiple of 32, with p[i], p[i+k1] and p[i+k2] the three low bytes of probe, or -1.
func find(p unsafe.Pointer, n, k1, k2 int, probe uint32) int { return findAVX2(p, n, k1, k2, probe) }
