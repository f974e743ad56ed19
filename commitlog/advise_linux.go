package commitlog

import (
	"os"

	"golang.org/x/sys/unix"
)

// willNeed lets the system begin to read a piece of a file.
func willNeed(f *os.File, pos, n int64) {
	_ = unix.Fadvise(int(f.Fd()), pos, n, unix.FADV_WILLNEED) // it is only advice
}
