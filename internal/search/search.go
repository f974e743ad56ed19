// Package search looks for a text in many.
package search

import (
	"strings"
	"unsafe"
)

// ContainsEach sets out[i] to whether in[i] contains sep.
//
// Texts of a column often lie one behind the other in memory, as a log or an Arrow array has them. Such a run is searched as one text, three bytes of sep at 32 places at
// a time (the first, a middle and the last one; after Muła, "SIMD-friendly algorithms for substring searching"), whatever the lengths of texts; what is found across
// the end of one does not count.
func ContainsEach(out []bool, in []string, sep string) {
	if !fast || sep == "" {
		containsPlain(out, in, sep)
		return
	}
	out = out[:len(in)]
	clear(out)
	for i := 0; i < len(in); {
		n, until := run(in, i)
		if n > 0 {
			containsRun(out[i:until], in[i:until], n, sep)
		}
		i = until
	}
}

// containsPlain is ContainsEach text by text.
func containsPlain(out []bool, in []string, sep string) {
	for i, s := range in {
		out[i] = strings.Contains(s, sep)
	}
}

// run is how many bytes lie one behind the other from text i on, and behind which text they end. Empty texts lie everywhere.
func run(in []string, i int) (n, until int) {
	var first uintptr
	for until = i; until < len(in); until++ {
		s := in[until]
		if len(s) == 0 {
			continue
		}
		if at := uintptr(unsafe.Pointer(unsafe.StringData(s))); n == 0 {
			first = at
		} else if at != first+uintptr(n) {
			break
		}
		n += len(s)
	}
	return n, until
}

// containsRun is for texts of n bytes that are a run. Texts that are neighbours by chance may be of two allocations, which checkptr would object to; both are
// held by in, and nothing between them is read.
//
//go:nocheckptr
func containsRun(out []bool, in []string, n int, sep string) {
	row := 0
	for len(in[row]) == 0 {
		row++
	}
	start, end := unsafe.Pointer(unsafe.StringData(in[row])), len(in[row])
	for at := 0; ; {
		at = index(start, at, n, sep)
		if at < 0 {
			return
		}
		for end <= at {
			row++
			end += len(in[row])
		}
		if at+len(sep) > end { // across the end of a text
			at++
			continue
		}
		out[row] = true
		at = end
	}
}

// index is where sep begins at or behind byte at of the n bytes at start, or -1.
//
//go:nocheckptr
func index(start unsafe.Pointer, at, n int, sep string) int {
	k1, k2 := len(sep)/2, len(sep)-1
	probe := uint32(sep[0]) | uint32(sep[k1])<<8 | uint32(sep[k2])<<16
	for n-k2-at >= 32 {
		m := (n - k2 - at) &^ 31
		i := find(unsafe.Add(start, at), m, k1, k2, probe)
		if i < 0 {
			at += m
			break
		}
		at += i
		if unsafe.String((*byte)(unsafe.Add(start, at)), len(sep)) == sep {
			return at
		}
		at++
	}
	if at >= n {
		return -1
	}
	if i := strings.Index(unsafe.String((*byte)(unsafe.Add(start, at)), n-at), sep); i >= 0 {
		return at + i
	}
	return -1
}
