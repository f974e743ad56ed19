package host

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// folderBase is where the folders of processes are. Paths of sockets may have about 100 bytes, so that a long TMPDIR will not do.
func folderBase() string {
	if base := os.TempDir(); len(base) <= 40 {
		return base
	}
	return "/tmp"
}

const folderLock = "lock"

// makeFolder makes the process's folder.
func (p *process) makeFolder() (err error) {
	if p.folder, err = os.MkdirTemp(folderBase(), fmt.Sprintf("millrace-%d-", os.Getpid())); err != nil { // 0700
		return err
	}
	p.held, err = os.OpenFile(filepath.Join(p.folder, folderLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(p.held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	p.cmd.Dir = p.ref.Settings.Dir
	if p.cmd.Dir == "" && err == nil {
		p.cmd.Dir = filepath.Join(p.folder, "work")
		err = os.Mkdir(p.cmd.Dir, 0o700)
	}
	if err != nil {
		p.removeFolder()
	}
	return err
}

func (p *process) removeFolder() {
	os.RemoveAll(p.folder)
	if p.held != nil {
		p.held.Close()
	}
}

// sweep removes folders of this user's that nobody holds: a host that was killed left them.
func sweep(base string, now time.Time) {
	names, _ := filepath.Glob(filepath.Join(base, "millrace-*-*", folderLock))
	for _, name := range names {
		s, err := os.Lstat(name)
		if err != nil || !s.Mode().IsRegular() || now.Sub(s.ModTime()) < time.Minute { // it may not be locked yet
			continue
		}
		if st, ok := s.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Getuid() {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(name))
		}
		f.Close()
	}
}
