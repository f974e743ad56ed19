package host

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// executeOpen has cmd execute an open file, whatever is at its path by then.
func executeOpen(cmd *exec.Cmd, f *os.File) {
	if isScript(f) { // its interpreter would be given the name of a file descriptor
		return
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	cmd.Path = fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
}

// attributes put a process into a group of its own, and have it killed when the thread that starts it ends: with this process, or later.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// confine sets what the kernel itself limits. Resident memory is looked at once in a while; a process that grows faster than that ends at this limit of what it may write to.
// It is far above, since runtimes reserve more than they use. If the machine runs out of memory, plugins go first.
func confine(pid int, memory int64) {
	limit := uint64(max(4*memory, memory+4<<30))
	_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}, nil)
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
}

// awaitExit waits until a child has ended, and leaves it to be reaped: until then its group's number is nobody else's.
func awaitExit(pid int) {
	var info unix.Siginfo
	for unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
