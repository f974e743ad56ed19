package sink

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes f's bytes and its length durable; times of access and change may lag.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}
