//go:build faults

package fault

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Enabled tells whether this binary carries planted faults.
const Enabled = true

var (
	planted = os.Getenv("MILLRACE_FAULT")
	crashAt = os.Getenv("MILLRACE_CRASH")
	once    = os.Getenv("MILLRACE_CRASH_ONCE")
	passed  atomic.Int64
)

// Planted tells whether the fault of that name is switched on by MILLRACE_FAULT (names separated by commas).
func Planted(name string) bool {
	if planted == "" {
		return false
	}
	for _, p := range strings.Split(planted, ",") {
		if p == name {
			return true
		}
	}
	return false
}

// Noise differs from process to process, as the seed of a Go map's hash does.
func Noise() uint64 { return uint64(os.Getpid()) * 0x9e3779b97f4a7c15 }

// Crash ends the process with SIGKILL the n-th time that it passes the point named in MILLRACE_CRASH=point:n. Where several processes have the same
// environment, MILLRACE_CRASH_ONCE names a file that the first of them creates: the others, and those that come after it, go on.
func Crash(point string) {
	name, count, _ := strings.Cut(crashAt, ":")
	if name != point {
		return
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	if passed.Add(1) == n && first() {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// first tells whether no other process has crashed.
func first() bool {
	if once == "" {
		return true
	}
	f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}
