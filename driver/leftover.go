package driver

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	procsPrefix   = "millrace-" // begins the name of a folder of sockets
	leftoverAge   = time.Minute // a younger folder may be in the making
	leftoverLimit = 8           // folders that one start removes at most: it must not take long
)

// sweep removes folders of sockets that no process uses. A folder is left behind where all processes of a job are killed at once and nobody starts it
// again on its checkpoint. What cannot be told for certain to be such a folder stays.
func sweep(base string, now time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(base, procsPrefix+"*"))
	for removed := 0; len(dirs) > 0 && removed < leftoverLimit; dirs = dirs[1:] {
		if leftover(dirs[0], now) && os.RemoveAll(dirs[0]) == nil {
			removed++
		}
	}
}

// leftover tells whether dir was made by newProcs, by this user, and nobody listens in it or is about to.
func leftover(dir string, now time.Time) bool {
	info, err := os.Lstat(dir)
	if err != nil || info.Mode() != os.ModeDir|0o700 || !ownedByUs(info) || now.Sub(info.ModTime()) < leftoverAge {
		return false
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	ours := false
	for _, f := range files {
		switch name := f.Name(); {
		case name == "token":
			ours = true
		case name == "program":
		case !strings.HasSuffix(name, ".sock") || !deserted(filepath.Join(dir, name)):
			return false
		}
	}
	return ours && len(childrenNaming(`"`+dir+"/")) == 0
}

// deserted tells whether sock is a socket and nobody listens on it.
func deserted(sock string) bool {
	conn, err := net.DialTimeout("unix", sock, expelLimit)
	if err == nil {
		_ = conn.Close()
		return false
	}
	info, lerr := os.Lstat(sock)
	return errors.Is(err, syscall.ECONNREFUSED) && lerr == nil && info.Mode()&os.ModeSocket != 0
}
