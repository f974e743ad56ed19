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

// Crash ends the process with SIGKILL the n-th time that it passes the point named in MILLRACE_CRASH=point:n.
func Crash(point string) {
	name, count, _ := strings.Cut(crashAt, ":")
	if name != point {
		return
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	if passed.Add(1) == n {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	}
}
